/** Faults of a document with their places in its text. */
import { type ASTNode, type DocumentNode, type GraphQLFormattedError, parse } from 'graphql';
import { codeOf } from './input-values.ts';

/** Of one fault. */
const MOST_PLACES = 10;
const MOST_CHARACTERS = 1_000;

export interface Fault {
  readonly message: string;
  readonly nodes?: readonly ASTNode[] | undefined;
  readonly extensions?: Readonly<Record<string, unknown>>;
}

/** The faults with their places in the text; `text` null: without. */
export function placed(faults: readonly Fault[], document: DocumentNode, text: string | null): GraphQLFormattedError[] {
  if (faults.length === 0) return [];
  const wanted = new Set(faults.flatMap(({ nodes = [] }) => nodes.slice(0, MOST_PLACES)));
  const positions = text === null ? new Map<ASTNode, number>() : positionsOf(wanted, document, text);
  const lines = [0];
  for (const match of (text ?? '').matchAll(/\r\n|[\n\r]/g)) lines.push(match.index + match[0].length);
  return faults.map((fault) => {
    const { message, nodes = [] } = fault;
    const found = nodes.slice(0, MOST_PLACES).flatMap((one) => positions.get(one) ?? []);
    const locations = found.map((position) => {
      const line = lines.findLastIndex((start) => start <= position);
      return { line: line + 1, column: position - (lines[line] as number) + 1 };
    });
    return {
      message: message.length > MOST_CHARACTERS ? `${message.slice(0, MOST_CHARACTERS)}…` : message,
      ...(locations.length > 0 ? { locations } : {}),
      extensions: { code: codeOf(fault) },
    };
  });
}

/** Where the nodes stand. Documents are kept without places, so the text is parsed again, and both are walked side by side. */
function positionsOf(wanted: ReadonlySet<ASTNode>, document: DocumentNode, text: string): Map<ASTNode, number> {
  const found = new Map<ASTNode, number>();
  const walk = (one: unknown, other: unknown): void => {
    if (typeof one !== 'object' || one === null || found.size === wanted.size) return;
    const located = other as { readonly loc?: { readonly start: number } };
    if (wanted.has(one as ASTNode) && located.loc) found.set(one as ASTNode, located.loc.start);
    for (const key in one)
      if (key !== 'loc') walk((one as Record<string, unknown>)[key], (other as Record<string, unknown>)[key]);
  };
  if (wanted.size > 0) walk(document, parse(text));
  return found;
}
