/** Limits on documents, asked once per text before it is planned. The defaults protect; `isthmus gateway` lets more through. */
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

/**
 * Throws LIMIT_DEPTH or LIMIT_COST with the figure and the limit. Every definition is walked once: what a fragment holds written out is
 * known by the sums of the fragments that it spreads. Circles are left to validation. Returns how many selections the
 * document holds, fragments counted once; `seen.work` grows by all that was looked at.
 */
export function checkDocument(document: DocumentNode, limits: DocumentLimits, seen = { work: 0 }): number {
  const operations: Written[] = [];
  const fragments = new Map<string, Written>();
  let own = 0;
  for (const one of document.definitions) {
    if (one.kind !== Kind.FRAGMENT_DEFINITION && one.kind !== Kind.OPERATION_DEFINITION) continue;
    const written = writtenOnce(one);
    own += written.fields;
    seen.work += 1 + written.fields;
    if (one.kind === Kind.FRAGMENT_DEFINITION) {
      // Of two with one name, whichever is the larger: validation refuses the document.
      const other = fragments.get(one.name.value);
      if (!other || other.fields < written.fields) fragments.set(one.name.value, written);
      continue;
    }
    operations.push(written);
    if (operations.length > limits.operations)
      refuse('LIMIT_COST', `has more than ${limits.operations} operations`, limits.operations);
    const roots = one.selectionSet.selections.length;
    if (roots > limits.rootFields) refuse('LIMIT_COST', `has ${roots} root fields`, limits.rootFields, roots);
  }
  const spread = writeOut(operations, fragments, seen);
  for (const one of [...operations, ...fragments.values()]) {
    if (one.depth > limits.depth)
      refuse('LIMIT_DEPTH', `is nested ${one.depth} fields deep, fragments written out`, limits.depth, one.depth);
    if (one.nesting > limits.brackets)
      refuse('LIMIT_DEPTH', `nests ${one.nesting} selections, fragments written out`, limits.brackets, one.nesting);
  }
  // Fragments that nobody spreads are validated all the same.
  const all = [...operations, ...[...fragments.values()].filter((one) => !spread.has(one))];
  for (const name of ['fields', 'aliases', 'directives'] as const) {
    const found = all.reduce((sum, one) => Math.min(sum + one[name], Number.MAX_SAFE_INTEGER), 0);
    if (found > limits[name]) refuse('LIMIT_COST', `has ${found} ${COUNTED[name]}`, limits[name], found);
  }
  return own;
}

const COUNTED = {
  fields: 'selections, fragments counted wherever they are spread',
  aliases: 'aliases, fragments counted wherever they are spread',
  directives: 'directives, fragments counted wherever they are spread',
} as const;

/** What a definition holds. */
interface Written {
  fields: number;
  aliases: number;
  directives: number;
  /** Fields within fields. */
  depth: number;
  /** Selection sets within each other. */
  nesting: number;
  /** Each spread, with how deep it stands. */
  readonly spreads: readonly { readonly name: string; readonly depth: number; readonly nesting: number }[];
}

/** Counts one definition, its spreads not followed. Recursion is bounded: `checkText` has counted the brackets. */
function writtenOnce(definition: OperationDefinitionNode | FragmentDefinitionNode): Written {
  const spreads: { name: string; depth: number; nesting: number }[] = [];
  const found = {
    fields: 0,
    aliases: 0,
    directives: definition.directives?.length ?? 0,
    depth: 0,
    nesting: 1,
    spreads,
  };
  for (const one of definition.variableDefinitions ?? []) found.directives += one.directives?.length ?? 0;
  const walk = (set: SelectionSetNode, depth: number, nesting: number): void => {
    if (nesting > found.nesting) found.nesting = nesting;
    for (const one of set.selections) {
      found.fields++;
      found.directives += one.directives?.length ?? 0;
      if (one.kind === Kind.FRAGMENT_SPREAD) spreads.push({ name: one.name.value, depth, nesting });
      else if (one.kind === Kind.INLINE_FRAGMENT) walk(one.selectionSet, depth, nesting + 1);
      else {
        if (one.alias) found.aliases++;
        if (depth + 1 > found.depth) found.depth = depth + 1;
        if (one.selectionSet) walk(one.selectionSet, depth + 1, nesting + 1);
      }
    }
  };
  walk(definition.selectionSet, 0, 1);
  return found;
}

/**
 * Adds to each definition what its fragments hold, innermost first and without recursion: a chain is as long as the text allows.
 * Returns the fragments that others spread.
 */
function writeOut(
  operations: readonly Written[],
  fragments: ReadonlyMap<string, Written>,
  seen: { work: number },
): Set<Written> {
  const spread = new Set<Written>();
  const state = new Map<Written, 'open' | 'done'>();
  for (const root of [...operations, ...fragments.values()]) {
    const open = state.has(root) ? [] : [root];
    while (open.length > 0) {
      const one = open[open.length - 1] as Written;
      if (state.get(one) === 'done') {
        open.pop();
        continue;
      }
      seen.work += 1 + one.spreads.length;
      const inner = one.spreads.map(({ name }) => fragments.get(name));
      if (!state.has(one)) {
        state.set(one, 'open');
        for (const next of inner) {
          if (!next) continue;
          spread.add(next);
          if (!state.has(next)) open.push(next);
        }
        continue;
      }
      open.pop();
      state.set(one, 'done');
      inner.forEach((next, i) => {
        // Within a circle.
        if (!next || state.get(next) !== 'done') return;
        const at = one.spreads[i] as Written['spreads'][number];
        for (const name of ['fields', 'aliases', 'directives'] as const)
          one[name] = Math.min(one[name] + next[name], Number.MAX_SAFE_INTEGER);
        one.depth = Math.max(one.depth, at.depth + next.depth);
        one.nesting = Math.max(one.nesting, at.nesting + next.nesting);
      });
    }
  }
  return spread;
}

/** Whether the document asks what the graph holds. */
export function introspects(document: DocumentNode): boolean {
  let found = false;
  visit(document, {
    Field: ({ name }) => {
      found ||= name.value === '__schema' || name.value === '__type';
      return found ? BREAK : undefined;
    },
  });
  return found;
}

/** Throws the refusal of a caller who may not ask what the graph holds. */
export function refuseIntrospection(): never {
  throw new HubError(
    'GRAPHQL_VALIDATION_FAILED',
    'Introspection is off here for callers without a role: sign in, or see the documentation of the graph.',
  );
}

/** The same fault without suggestions: they would tell the graph's names one by one. */
export const discreet = (fault: GraphQLFormattedError): GraphQLFormattedError => ({
  ...fault,
  message: fault.message.replace(/ ?Did you mean .*\?$/s, ''),
});
