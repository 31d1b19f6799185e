/** Whole lines in the text of a YAML file: where those of a node end, putting some in, taking some out. */
import { isCollection, isPair, isScalar, type Node } from 'yaml';

/** The first line ending of the text. */
export const eolOf = (text: string): string => /\r?\n/.exec(text)?.[0] ?? '\n';

/** Where the line of a place begins. */
export const lineOf = (text: string, at: number): number => text.lastIndexOf('\n', at - 1) + 1;

/** What a node ends with: a scalar, an alias, or a collection in brackets. */
export function lastOf(node: unknown): Node {
  if (isPair(node)) return lastOf(node.value ?? node.key);
  if (isCollection(node) && !node.flow && node.items.length > 0) return lastOf(node.items.at(-1));
  return node as Node;
}

/** Whether the lines of a scalar are its own (`|`, `>`), so that a line more or less beneath it could change it. */
export const isBlock = (node: Node): boolean => isScalar(node) && /^BLOCK/.test(node.type ?? '');

/** The place after the last line of a node; comments beneath it that stand deeper than `column` are its own. */
export function lineAfter(text: string, node: unknown, column: number): number {
  const last = lastOf(node);
  const [, end = 0] = last.range ?? [];
  const rest = /[^\n]*(?:\n|$)/y;
  rest.lastIndex = end;
  const after = isBlock(last) ? end : end + (rest.exec(text)?.[0].length ?? 0);
  const comments = new RegExp(`(?:(?:[ \\t]*\\r?\\n)* {${column + 1},}#[^\\n]*(?:\\n|$))*`, 'y');
  comments.lastIndex = after;
  return after + (comments.exec(text)?.[0].length ?? 0);
}

/** Puts lines in at the beginning of a line; a file whose last line has no ending keeps it so. */
export function withLines(text: string, at: number, lines: readonly string[]): string {
  const eol = eolOf(text);
  const open = at > 0 && text[at - 1] !== '\n';
  return text.slice(0, at) + (open ? eol : '') + lines.join(eol) + (open ? '' : eol) + text.slice(at);
}

/** The inverse of `withLines`. */
export function withoutLines(text: string, from: number, to: number): string {
  const before = text.slice(0, from);
  const open = to === text.length && !text.endsWith('\n');
  return (open ? before.replace(/\r?\n$/, '') : before) + text.slice(to);
}
