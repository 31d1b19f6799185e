/** Whole lines in the text of a YAML file: finds the end of a node, inserts and removes lines. */
import { isCollection, isPair, isScalar, type Node } from 'yaml';

/** The first line ending of the text; `\n` if there is none. */
export const lineEnding = (text: string): string => /\r?\n/.exec(text)?.[0] ?? '\n';

/** Offset of the start of the line that contains `offset`. */
export const lineStart = (text: string, offset: number): number => text.lastIndexOf('\n', offset - 1) + 1;

/** The innermost node at the end of a node: a scalar, an alias, or a collection in brackets. */
export function lastNode(node: unknown): Node {
  if (isPair(node)) return lastNode(node.value ?? node.key);
  if (isCollection(node) && !node.flow && node.items.length > 0) return lastNode(node.items.at(-1));
  return node as Node;
}

/** Whether the node is a block scalar (`|`, `>`): lines added or removed after it can change its value. */
export const isBlockScalar = (node: Node): boolean => isScalar(node) && /^BLOCK/.test(node.type ?? '');

/** Offset after the last line of a node, including comments below it that are indented deeper than `column`. */
export function lineAfterNode(text: string, node: unknown, column: number): number {
  const last = lastNode(node);
  const [, end = 0] = last.range ?? [];
  const rest = /[^\n]*(?:\n|$)/y;
  rest.lastIndex = end;
  const after = isBlockScalar(last) ? end : end + (rest.exec(text)?.[0].length ?? 0);
  const comments = new RegExp(`(?:(?:[ \\t]*\\r?\\n)* {${column + 1},}#[^\\n]*(?:\\n|$))*`, 'y');
  comments.lastIndex = after;
  return after + (comments.exec(text)?.[0].length ?? 0);
}

/** Inserts lines at the start of a line. A file without a line ending at its end stays without. */
export function insertLines(text: string, offset: number, lines: readonly string[]): string {
  const eol = lineEnding(text);
  const isUnterminated = offset > 0 && text[offset - 1] !== '\n';
  const inserted = lines.join(eol);
  return text.slice(0, offset) + (isUnterminated ? eol + inserted : inserted + eol) + text.slice(offset);
}

/** The inverse of `insertLines`. */
export function removeLines(text: string, from: number, to: number): string {
  const before = text.slice(0, from);
  const isUnterminated = to === text.length && !text.endsWith('\n');
  return (isUnterminated ? before.replace(/\r?\n$/, '') : before) + text.slice(to);
}
