/** Adds the locations in the text to errors of a document. */
import { type ASTNode, type DocumentNode, type GraphQLFormattedError, parse } from 'graphql';
import { errorCodeOf } from './input-values.ts';

/** Limits for one error. */
const MAX_LOCATIONS = 10;
const MAX_MESSAGE_LENGTH = 1_000;

export interface DocumentError {
  readonly message: string;
  readonly nodes?: readonly ASTNode[] | undefined;
  readonly extensions?: Readonly<Record<string, unknown>>;
}

/** Formats the errors, with locations unless `text` is null. */
export function withLocations(
  errors: readonly DocumentError[],
  document: DocumentNode,
  text: string | null,
): GraphQLFormattedError[] {
  if (errors.length === 0) return [];
  const wanted = new Set(errors.flatMap(({ nodes = [] }) => nodes.slice(0, MAX_LOCATIONS)));
  const positions = text === null ? new Map<ASTNode, number>() : findPositions(wanted, document, text);
  const lines = [0];
  for (const match of (text ?? '').matchAll(/\r\n|[\n\r]/g)) lines.push(match.index + match[0].length);
  return errors.map((error) => {
    const { message, nodes = [] } = error;
    const found = nodes.slice(0, MAX_LOCATIONS).flatMap((node) => positions.get(node) ?? []);
    const locations = found.map((position) => {
      const line = lines.findLastIndex((start) => start <= position);
      return { line: line + 1, column: position - (lines[line] as number) + 1 };
    });
    return {
      message: message.length > MAX_MESSAGE_LENGTH ? `${message.slice(0, MAX_MESSAGE_LENGTH)}…` : message,
      ...(locations.length > 0 ? { locations } : {}),
      extensions: { code: errorCodeOf(error) },
    };
  });
}

/** Offsets of the nodes. Documents are kept without locations, so the text is parsed again, and both are walked in parallel. */
function findPositions(wanted: ReadonlySet<ASTNode>, document: DocumentNode, text: string): Map<ASTNode, number> {
  const found = new Map<ASTNode, number>();
  const walk = (node: unknown, parsed: unknown): void => {
    if (typeof node !== 'object' || node === null || found.size === wanted.size) return;
    const located = parsed as { readonly loc?: { readonly start: number } };
    if (wanted.has(node as ASTNode) && located.loc) found.set(node as ASTNode, located.loc.start);
    for (const key in node)
      if (key !== 'loc') walk((node as Record<string, unknown>)[key], (parsed as Record<string, unknown>)[key]);
  };
  if (wanted.size > 0) walk(document, parse(text));
  return found;
}
