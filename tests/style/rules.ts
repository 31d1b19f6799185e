/** Lists of the style check (`npm run check`): limits, replaced names and words, and the exceptions with their reasons. */

/** Lines of one source file; a file has fewer than this. */
export const MAX_LINES = 300;
/** Source files directly in one folder. */
export const MAX_FILES = 12;
/** Source files directly in `gateway/`. */
export const MAX_LOOSE_IN_GATEWAY = 6;

/** Folders of product code. */
export const PRODUCT = ['bin', 'connectors', 'gateway', 'migrations', 'schema'];
/** Folders that may hold more files: one file for each released step, one for each test. */
export const ANY_NUMBER_OF_FILES = ['migrations'];

const listed = (words: string): string[] => words.trim().split(/\s+/);

/** Names that were replaced: no file, and no exported symbol, has one as its whole name. */
export const REPLACED_NAMES = listed(`
  gate kept keeping lookout spent seats shield rooms story rhythm cadence waiting passport fused texts
  points gather assign pace following wire house room floor roof dark heals guarding flights departure warm
  settling door turns fit sound-socket pictures told say shown callers touched watch account show question
  asked stands lies lent
`);

/** Words that may not be a part of an exported symbol or of a file's name either, such as `toldOnce` or `told-once.ts`. */
export const REPLACED_PARTS = listed(`
  told lookout seats shield passport fused rhythm cadence house roof dark heals guarding departure settling
  lent kept keeping spent pictures
`);

/** Names of the park's own things: file (or folder), name, and what it means there. */
export const DOMAIN_NAMES: readonly { readonly path: string; readonly name: string; readonly meaning: string }[] = [
  { path: 'connectors/access-control/', name: 'door', meaning: 'a door of the access control system' },
  { path: 'connectors/hub/graph/', name: 'door', meaning: 'the same, as a key of an event' },
  { path: 'connectors/kit/testing/park/', name: 'door', meaning: 'the same, in the simulated park' },
  { path: 'connectors/parking/', name: 'gate', meaning: 'a gate of a parking lot' },
  { path: 'connectors/tax/', name: 'account', meaning: 'the tax account of a company' },
  { path: 'migrations/0010-kept', name: 'kept', meaning: 'the name of a released migration, as databases store it' },
];

/** Words that no message, comment heading or document uses, with what to write instead. */
export const REPLACED_WORDS: Readonly<Record<string, string>> = {
  told: 'reported, logged, sent: whichever it is',
  dark: 'down',
  heals: 'recovers',
  lent: 'given',
  house: 'architecture, project',
  passport: 'principal token',
  seats: 'subscription quota',
  stands: 'is',
};

/** Where such a word is right: file (or folder) and word. */
export const WORDS_IN_PLACE: readonly { readonly path: string; readonly word: string; readonly reason: string }[] = [
  { path: 'gateway/explorer/', word: 'dark', reason: 'the dark colour scheme' },
  {
    path: 'connectors/access-control/simulator/',
    word: 'told',
    reason: 'a table in the databases of existing demo folders',
  },
  { path: 'CHANGELOG.md', word: '*', reason: 'released notes are not rewritten' },
];
