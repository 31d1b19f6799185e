/**
 * A subscription's document turned into two queries of the hub's internal fields: `_eventStart` once, `_delivery` for each range of
 * the log. So rights, limits and partial answers are those of any query, and federation needs no notion of a subscription.
 */
import {
  type ArgumentNode,
  type DocumentNode,
  type FieldNode,
  type GraphQLFormattedError,
  type GraphQLSchema,
  getOperationAST,
  type InlineFragmentNode,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  parse,
  print,
  type SelectionNode,
  type SelectionSetNode,
  type VariableDefinitionNode,
  visit,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Principal } from '../../connectors/kit/auth/principal.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import type { Operations } from '../operation/operations.ts';

export interface SubscriptionRequest {
  readonly query: string;
  readonly operationName?: string | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
  readonly principal: Principal | null;
  readonly signal: AbortSignal;
}

/** Alias under which the gateway itself learns what a delivery held; taken out again before the client sees it. */
export const PROBE = 'isthmusEvents_';

/** What lies behind a listener's position, asked while it follows: whether retention has dropped what it has not read. */
export const HELD = `query ($isthmusPosition_: String!, $isthmusHead_: String!) {
  start: _eventStart(position: $isthmusPosition_, head: $isthmusHead_) { position gapFrom gapTo gapReason }
}`;

export interface Prepared {
  /** Response key of the root field. */
  readonly key: string;
  /** Root field of `Subscription`. */
  readonly field: string;
  readonly start: string;
  readonly delivery: string;
  /** Which events of a range a delivery cannot show. */
  readonly unreadable: string;
  /** The client's own, for what it says of variables. */
  readonly operation: OperationDefinitionNode;
  /** Name of the variable that `after` is given by; null: a literal or absent. */
  readonly afterVariable: string | null;
}

/** Documents already turned, for the graph they were turned for. */
const known = new WeakMap<GraphQLSchema, LRUCache<string, Prepared>>();

/** Several faults as one error; of bad input only where nothing else is wrong. */
export function asOne(faults: readonly GraphQLFormattedError[]): HubError {
  const codes = new Set(faults.map((one) => one.extensions?.['code']));
  const code = codes.size === 1 && codes.has('BAD_USER_INPUT') ? 'BAD_USER_INPUT' : 'GRAPHQL_VALIDATION_FAILED';
  return new HubError(code, faults.map((one) => one.message).join(' '));
}

/** Turns the client's document into the internal queries, if this caller may subscribe. Throws `HubError`. */
export function prepare(
  operations: Operations,
  request: Pick<SubscriptionRequest, 'query' | 'operationName' | 'principal'>,
): Prepared {
  const { schema } = operations;
  let cache = known.get(schema);
  if (!cache) {
    cache = new LRUCache({ max: 500 });
    known.set(schema, cache);
  }
  const text = `${request.operationName ?? ''}\0${request.query}`;
  const prepared = cache.get(text) ?? turn(operations, request);
  cache.set(text, prepared);
  const field = { type: 'Subscription', field: prepared.field, returns: 'EventDelivery' };
  const refused = operations.refused(field, request.principal);
  if (refused) throw refused;
  return prepared;
}

function turn(
  operations: Operations,
  request: Pick<SubscriptionRequest, 'query' | 'operationName' | 'principal'>,
): Prepared {
  const document = operations.parse(request.query, request.principal);
  const faults = operations.faults(request.query, document, request.principal);
  if (faults.length > 0) throw asOne(faults);
  const operation = getOperationAST(document, request.operationName || undefined);
  if (!operation || operation.operation !== OperationTypeNode.SUBSCRIPTION) {
    throw new HubError('OPERATION_RESOLUTION_FAILURE', 'The document has no such subscription.');
  }
  const root = rootFields(document, operation.selectionSet)[0];
  if (!root) throw new HubError('GRAPHQL_VALIDATION_FAILED', 'The subscription selects nothing.');
  const argument = (name: string) => root.arguments?.find((one) => one.name.value === name);
  const filter = argument('filter');
  const key = (root.alias ?? root.name).value;
  const fragments = document.definitions.filter((one) => one.kind === Kind.FRAGMENT_DEFINITION);

  const delivery: FieldNode = {
    ...root,
    alias: { kind: Kind.NAME, value: key },
    name: { kind: Kind.NAME, value: '_delivery' },
    arguments: [variableArgument('token', 'isthmusToken_'), ...(filter ? [filter] : [])],
    selectionSet: {
      kind: Kind.SELECTION_SET,
      selections: [...(root.selectionSet?.selections ?? []), probe()],
    },
  };
  const start: FieldNode = {
    kind: Kind.FIELD,
    alias: { kind: Kind.NAME, value: 'start' },
    name: { kind: Kind.NAME, value: '_eventStart' },
    arguments: [
      variableArgument('head', 'isthmusHead_'),
      ...[argument('after'), filter].filter((one): one is ArgumentNode => one !== undefined),
    ],
    selectionSet: selectionOf('position', 'gapFrom', 'gapTo', 'gapReason'),
  };
  const unreadable: FieldNode = {
    kind: Kind.FIELD,
    alias: { kind: Kind.NAME, value: 'unreadable' },
    name: { kind: Kind.NAME, value: '_unreadable' },
    arguments: [variableArgument('token', 'isthmusToken_'), ...(filter ? [filter] : [])],
    selectionSet: selectionOf('before', 'upTo', 'fromTime', 'toTime'),
  };
  const definitions = operation.variableDefinitions ?? [];
  const after = argument('after')?.value;
  return {
    key,
    field: root.name.value,
    operation: withoutPlaces(request),
    afterVariable: after?.kind === Kind.VARIABLE ? after.name.value : null,
    start: asQuery(start, [...definitions, variable('isthmusHead_')], []),
    unreadable: asQuery(unreadable, [...definitions, variable('isthmusToken_')], []),
    delivery: asQuery(
      delivery,
      [...definitions, variable('isthmusToken_')],
      usedFragments(document, delivery, fragments),
    ),
  };
}

/** What is kept knows no places in the text: they hold every token of it. */
function withoutPlaces(request: { query: string; operationName?: string | undefined }): OperationDefinitionNode {
  const operation = getOperationAST(parse(request.query, { noLocation: true }), request.operationName || undefined);
  if (!operation) throw new Error('unreachable: the operation was found before');
  return operation;
}

/** Root fields with fragments at the root opened. A valid subscription has one. */
function rootFields(document: DocumentNode, set: SelectionSetNode): FieldNode[] {
  return set.selections.flatMap((one: SelectionNode): FieldNode[] => {
    if (one.kind === Kind.FIELD) return [one];
    if (one.kind === Kind.INLINE_FRAGMENT) return rootFields(document, one.selectionSet);
    const fragment = document.definitions.find(
      (definition) => definition.kind === Kind.FRAGMENT_DEFINITION && definition.name.value === one.name.value,
    );
    return fragment?.kind === Kind.FRAGMENT_DEFINITION ? rootFields(document, fragment.selectionSet) : [];
  });
}

const probe = (): InlineFragmentNode => ({
  kind: Kind.INLINE_FRAGMENT,
  typeCondition: { kind: Kind.NAMED_TYPE, name: { kind: Kind.NAME, value: 'EventsBatch' } },
  selectionSet: {
    kind: Kind.SELECTION_SET,
    selections: [
      {
        kind: Kind.FIELD,
        alias: { kind: Kind.NAME, value: PROBE },
        name: { kind: Kind.NAME, value: 'events' },
        selectionSet: {
          kind: Kind.SELECTION_SET,
          selections: [{ kind: Kind.FIELD, name: { kind: Kind.NAME, value: 'id' } }],
        },
      },
    ],
  },
});

const selectionOf = (...names: string[]): SelectionSetNode => ({
  kind: Kind.SELECTION_SET,
  selections: names.map((name) => ({ kind: Kind.FIELD, name: { kind: Kind.NAME, value: name } })),
});

const variableArgument = (name: string, variableName: string): ArgumentNode => ({
  kind: Kind.ARGUMENT,
  name: { kind: Kind.NAME, value: name },
  value: { kind: Kind.VARIABLE, name: { kind: Kind.NAME, value: variableName } },
});

const variable = (name: string): VariableDefinitionNode => ({
  kind: Kind.VARIABLE_DEFINITION,
  variable: { kind: Kind.VARIABLE, name: { kind: Kind.NAME, value: name } },
  type: { kind: Kind.NON_NULL_TYPE, type: { kind: Kind.NAMED_TYPE, name: { kind: Kind.NAME, value: 'String' } } },
});

type Fragment = Extract<DocumentNode['definitions'][number], { kind: Kind.FRAGMENT_DEFINITION }>;

/** The fragments that the field reaches. */
function usedFragments(
  document: DocumentNode,
  field: FieldNode,
  all: readonly DocumentNode['definitions'][number][],
): Fragment[] {
  const used = new Set<string>();
  const look = (node: FieldNode | Fragment): void => {
    visit(node, {
      FragmentSpread: (spread) => {
        if (used.has(spread.name.value)) return;
        used.add(spread.name.value);
        const next = all.find((one) => one.kind === Kind.FRAGMENT_DEFINITION && one.name.value === spread.name.value);
        if (next?.kind === Kind.FRAGMENT_DEFINITION) look(next);
      },
    });
  };
  look(field);
  return document.definitions.filter(
    (one): one is Fragment => one.kind === Kind.FRAGMENT_DEFINITION && used.has(one.name.value),
  );
}

/** A query of that one field; only the variables that are used stay. */
function asQuery(
  field: FieldNode,
  definitions: readonly VariableDefinitionNode[],
  fragments: readonly Fragment[],
): string {
  const used = new Set<string>();
  for (const node of [field, ...fragments]) {
    visit(node, {
      Variable: (one) => {
        used.add(one.name.value);
      },
    });
  }
  return print({
    kind: Kind.DOCUMENT,
    definitions: [
      {
        kind: Kind.OPERATION_DEFINITION,
        operation: OperationTypeNode.QUERY,
        variableDefinitions: definitions.filter((one) => used.has(one.variable.name.value)),
        selectionSet: { kind: Kind.SELECTION_SET, selections: [field] },
      },
      ...fragments,
    ],
  });
}
