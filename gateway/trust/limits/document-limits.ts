/** Checks the size, depth and counts of a document against the limits, once per text before it is planned. */
import {
  BREAK,
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLFormattedError,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  visit,
} from 'graphql';
import { DEFAULT_LIMITS, type DocumentLimits } from '../../../connectors/kit/config/sections/limits.ts';
import { HubError } from '../../../connectors/kit/errors.ts';

export { DEFAULT_LIMITS, type DocumentLimits };

const reject = (
  code: 'LIMIT_DEPTH' | 'LIMIT_COST' | 'LIMIT_SIZE',
  problem: string,
  limit: number,
  found?: number,
): never => {
  const advice = code === 'LIMIT_DEPTH' ? 'Nest fewer levels.' : 'Split it into smaller operations.';
  const message = `Document ${problem}, ${limit.toLocaleString('en')} allowed. ${advice}`;
  throw new HubError(code, message, { limit, ...(found ? { found } : {}) });
};

/**
 * Checks the text before it is parsed: parsers recurse at every bracket, so a text of brackets would overflow their stack.
 * Brackets in strings, block strings and comments do not count. One pass. Throws `LIMIT_SIZE` or `LIMIT_DEPTH`.
 */
export function checkDocumentText(text: string, limits: DocumentLimits): void {
  if (text.length > limits.text)
    reject('LIMIT_SIZE', `has ${text.length.toLocaleString('en')} characters`, limits.text, text.length);
  let open = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 35) {
      while (i < text.length && text.charCodeAt(i) !== 10 && text.charCodeAt(i) !== 13) i++;
    } else if (code === 34) i = endOfString(text, i);
    else if (code === 123 || code === 91 || code === 40) {
      open += 1;
      if (open > limits.brackets) reject('LIMIT_DEPTH', `has ${open} nested brackets`, limits.brackets, open);
    } else if (code === 125 || code === 93 || code === 41) open -= 1;
  }
}

/** Index of the closing quote of the string that starts at `at`; the text's length if there is none. */
function endOfString(text: string, at: number): number {
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

/**
 * Throws `LIMIT_DEPTH` or `LIMIT_COST` with the count and the limit. Each definition is walked once; the expanded counts of a fragment
 * are computed from those of the fragments it spreads. Fragment cycles are left to validation. Returns the number of selections,
 * each fragment counted once; adds the number of nodes visited to `seen.work`.
 */
export function checkDocument(document: DocumentNode, limits: DocumentLimits, seen = { work: 0 }): number {
  const operations: DefinitionCounts[] = [];
  const fragments = new Map<string, DefinitionCounts>();
  let own = 0;
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.FRAGMENT_DEFINITION && definition.kind !== Kind.OPERATION_DEFINITION) continue;
    const written = countDefinition(definition);
    own += written.fields;
    seen.work += 1 + written.fields;
    if (definition.kind === Kind.FRAGMENT_DEFINITION) {
      // Of two fragments with one name the larger one counts: validation rejects the document anyway.
      const other = fragments.get(definition.name.value);
      if (!other || other.fields < written.fields) fragments.set(definition.name.value, written);
      continue;
    }
    operations.push(written);
    if (operations.length > limits.operations)
      reject('LIMIT_COST', `has more than ${limits.operations} operations`, limits.operations);
    const roots = definition.selectionSet.selections.length;
    if (roots > limits.rootFields) reject('LIMIT_COST', `has ${roots} root fields`, limits.rootFields, roots);
  }
  const spread = addFragmentCounts(operations, fragments, seen);
  for (const counts of [...operations, ...fragments.values()]) {
    if (counts.depth > limits.depth)
      reject(
        'LIMIT_DEPTH',
        `is nested ${counts.depth} fields deep with fragments expanded`,
        limits.depth,
        counts.depth,
      );
    if (counts.nesting > limits.brackets)
      reject(
        'LIMIT_DEPTH',
        `nests ${counts.nesting} selection sets with fragments expanded`,
        limits.brackets,
        counts.nesting,
      );
  }
  // Unused fragments are validated too.
  const all = [...operations, ...[...fragments.values()].filter((fragment) => !spread.has(fragment))];
  for (const name of ['fields', 'aliases', 'directives'] as const) {
    const found = all.reduce((sum, counts) => Math.min(sum + counts[name], Number.MAX_SAFE_INTEGER), 0);
    if (found > limits[name])
      reject('LIMIT_COST', `has ${found.toLocaleString('en')} ${COUNT_LABELS[name]}`, limits[name], found);
  }
  return own;
}

const COUNT_LABELS = {
  fields: 'selections with fragments expanded',
  aliases: 'aliases with fragments expanded',
  directives: 'directives with fragments expanded',
} as const;

/** Counts of one operation or fragment definition. */
interface DefinitionCounts {
  fields: number;
  aliases: number;
  directives: number;
  /** Levels of nested fields. */
  depth: number;
  /** Levels of nested selection sets. */
  nesting: number;
  /** Each fragment spread with its depth. */
  readonly spreads: readonly { readonly name: string; readonly depth: number; readonly nesting: number }[];
}

/** Counts one definition without following spreads. Recursion is bounded because `checkText` has counted the brackets. */
function countDefinition(definition: OperationDefinitionNode | FragmentDefinitionNode): DefinitionCounts {
  const spreads: { name: string; depth: number; nesting: number }[] = [];
  const found = {
    fields: 0,
    aliases: 0,
    directives: definition.directives?.length ?? 0,
    depth: 0,
    nesting: 1,
    spreads,
  };
  for (const variableDefinition of definition.variableDefinitions ?? [])
    found.directives += variableDefinition.directives?.length ?? 0;
  const walk = (set: SelectionSetNode, depth: number, nesting: number): void => {
    if (nesting > found.nesting) found.nesting = nesting;
    for (const selection of set.selections) {
      found.fields++;
      found.directives += selection.directives?.length ?? 0;
      if (selection.kind === Kind.FRAGMENT_SPREAD) spreads.push({ name: selection.name.value, depth, nesting });
      else if (selection.kind === Kind.INLINE_FRAGMENT) walk(selection.selectionSet, depth, nesting + 1);
      else {
        if (selection.alias) found.aliases++;
        if (depth + 1 > found.depth) found.depth = depth + 1;
        if (selection.selectionSet) walk(selection.selectionSet, depth + 1, nesting + 1);
      }
    }
  };
  walk(definition.selectionSet, 0, 1);
  return found;
}

/**
 * Adds the counts of spread fragments to each definition, innermost first. Not recursive: a chain of fragments may be as long as the
 * text. Returns the fragments that are spread.
 */
function addFragmentCounts(
  operations: readonly DefinitionCounts[],
  fragments: ReadonlyMap<string, DefinitionCounts>,
  seen: { work: number },
): Set<DefinitionCounts> {
  const spread = new Set<DefinitionCounts>();
  const state = new Map<DefinitionCounts, 'open' | 'done'>();
  for (const root of [...operations, ...fragments.values()]) {
    const open = state.has(root) ? [] : [root];
    while (open.length > 0) {
      const counts = open[open.length - 1] as DefinitionCounts;
      if (state.get(counts) === 'done') {
        open.pop();
        continue;
      }
      seen.work += 1 + counts.spreads.length;
      const inner = counts.spreads.map(({ name }) => fragments.get(name));
      if (!state.has(counts)) {
        state.set(counts, 'open');
        for (const next of inner) {
          if (!next) continue;
          spread.add(next);
          if (!state.has(next)) open.push(next);
        }
        continue;
      }
      open.pop();
      state.set(counts, 'done');
      inner.forEach((next, i) => {
        // Part of a cycle.
        if (!next || state.get(next) !== 'done') return;
        const at = counts.spreads[i] as DefinitionCounts['spreads'][number];
        for (const name of ['fields', 'aliases', 'directives'] as const)
          counts[name] = Math.min(counts[name] + next[name], Number.MAX_SAFE_INTEGER);
        counts.depth = Math.max(counts.depth, at.depth + next.depth);
        counts.nesting = Math.max(counts.nesting, at.nesting + next.nesting);
      });
    }
  }
  return spread;
}

/** Whether the document contains an introspection query. */
export function isIntrospection(document: DocumentNode): boolean {
  let found = false;
  visit(document, {
    Field: ({ name }) => {
      found ||= name.value === '__schema' || name.value === '__type';
      return found ? BREAK : undefined;
    },
  });
  return found;
}

/** Throws the error for a caller who may not introspect. */
export function rejectIntrospection(): never {
  throw new HubError(
    'GRAPHQL_VALIDATION_FAILED',
    'Introspection is off for callers without a role. Authenticate, or see the documentation of the graph.',
  );
}

/** The error without "Did you mean" suggestions, which would reveal names of the graph one by one. */
export const withoutSuggestions = (error: GraphQLFormattedError): GraphQLFormattedError => ({
  ...error,
  message: error.message.replace(/ ?Did you mean .*\?$/s, ''),
});
