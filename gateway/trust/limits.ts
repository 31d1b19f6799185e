/** Limits on documents, asked once per text before it is planned. The defaults protect; `isthmus gateway` lets more through. */
import { type DocumentNode, Kind, type SelectionSetNode } from 'graphql';
import { HubError } from '../../connectors/kit/errors.ts';

export interface DocumentLimits {
  /** Fields within fields. */
  readonly depth: number;
  /** Aliased fields in the whole document. */
  readonly aliases: number;
  /** Fields at the root of the operation. */
  readonly rootFields: number;
  /** Tokens, counted by the parser. */
  readonly tokens: number;
}

export const DEFAULT_LIMITS: DocumentLimits = { depth: 15, aliases: 30, rootFields: 20, tokens: 10_000 };

/** Throws LIMIT_DEPTH or LIMIT_COST with the figure and the limit. Fragments are followed; the parser refuses circles later. */
export function checkDocument(document: DocumentNode, limits: DocumentLimits): void {
  const fragments = new Map<string, SelectionSetNode>();
  for (const one of document.definitions) {
    if (one.kind === Kind.FRAGMENT_DEFINITION) fragments.set(one.name.value, one.selectionSet);
  }
  let aliases = 0;
  let visited = 0;
  const walk = (set: SelectionSetNode, depth: number, open: readonly string[]): void => {
    for (const one of set.selections) {
      // Fragments spread again and again multiply: the walk itself is bounded.
      if (++visited > 50_000) throw new HubError('LIMIT_COST', 'The document selects more than 50000 fields.');
      if (one.kind === Kind.FIELD) {
        if (one.alias && ++aliases > limits.aliases) {
          throw new HubError('LIMIT_COST', `The document has more than ${limits.aliases} aliases.`);
        }
        if (depth > limits.depth) {
          throw new HubError('LIMIT_DEPTH', `The document is nested deeper than ${limits.depth} fields.`);
        }
        if (one.selectionSet) walk(one.selectionSet, depth + 1, open);
      } else if (one.kind === Kind.INLINE_FRAGMENT) walk(one.selectionSet, depth, open);
      else {
        const name = one.name.value;
        const fragment = fragments.get(name);
        if (fragment && !open.includes(name)) walk(fragment, depth, [...open, name]);
      }
    }
  };
  for (const one of document.definitions) {
    if (one.kind !== Kind.OPERATION_DEFINITION) continue;
    if (one.selectionSet.selections.length > limits.rootFields) {
      throw new HubError('LIMIT_COST', `The operation has more than ${limits.rootFields} root fields.`);
    }
    walk(one.selectionSet, 1, []);
  }
}
