/** Every command of the real program with wrong inputs, derived from the program itself: a sentence, code 1, and nothing made. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeProgram } from '../gateway/commands/program.ts';
import { complaints, runCommand } from './run-command.ts';

const ROOT = join(import.meta.dirname, '..');
const home = mkdtempSync(join(tmpdir(), 'isthmus-commands-'));
/** The current folder of every command; it must stay empty. */
const here = join(home, 'here');
const given = join(home, 'given');
const file = (name: string): string => join(given, name);

/** A sound isthmus.yaml, for inputs that are wrong elsewhere. */
const SOUND = 'parks: [ { id: lakeside, name: Lakeside Software Park, region: "500112" } ]\n';

beforeAll(() => {
  mkdirSync(here);
  mkdirSync(join(given, 'folder'), { recursive: true });
  writeFileSync(file('empty'), '');
  writeFileSync(file('binary'), Buffer.from(Array.from({ length: 1024 }, (_, i) => (i * 37) % 256)));
  writeFileSync(file('words.md'), '# Some words\n\nThey are neither settings nor a schema: [x\n');
  writeFileSync(file('null.json'), 'null');
  writeFileSync(file('list.json'), '[1, 2]');
  writeFileSync(file('scalar.yaml'), 'just words');
  writeFileSync(file('shut'), 'nobody reads this');
  chmodSync(file('shut'), 0);
  symlinkSync('loop', file('loop'));
  writeFileSync(file('sound.yaml'), SOUND);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Names of files and folders that are not what is asked for. */
const folders = () => [file('folder'), '/', '..'];
const files = () => [
  ...['empty', 'binary', 'words.md', 'null.json', 'list.json', 'scalar.yaml', 'shut', 'loop'].map(file),
  ...[file('missing'), file('missing/x'), file('empty/x'), '/nonexistent/x', '/dev/null', 'x'.repeat(5_000)],
  // A file that may be opened and cannot be read, for root as well.
  ...(existsSync('/proc/self/mem') ? ['/proc/self/mem'] : []),
];
const words = [
  ...[
    '',
    ' ',
    '0',
    '-1',
    '1.5',
    '1e99',
    'NaN',
    '99999999999999999999',
    'NOPE',
    '__proto__',
    'constructor',
    'a\nb',
    '💥',
  ],
  ...[
    'http://127.0.0.1:1/x',
    'http://',
    'nowhere://x',
    'postgres://127.0.0.1:1/x',
    '2026-02-31',
    '17:zz',
    'a=b',
    '${NOPE}',
  ],
];
const wrong = () => [...words, ...files(), ...folders()];

/** What a command needs besides the input that is wrong, so that this input is looked at. Without a line here all inputs are wrong. */
const RIGHT: Readonly<Record<string, () => readonly string[]>> = {
  token: () => ['--role', 'developer'],
  onboard: () => ['--system', 'things', '--config', file('sound.yaml')],
  'audit trim': () => ['--before', '2026-01-31'],
};

/** Every command without subcommands, by its full name. */
function leaves(command: Command, name: readonly string[] = []): { name: string; command: Command }[] {
  const deeper = command.commands.flatMap((one) => leaves(one, [...name, one.name()]));
  return command.commands.length > 0 ? deeper : [{ name: name.join(' '), command }];
}
const commands = leaves(makeProgram('0'));

/** Wrong inputs of a command, as words behind `isthmus`. None of them may start what the command is for. */
function wrongInputs(name: string, command: Command): string[][] {
  const own = name.split(' ');
  const right = RIGHT[name]?.() ?? [];
  const parameters = command.registeredArguments;
  const inputs: string[][] = [
    [...own, '--frobnicate'],
    [...own, ...parameters.map(() => 'NOPE'), 'NOPE', 'NOPE'],
  ];
  if (parameters.some((one) => one.required)) inputs.push(own);
  /** The arguments with that value wherever no choice is declared. */
  const all = (value: string): string[][] => {
    const [first, ...rest] = parameters;
    if (!first) return [];
    const firsts = [value, ...(rest.length > 0 ? (first.argChoices ?? []) : [])];
    return firsts.map((one) => [one, ...rest.map(() => value)]);
  };
  for (const value of wrong()) for (const args of all(value)) inputs.push([...own, ...right, '--', ...args]);
  const unknown = all(file('missing'));
  for (const option of command.options) {
    const flag = option.long ?? option.short ?? '';
    // A flag alone may be right: it stands beside an argument that is not.
    if (!option.required && !option.optional) {
      inputs.push([...own, flag, '--', ...(unknown.at(-1) ?? ['NOPE'])]);
      continue;
    }
    inputs.push([...own, flag]);
    const others = right.filter((_, i) => right[i - (i % 2)] !== flag);
    const isFolder = option.flags.includes('<folder>');
    for (const value of isFolder ? [...words, ...files()] : wrong()) {
      const end = option.variadic && parameters.length > 0 ? ['--'] : [];
      for (const args of unknown.length > 0 ? unknown : [[]]) {
        inputs.push([...own, ...others, `${flag}=${value}`, ...end, ...args]);
      }
    }
  }
  return inputs;
}

/** Runs each; the inputs that were not refused as they should be, with what was said. */
async function faults(inputs: readonly string[][], variables: Readonly<Record<string, string>> = {}) {
  const found: string[] = [];
  for (const input of inputs) {
    const ran = await runCommand(input, here, variables);
    const wrongs = complaints(ran, here);
    if (wrongs.length === 0) continue;
    const named = input.map((one) => (one.length > 200 ? `${one.slice(0, 20)}…` : one)).join(' ');
    found.push(`isthmus ${named}: ${wrongs.join(', ')}: ${(ran.err || ran.out).slice(0, 400)}`);
    for (const name of readdirSync(here)) rmSync(join(here, name), { recursive: true, force: true });
  }
  return found;
}

test('the program has commands with arguments and options to try', () => {
  expect(commands.length).toBeGreaterThan(10);
  expect(Object.keys(RIGHT).filter((name) => !commands.some((one) => one.name === name))).toEqual([]);
});

test.each(commands)('isthmus $name refuses what is wrong with a sentence', async ({ name, command }) => {
  const inputs = wrongInputs(name, command);
  expect(inputs.length).toBeGreaterThan(1);
  expect(await faults(inputs)).toEqual([]);
});

test('the program and its groups of commands refuse unknown and missing commands', async () => {
  const groups = [
    [],
    ...makeProgram('0')
      .commands.filter((one) => one.commands.length > 0)
      .map((one) => [one.name()]),
  ];
  expect(groups.length).toBeGreaterThan(2);
  expect(await faults(groups.flatMap((group) => [group, [...group, 'NOPE'], [...group, '--frobnicate']]))).toEqual([]);
});

/** Commands that read the environment, as they would be right with a sound one. */
const READERS = () => [
  ['start', '--config', file('sound.yaml')],
  ['gateway'],
  ['connector', 'NOPE', '--config', file('sound.yaml')],
  ['migrate'],
  ['export', 'audit', 'audit.jsonl'],
  ['audit', 'trim', '--before', '2026-01-31'],
  ['audit', 'erase', 'Company', '91350211M000100Y46'],
  ['token', '--role', 'developer'],
  ['simulate', '--status'],
];

describe('with a wrong environment', () => {
  const down = { DATABASE_URL: 'postgres://127.0.0.1:1/isthmus' };
  const cases: [string, string[], Record<string, string>?][] = [
    ['PORT', ['abc', '-1', '65536', '1.5', ' ']],
    ['HOST', ['no such host', '999.1.1.1', '192.0.2.1'], down],
    ['ISTHMUS_LOG', ['loud', '__proto__'], down],
    ['ISTHMUS_DATA', [file('empty'), file('empty/x'), file('folder'), file('missing'), file('loop')]],
    [
      'DATABASE_URL',
      [
        'nowhere',
        'http://x',
        'postgres://',
        'postgres://[',
        'postgres://127.0.0.1:1/x',
        'postgres://127.0.0.1:99999/x',
      ],
    ],
    ['ISTHMUS_SIGNING_KEY', [...files(), file('folder')], down],
    [
      'SUPERGRAPH',
      [...files(), file('folder'), 'README.md', join(ROOT, 'README.md'), join(ROOT, 'schema/api.graphql')],
    ],
  ];
  test.each(cases)('%s is refused with a sentence by each command that reads it', async (name, values, others = {}) => {
    for (const value of values) {
      const variables = { ...others, [name]: value };
      const readers = READERS().filter(([command]) => (name === 'SUPERGRAPH' ? command === 'gateway' : true));
      // With a data folder that is only new, `start` begins a hub in it.
      const inputs = readers.filter(([command]) => command !== 'start' || others === down || name !== 'ISTHMUS_DATA');
      expect(await faults(inputs, variables)).toEqual([]);
    }
  });
});

test('an error that names a command says how it is called here', async () => {
  const named = await runCommand(['gateway', '--deadline', '0'], here);
  expect(named.err).toMatch(
    /example: isthmus gateway --deadline 10s\nHere isthmus is called as: npx --no-install isthmus\n$/,
  );
  const other = await runCommand(['simulate', 'nope'], here);
  expect(other.err).not.toContain('npx');
});

test('single inputs that once ended in a stack or in silence', async () => {
  const sound = file('sound.yaml');
  const cases: [string[], RegExp, Record<string, string>?][] = [
    [['export', 'audit', '/nonexistent/x'], /There is no folder \/nonexistent/],
    [['onboard', '--undo', 'x'], /isthmus\.yaml does not exist/],
    [['onboard', '--undo', 'x', '--config', sound], /has no system x/],
    [['onboard', '--undo', 'x', '--config', file('folder')], /is no file/],
    [['gateway'], /no supergraph that can be served/, { SUPERGRAPH: join(ROOT, 'README.md') }],
    [['bench', '--rounds', '0'], /--rounds must be a whole number from 1/],
    [['token', '--role', 'company', '--company', '123'], /--company must be a unified social credit code, found "123"/],
    [
      ['token', '--role', 'operator', '--park', 'lakeside', '--minutes', '0'],
      /--minutes must be a whole number from 1 to 1440/,
    ],
    [['verify', file('words.md')], /is not a file with an answer in JSON/],
    [['verify', file('missing')], /There is no file/],
    [['verify', file('folder')], /is a folder/],
    [['audit', 'verify', file('folder')], /is a folder/],
    [['audit', 'verify', file('empty'), '--heads', file('missing')], /There is no head file or folder/],
    [
      ['connector', 'NOPE', '--config', sound],
      /There is no connector NOPE\. Known are/,
      { DATABASE_URL: 'postgres://127.0.0.1:1/x' },
    ],
    [['simulate', 'nope'], /There is no simulator nope/],
    [['simulate', 'constructor'], /There is no simulator constructor/],
    [['start', '--config', file('scalar.yaml')], /must be a mapping/],
    [['start', '--config', ''], /cannot be read/],
    [['audit', 'trim', '--before', '2026-02-31'], /--before must be a day/],
    [
      ['onboard', 'csv', file('binary'), '--system', 'x', '--park', 'nope', '--config', sound],
      /There is no park "nope"/,
    ],
  ];
  for (const [args, sentence, variables] of cases) {
    const ran = await runCommand(args, here, variables);
    expect(complaints(ran, here), args.join(' ')).toEqual([]);
    expect(ran.err).toMatch(sentence);
  }
});
