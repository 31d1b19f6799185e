/**
 * Adds installations to the text of isthmus.yaml and removes them. All other bytes are kept, and removing an added entry restores the
 * original text. If that is not possible, the YAML library writes the whole document (`exact` is false), which keeps comments but may
 * change spacing.
 */
import { isUtf8 } from 'node:buffer';
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  type CST,
  type Document,
  isMap,
  isSeq,
  type Node,
  type ParsedNode,
  parse,
  parseDocument,
  stringify,
  type YAMLSeq,
} from 'yaml';
import { OnboardError } from './probe.ts';
import {
  insertLines,
  isBlockScalar,
  lastNode,
  lineAfterNode,
  lineEnding,
  lineStart,
  removeLines,
} from './yaml-lines.ts';

export interface YamlEdit {
  readonly text: string;
  /** False if the whole document was written again. */
  readonly exact: boolean;
}

/** Marks a list that `onboard` added, which is removed with its last entry. In files of users: must not change. */
const ADDED_LIST = 'installations: # added by isthmus onboard';
const ADDED_LIST_LINE = new RegExp(`(?<=^|\\n) *${ADDED_LIST}\\r?\\n$`);
/** Marks an empty list in brackets that was replaced; removing the last entry restores it. In files of users: must not change. */
const REPLACED_LIST = /# in place of (\[[ \t]*\]) by isthmus onboard(?=[^\n]*\n?$)/;

/** The text of the file. Throws `OnboardError` if it does not exist or is not UTF-8, which writing it again would corrupt. */
export function readYamlFile(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  if (!found?.isFile()) {
    const problem = found ? 'is not a file' : 'does not exist';
    throw new OnboardError(`${resolve(file)} ${problem}; name your file with --config /path/to/isthmus.yaml.`);
  }
  const bytes = readFileSync(file);
  if (!isUtf8(bytes)) throw new OnboardError(`${file} is not encoded in UTF-8 and was not changed. Save it as UTF-8.`);
  return bytes.toString('utf8');
}

/** Adds an installation at the end of the list. Throws `OnboardError` if the result would not read as the old content plus the entry. */
export function addEntry(text: string, entry: object): YamlEdit {
  const document = parseText(text);
  const plain: unknown = JSON.parse(JSON.stringify(entry));
  const expected = [...installationsOf(text), plain];
  return verifyEdit(
    text,
    expected,
    () => insertEntry(text, document.contents, plain),
    () => {
      if (!isSeq(document.get('installations'))) document.set('installations', document.createNode([]));
      document.addIn(['installations'], document.createNode(plain));
      return document;
    },
  );
}

/** Removes the installations for which `isRemoved` is true; null if there are none. Throws as `addEntry` does. */
export function removeEntries(text: string, isRemoved: (entry: Record<string, unknown>) => boolean): YamlEdit | null {
  const document = parseText(text);
  const all = installationsOf(text);
  const removed = all.map(
    (entry) => typeof entry === 'object' && entry !== null && isRemoved(entry as Record<string, unknown>),
  );
  if (!removed.includes(true)) return null;
  const edit = () => removed.reduceRight((rest, remove, index) => (remove ? removeEntry(rest, index) : rest), text);
  const expected = all.filter((_, index) => !removed[index]);
  return verifyEdit(text, expected, edit, () => {
    const list = document.get('installations');
    if (isSeq(list)) list.items = list.items.filter((_, index) => !removed[index]);
    return document;
  });
}

function parseText(text: string): Document.Parsed {
  const document = parseDocument(text, { keepSourceTokens: true });
  const [error] = document.errors;
  if (error) throw new OnboardError(`The file is not valid YAML: ${error.message}`);
  return document;
}

function installationsOf(text: string): readonly unknown[] {
  const { installations } = (parse(text) ?? {}) as { installations?: unknown };
  return Array.isArray(installations) ? installations : [];
}

/** The edited text if it reads as the old content with the expected installations, else the rewritten document under the same condition. */
function verifyEdit(
  text: string,
  expected: readonly unknown[],
  edit: () => string,
  rewrite: () => Document.Parsed,
): YamlEdit {
  const content = { ...parse(text), installations: expected };
  const verified = (produce: () => string): string | null => {
    try {
      const next = produce();
      return isDeepStrictEqual({ ...parse(next), installations: installationsOf(next) }, content) ? next : null;
    } catch {
      return null;
    }
  };
  const edited = verified(edit);
  const next = edited ?? verified(() => String(rewrite()));
  if (next !== null) return { text: next, exact: edited !== null };
  throw new OnboardError(
    'Nothing was written: the list of installations cannot be edited automatically (does it use an alias?). Edit it by hand; docs/connectors.md shows an installation.',
  );
}

/** Inserts the entry at the end of the list; returns the text unchanged if it finds no position. */
function insertEntry(text: string, root: ParsedNode | null, entry: unknown): string {
  if (!isMap(root)) return text;
  const list = root.get('installations', true) as ParsedNode | undefined;
  const indent = columnOf(root);
  const brackets = isSeq(list) && list.flow && !root.flow ? text.slice(list.range[0], list.range[1]) : '';
  if (list && /^\[[ \t]*\]$/.test(brackets)) {
    const marker = `# in place of ${brackets} by isthmus onboard`;
    const [from, to] = list.range;
    const marked = text.slice(0, from) + marker + text.slice(to);
    const end = marked.indexOf('\n', from);
    return insertLines(marked, end < 0 ? marked.length : end + 1, toLines(entry, indent + 2));
  }
  if (isSeq(list) && list.flow) {
    const json = JSON.stringify(entry, null, 2).replaceAll('\n', lineEnding(text) + ' '.repeat(indent + 2));
    const last = list.items.at(-1);
    const at = last ? last.range[1] : list.range[0] + 1;
    return text.slice(0, at) + (last ? `, ${json}` : json) + text.slice(at);
  }
  if (isSeq(list)) {
    const column = columnOf(list);
    const gap = isSpaced(text, list) ? [''] : [];
    return insertLines(text, lineAfterNode(text, list, column), [...gap, ...toLines(entry, column)]);
  }
  const lines = toLines(entry, indent + 2);
  const pair = root.items.find(({ value }) => value === list && list !== undefined);
  if (pair) return insertLines(text, lineAfterNode(text, pair, indent), lines);
  return insertLines(text, lineAfterNode(text, root, indent), [' '.repeat(indent) + ADDED_LIST, ...lines]);
}

/** Removes one entry of the list; returns the text unchanged if the entry has no text of its own (an alias). */
function removeEntry(text: string, index: number): string {
  const list = listNode(text);
  const node = list?.items[index];
  if (!list || !node) return text;
  const [from, to] = node.range;
  if (list.flow) {
    // Between an entry and its neighbours is either the separator of `insertEntry` or text of the user.
    const before = list.items[index - 1]?.range[1];
    if (before !== undefined && text.slice(before, from) === ', ') return text.slice(0, before) + text.slice(to);
    return text.slice(0, from) + text.slice(to).replace(/^\s*,[ \t]?/, '');
  }
  const start = lineStart(text, dashOf(list, index));
  const end = lineAfterNode(text, node, columnOf(list));
  const above = text.slice(0, start);
  if (list.items.length === 1 && REPLACED_LIST.test(above)) {
    const without = removeLines(text, start, end);
    return without.slice(0, start).replace(REPLACED_LIST, '$1') + without.slice(start);
  }
  const addedList = list.items.length === 1 ? (ADDED_LIST_LINE.exec(above)?.[0] ?? '') : '';
  const without = removeLines(text, start - addedList.length, end);
  const gap = /(?<=\n)[ \t]*\r?\n$/.exec(above)?.[0];
  const rest = gap ? listNode(without) : null;
  return gap && rest && isSpaced(without, rest) ? removeLines(text, start - gap.length, end) : without;
}

function listNode(text: string): YAMLSeq.Parsed | null {
  const { contents } = parseText(text);
  const list = isMap(contents) ? contents.get('installations', true) : null;
  return isSeq(list) ? (list as YAMLSeq.Parsed) : null;
}

/** Indentation of a block map or list. */
const columnOf = (node: Node): number => (node.srcToken as CST.BlockMap).indent;

/** Offset of the dash of an entry in a block list. */
const dashOf = (list: Node, index: number): number =>
  (list.srcToken as CST.BlockSequence).items[index]?.start.find(({ type }) => type === 'seq-item-ind')?.offset ?? 0;

/** Whether there is an empty line before the last entry of a list. */
function isSpaced(text: string, list: YAMLSeq.Parsed): boolean {
  const [before, last] = list.items.slice(-2);
  if (!before || !last || isBlockScalar(lastNode(last))) return false;
  const between = text.slice(lineAfterNode(text, before, columnOf(list)), dashOf(list, list.items.length - 1));
  return /(^|\n)[ \t]*\r?\n/.test(between);
}

/** The lines of a list entry with its dash in that column. */
function toLines(entry: unknown, column: number): string[] {
  const text = stringify(entry, { lineWidth: 0, indent: column || 2 });
  const lines = text.replace(/\n$/, '').split('\n');
  return lines.map((line, i) => (line === '' ? '' : `${' '.repeat(column)}${i === 0 ? '- ' : '  '}${line}`));
}
