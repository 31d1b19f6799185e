/**
 * Installations are put into the text of isthmus.yaml and taken out of it: every other byte stays, and what is taken out leaves the
 * text as it was before. Where no place for that is found the YAML library writes the document anew (`exact` is false): comments stay,
 * spacing may not.
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
import { eolOf, isBlock, lastOf, lineAfter, lineOf, withLines, withoutLines } from './yaml-lines.ts';

export interface Edited {
  readonly text: string;
  /** Whether text was only put in or taken out. */
  readonly exact: boolean;
}

/** Says of a list that `onboard` made it: it goes with its last entry. */
const MADE = 'installations: # added by isthmus onboard';
const MADE_LINE = new RegExp(`(?<=^|\\n) *${MADE}\\r?\\n$`);
/** Replaces an empty list in brackets; undoing the last entry puts the list back. */
const EMPTIED = /# in place of (\[[ \t]*\]) by isthmus onboard(?=[^\n]*\n?$)/;

/** The text of the file; throws `OnboardError` for one in another encoding, which would not survive being written. */
export function readYaml(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  if (!found?.isFile()) {
    const why = found ? 'is no file' : 'does not exist';
    throw new OnboardError(`${resolve(file)} ${why}; name your file with --config /path/to/isthmus.yaml.`);
  }
  const bytes = readFileSync(file);
  if (!isUtf8(bytes)) throw new OnboardError(`${file} is not in UTF-8, so it is not changed; save it as UTF-8.`);
  return bytes.toString('utf8');
}

/** The file with one more installation at the end of its list. Throws `OnboardError` rather than answer a file that says anything else. */
export function withEntry(text: string, entry: object): Edited {
  const document = opened(text);
  const plain: unknown = JSON.parse(JSON.stringify(entry));
  const wanted = [...listOf(text), plain];
  return checked(
    text,
    wanted,
    () => putIn(text, document.contents, plain),
    () => {
      if (!isSeq(document.get('installations'))) document.set('installations', document.createNode([]));
      document.addIn(['installations'], document.createNode(plain));
      return document;
    },
  );
}

/** The file without the installations of which `goes` is true; null when there is none. Throws as `withEntry` does. */
export function withoutEntries(text: string, goes: (entry: Record<string, unknown>) => boolean): Edited | null {
  const document = opened(text);
  const all = listOf(text);
  const gone = all.map((one) => typeof one === 'object' && one !== null && goes(one as Record<string, unknown>));
  if (!gone.includes(true)) return null;
  const edited = () => gone.reduceRight((rest, goes, place) => (goes ? takeOut(rest, place) : rest), text);
  const wanted = all.filter((_, place) => !gone[place]);
  return checked(text, wanted, edited, () => {
    const list = document.get('installations');
    if (isSeq(list)) list.items = list.items.filter((_, place) => !gone[place]);
    return document;
  });
}

function opened(text: string): Document.Parsed {
  const document = parseDocument(text, { keepSourceTokens: true });
  const [error] = document.errors;
  if (error) throw new OnboardError(`The file is not YAML: ${error.message}`);
  return document;
}

function listOf(text: string): readonly unknown[] {
  const { installations } = (parse(text) ?? {}) as { installations?: unknown };
  return Array.isArray(installations) ? installations : [];
}

/** The edited text when it reads as the old one with the wanted installations, else what the library writes, held to the same. */
function checked(text: string, wanted: readonly unknown[], edit: () => string, anew: () => Document.Parsed): Edited {
  const meaning = { ...parse(text), installations: wanted };
  const right = (make: () => string): string | null => {
    try {
      const next = make();
      return isDeepStrictEqual({ ...parse(next), installations: listOf(next) }, meaning) ? next : null;
    } catch {
      return null;
    }
  };
  const edited = right(edit);
  const next = edited ?? right(() => String(anew()));
  if (next !== null) return { text: next, exact: edited !== null };
  throw new OnboardError(
    'Its list of installations is written in a way that only people can change (an alias?); nothing was written. Change it by hand; docs/connectors.md shows an installation.',
  );
}

/** The text with the entry at the end of the list; as it was where that has no place. */
function putIn(text: string, root: ParsedNode | null, entry: unknown): string {
  if (!isMap(root)) return text;
  const list = root.get('installations', true) as ParsedNode | undefined;
  const indent = columnOf(root);
  const brackets = isSeq(list) && list.flow && !root.flow ? text.slice(list.range[0], list.range[1]) : '';
  if (list && /^\[[ \t]*\]$/.test(brackets)) {
    const mark = `# in place of ${brackets} by isthmus onboard`;
    const [from, to] = list.range;
    const marked = text.slice(0, from) + mark + text.slice(to);
    const end = marked.indexOf('\n', from);
    return withLines(marked, end < 0 ? marked.length : end + 1, inLines(entry, indent + 2));
  }
  if (isSeq(list) && list.flow) {
    const json = JSON.stringify(entry, null, 2).replaceAll('\n', eolOf(text) + ' '.repeat(indent + 2));
    const last = list.items.at(-1);
    const at = last ? last.range[1] : list.range[0] + 1;
    return text.slice(0, at) + (last ? `, ${json}` : json) + text.slice(at);
  }
  if (isSeq(list)) {
    const column = columnOf(list);
    const gap = isSpaced(text, list) ? [''] : [];
    return withLines(text, lineAfter(text, list, column), [...gap, ...inLines(entry, column)]);
  }
  const lines = inLines(entry, indent + 2);
  const pair = root.items.find((one) => one.value === list && list !== undefined);
  if (pair) return withLines(text, lineAfter(text, pair, indent), lines);
  return withLines(text, lineAfter(text, root, indent), [' '.repeat(indent) + MADE, ...lines]);
}

/** The text without one entry of the list; as it was where the entry is no text of its own. */
function takeOut(text: string, place: number): string {
  const list = listNode(text);
  const node = list?.items[place];
  if (!list || !node) return text;
  const [from, to] = node.range;
  if (list.flow) {
    // What stands between an entry and its neighbours is our own comma or somebody else's line.
    const before = list.items[place - 1]?.range[1];
    if (before !== undefined && text.slice(before, from) === ', ') return text.slice(0, before) + text.slice(to);
    return text.slice(0, from) + text.slice(to).replace(/^\s*,[ \t]?/, '');
  }
  const start = lineOf(text, dashOf(list, place));
  const end = lineAfter(text, node, columnOf(list));
  const above = text.slice(0, start);
  if (list.items.length === 1 && EMPTIED.test(above)) {
    const without = withoutLines(text, start, end);
    return without.slice(0, start).replace(EMPTIED, '$1') + without.slice(start);
  }
  const made = list.items.length === 1 ? (MADE_LINE.exec(above)?.[0] ?? '') : '';
  const without = withoutLines(text, start - made.length, end);
  const gap = /(?<=\n)[ \t]*\r?\n$/.exec(above)?.[0];
  const rest = gap ? listNode(without) : null;
  return gap && rest && isSpaced(without, rest) ? withoutLines(text, start - gap.length, end) : without;
}

function listNode(text: string): YAMLSeq.Parsed | null {
  const { contents } = opened(text);
  const list = isMap(contents) ? contents.get('installations', true) : null;
  return isSeq(list) ? (list as YAMLSeq.Parsed) : null;
}

const columnOf = (node: Node): number => (node.srcToken as CST.BlockMap).indent;

const dashOf = (list: Node, place: number): number =>
  (list.srcToken as CST.BlockSequence).items[place]?.start.find((one) => one.type === 'seq-item-ind')?.offset ?? 0;

/** Whether an empty line stands before the last entry of a list. */
function isSpaced(text: string, list: YAMLSeq.Parsed): boolean {
  const [before, last] = list.items.slice(-2);
  if (!before || !last || isBlock(lastOf(last))) return false;
  const between = text.slice(lineAfter(text, before, columnOf(list)), dashOf(list, list.items.length - 1));
  return /(^|\n)[ \t]*\r?\n/.test(between);
}

/** An entry of a list in lines, its dash in the given column. */
function inLines(entry: unknown, column: number): string[] {
  const text = stringify(entry, { lineWidth: 0, indent: column || 2 });
  const lines = text.replace(/\n$/, '').split('\n');
  return lines.map((line, at) => (line === '' ? '' : `${' '.repeat(column)}${at === 0 ? '- ' : '  '}${line}`));
}
