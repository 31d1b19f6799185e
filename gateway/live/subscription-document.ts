/**
 * Rewrites a subscription into queries of the hub's internal fields: `_eventStart` once, `_delivery` for each range of the log. So
 * rights, limits and partial responses are those of queries, and federation knows no subscriptions.
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

/** Alias under which a delivery also selects its events for the gateway, which removes it before the client sees it. */
export const EVENTS_ALIAS = 'isthmusEvents_';

/** Finds the events after a subscriber's position that retention has dropped. */
export const RETENTION_QUERY = `query ($isthmusPosition_: String!, $isthmusHead_: String!) {
  start: _eventStart(position: $isthmusPosition_, head: $isthmusHead_) { position gapFrom gapTo gapReason }
}`;

export interface PreparedSubscription {
  /** Response key of the root field. */
  readonly responseKey: string;
  /** Root field of `Subscription`. */
  readonly field: string;
  readonly start: string;
  readonly delivery: string;
  /** Finds the events of a range that do not match their type. */
  readonly unreadable: string;
  /** The client's own operation, for the check of variables. */
  readonly operation: OperationDefinitionNode;
  /** Name of the variable of the argument `after`; null: a literal or absent. */
  readonly afterVariable: string | null;
}

/** By graph, then by operation name and text. */
const cacheOfSchema = new WeakMap<GraphQLSchema, LRUCache<string, PreparedSubscription>>();

/** Several errors as one; its code is BAD_USER_INPUT only if all have it. */
export function combineErrors(errors: readonly GraphQLFormattedError[]): HubError {
  const codes = new Set(errors.map((error) => error.extensions?.['code']));
  const code = codes.size === 1 && codes.has('BAD_USER_INPUT') ? 'BAD_USER_INPUT' : 'GRAPHQL_VALIDATION_FAILED';
  return new HubError(code, errors.map((error) => error.message).join(' '));
}

/** The internal queries of a subscription. Throws a `HubError` when it is invalid or the caller may not subscribe. */
export function prepareSubscription(
  operations: Operations,
  request: Pick<SubscriptionRequest, 'query' | 'operationName' | 'principal'>,
): PreparedSubscription {
  const { schema } = operations.graph;
  let cache = cacheOfSchema.get(schema);
  if (!cache) {
    cache = new LRUCache({ max: 500 });
    cacheOfSchema.set(schema, cache);
  }
  const text = `${request.operationName ?? ''}\0${request.query}`;
  const prepared = cache.get(text) ?? transform(operations, request);
  cache.set(text, prepared);
  const field = { type: 'Subscription', field: prepared.field, returns: 'EventDelivery' };
  const error = operations.graph.fieldError(field, request.principal);
  if (error) throw error;
  return prepared;
}

function transform(
  operations: Operations,
  request: Pick<SubscriptionRequest, 'query' | 'operationName' | 'principal'>,
): PreparedSubscription {
  const document = operations.documents.parse(request.query, request.principal);
  const errors = operations.documents.validate(request.query, document, request.principal);
  if (errors.length > 0) throw combineErrors(errors);
  const operation = getOperationAST(document, request.operationName || undefined);
  if (!operation || operation.operation !== OperationTypeNode.SUBSCRIPTION) {
    throw new HubError('OPERATION_RESOLUTION_FAILURE', 'The document has no subscription with this operationName.');
  }
  const root = rootFields(document, operation.selectionSet)[0];
  if (!root) throw new HubError('GRAPHQL_VALIDATION_FAILED', 'The subscription selects no field.');
  const argument = (name: string) => root.arguments?.find((node) => node.name.value === name);
  const filter = argument('filter');
  const key = (root.alias ?? root.name).value;
  const fragments = document.definitions.filter((node) => node.kind === Kind.FRAGMENT_DEFINITION);

  const delivery: FieldNode = {
    ...root,
    alias: { kind: Kind.NAME, value: key },
    name: { kind: Kind.NAME, value: '_delivery' },
    arguments: [variableArgument('token', 'isthmusToken_'), ...(filter ? [filter] : [])],
    selectionSet: {
      kind: Kind.SELECTION_SET,
      selections: [...(root.selectionSet?.selections ?? []), eventsAlias()],
    },
  };
  const start: FieldNode = {
    kind: Kind.FIELD,
    alias: { kind: Kind.NAME, value: 'start' },
    name: { kind: Kind.NAME, value: '_eventStart' },
    arguments: [
      variableArgument('head', 'isthmusHead_'),
      ...[argument('after'), filter].filter((node): node is ArgumentNode => node !== undefined),
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
    responseKey: key,
    field: root.name.value,
    operation: withoutLocations(request),
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

/** The operation parsed without locations, which would keep every token of the text in memory. */
function withoutLocations(request: { query: string; operationName?: string | undefined }): OperationDefinitionNode {
  const operation = getOperationAST(parse(request.query, { noLocation: true }), request.operationName || undefined);
  if (!operation) throw new Error('unreachable: the operation was found before');
  return operation;
}

/** The root fields, also those in fragments. A valid subscription has one. */
function rootFields(document: DocumentNode, set: SelectionSetNode): FieldNode[] {
  return set.selections.flatMap((node: SelectionNode): FieldNode[] => {
    if (node.kind === Kind.FIELD) return [node];
    if (node.kind === Kind.INLINE_FRAGMENT) return rootFields(document, node.selectionSet);
    const fragment = document.definitions.find(
      (definition) => definition.kind === Kind.FRAGMENT_DEFINITION && definition.name.value === node.name.value,
    );
    return fragment?.kind === Kind.FRAGMENT_DEFINITION ? rootFields(document, fragment.selectionSet) : [];
  });
}

const eventsAlias = (): InlineFragmentNode => ({
  kind: Kind.INLINE_FRAGMENT,
  typeCondition: { kind: Kind.NAMED_TYPE, name: { kind: Kind.NAME, value: 'EventsBatch' } },
  selectionSet: {
    kind: Kind.SELECTION_SET,
    selections: [
      {
        kind: Kind.FIELD,
        alias: { kind: Kind.NAME, value: EVENTS_ALIAS },
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

/** The fragments that the field spreads, directly or through others. */
function usedFragments(
  document: DocumentNode,
  field: FieldNode,
  all: readonly DocumentNode['definitions'][number][],
): Fragment[] {
  const used = new Set<string>();
  const collect = (node: FieldNode | Fragment): void => {
    visit(node, {
      FragmentSpread: (spread) => {
        if (used.has(spread.name.value)) return;
        used.add(spread.name.value);
        const next = all.find(
          (node) => node.kind === Kind.FRAGMENT_DEFINITION && node.name.value === spread.name.value,
        );
        if (next?.kind === Kind.FRAGMENT_DEFINITION) collect(next);
      },
    });
  };
  collect(field);
  return document.definitions.filter(
    (node): node is Fragment => node.kind === Kind.FRAGMENT_DEFINITION && used.has(node.name.value),
  );
}

/** A query of one field with the variables that it uses. */
function asQuery(
  field: FieldNode,
  definitions: readonly VariableDefinitionNode[],
  fragments: readonly Fragment[],
): string {
  const used = new Set<string>();
  for (const node of [field, ...fragments]) {
    visit(node, {
      Variable: (node) => {
        used.add(node.name.value);
      },
    });
  }
  return print({
    kind: Kind.DOCUMENT,
    definitions: [
      {
        kind: Kind.OPERATION_DEFINITION,
        operation: OperationTypeNode.QUERY,
        variableDefinitions: definitions.filter((node) => used.has(node.variable.name.value)),
        selectionSet: { kind: Kind.SELECTION_SET, selections: [field] },
      },
      ...fragments,
    ],
  });
}
