/** Limits on documents, asked once per text before it is planned. The defaults protect; `isthmus gateway` lets more through. */
import { type DocumentNode, type GraphQLFormattedError, Kind, type SelectionSetNode, visit } from 'graphql';
import { HubError } from '../../connectors/kit/errors.ts';
import { DEFAULT_LIMITS, type DocumentLimits } from '../../connectors/kit/limits.ts';

export { DEFAULT_LIMITS, type DocumentLimits };

const refuse = (
  code: 'LIMIT_DEPTH' | 'LIMIT_COST' | 'LIMIT_SIZE',
  what: string,
  limit: number,
  found?: number,
): never => {
  throw new HubError(code, `The document ${what}; ${limit} are allowed.`, { limit, ...(found ? { found } : {}) });
};

/**
 * Looks at the text before any parser does: parsers call themselves for every bracket, so a text of nothing but brackets would use up
 * the stack. Strings, block strings and comments are passed over. Linear, one pass. Throws LIMIT_SIZE or LIMIT_DEPTH.
 */
export function checkText(text: string, limits: DocumentLimits): void {
  if (text.length > limits.text) refuse('LIMIT_SIZE', `has ${text.length} characters`, limits.text, text.length);
  let open = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 35) {
      while (i < text.length && text.charCodeAt(i) !== 10 && text.charCodeAt(i) !== 13) i++;
    } else if (code === 34) i = afterString(text, i);
    else if (code === 123 || code === 91 || code === 40) {
      open += 1;
      if (open > limits.brackets)
        refuse('LIMIT_DEPTH', `opens ${open} brackets within each other`, limits.brackets, open);
    } else if (code === 125 || code === 93 || code === 41) open -= 1;
  }
}

/** Place of the closing quote of the string that begins at `at`; the end of the text when there is none. */
function afterString(text: string, at: number): number {
  if (text.startsWith('"""', at)) {
    let end = text.indexOf('"""', at + 3);
    while (end > 0 && text[end - 1] === '\\') end = text.indexOf('"""', end + 3);
    return end < 0 ? text.length : end + 2;
  }
  for (let i = at + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 92) i++;
    else if (code === 34 || code === 10 || code === 13) return i;
  }
  return text.length;
}

/** Throws LIMIT_DEPTH or LIMIT_COST with the figure and the limit. Fragments are followed; the parser refuses circles later. */
export function checkDocument(document: DocumentNode, limits: DocumentLimits): void {
  const fragments = new Map<string, SelectionSetNode>();
  let operations = 0;
  for (const one of document.definitions) {
    if (one.kind === Kind.FRAGMENT_DEFINITION) fragments.set(one.name.value, one.selectionSet);
    else if (one.kind === Kind.OPERATION_DEFINITION && ++operations > limits.operations) {
      refuse('LIMIT_COST', `has more than ${limits.operations} operations`, limits.operations);
    }
  }
  let aliases = 0;
  let directives = 0;
  let fields = 0;
  const walk = (set: SelectionSetNode, depth: number, open: readonly string[]): void => {
    for (const one of set.selections) {
      // Fragments spread again and again multiply: the walk itself is bounded.
      if (++fields > limits.fields) refuse('LIMIT_COST', `selects more than ${limits.fields} fields`, limits.fields);
      directives += one.directives?.length ?? 0;
      if (directives > limits.directives) {
        refuse('LIMIT_COST', `has more than ${limits.directives} directives`, limits.directives);
      }
      if (one.kind === Kind.FIELD) {
        if (one.alias && ++aliases > limits.aliases) {
          refuse('LIMIT_COST', `has more than ${limits.aliases} aliases`, limits.aliases);
        }
        if (depth > limits.depth) refuse('LIMIT_DEPTH', `is nested deeper than ${limits.depth} fields`, limits.depth);
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
    directives += one.directives?.length ?? 0;
    if (one.kind !== Kind.OPERATION_DEFINITION) continue;
    const roots = one.selectionSet.selections.length;
    if (roots > limits.rootFields) refuse('LIMIT_COST', `has ${roots} root fields`, limits.rootFields, roots);
    walk(one.selectionSet, 1, []);
  }
  // Fragments that nobody spreads are validated all the same.
  for (const set of fragments.values()) walk(set, 1, []);
}

/** Throws when the document asks what the graph holds. */
export function refuseIntrospection(document: DocumentNode): void {
  visit(document, {
    Field: ({ name }) => {
      if (name.value === '__schema' || name.value === '__type') {
        throw new HubError(
          'GRAPHQL_VALIDATION_FAILED',
          'Introspection is off here: the graph is described in the documentation.',
        );
      }
    },
  });
}

/** The same fault without suggestions: they would tell the graph's names one by one. */
export const discreet = (fault: GraphQLFormattedError): GraphQLFormattedError => ({
  ...fault,
  message: fault.message.replace(/ ?Did you mean .*\?$/s, ''),
});
