/**
 * One subscription: follows the log from its cursor, and asks for each delivery through `operation.run` like any other
 * query, so that rights, limits and partial answers are the same. The client's document is turned into a query of
 * the hub's internal field `_delivery`; federation and hub need no notion of a subscription.
 */
import {
  type ArgumentNode,
  type DocumentNode,
  type FieldNode,
  getOperationAST,
  type InlineFragmentNode,
  Kind,
  OperationTypeNode,
  print,
  type SelectionNode,
  type SelectionSetNode,
  type VariableDefinitionNode,
  validate,
  visit,
} from 'graphql';
import { HubError } from '../../connectors/kit/errors.ts';
import type { Principal } from '../../connectors/kit/principal.ts';
import type { OperationAnswer, Operations } from '../operation.ts';
import type { Tail } from './tail.ts';

export interface SubscriptionRequest {
  readonly query: string;
  readonly operationName?: string | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
  readonly principal: Principal | null;
  readonly signal: AbortSignal;
}

/** Events of one delivery, at most. */
const BATCH = 100;
/** Aliases under which the gateway itself learns what a delivery held; taken out again before the client sees it. */
const PROBE = 'isthmusEvents_';

interface Prepared {
  readonly key: string;
  readonly start: string;
  readonly delivery: string;
}

/** Deliveries of one subscription, until the signal aborts. Rejects with `HubError` before the first when it may not begin. */
export async function subscribe(
  parts: { readonly operations: Operations; readonly tail: Tail },
  request: SubscriptionRequest,
): Promise<AsyncGenerator<OperationAnswer, void>> {
  const { operations, tail } = parts;
  const prepared = prepare(operations, request);
  const run = (query: string, variables: Record<string, unknown>) =>
    operations.run({
      query,
      variables: { ...request.variables, ...variables },
      principal: request.principal,
      signal: request.signal,
      asked: request.query,
      internal: true,
    });
  const begun = await run(prepared.start, { isthmusHead_: String(tail.head) });
  const start = begun.data?.['start'] as { position: string; gapFrom: string | null; gapTo: string | null } | undefined;
  if (!start) throw refusal(begun);

  return (async function* deliver() {
    let position = BigInt(start.position);
    if (start.gapFrom !== null && start.gapTo !== null) {
      yield clean(
        await run(
          prepared.delivery,
          token({ type: 'gap', position: start.position, from: start.gapFrom, to: start.gapTo }),
        ),
        prepared.key,
      ).answer;
    }
    while (!request.signal.aborted && !tail.closed) {
      const head = await tail.beyond(position, request.signal);
      if (request.signal.aborted || tail.closed) return;
      const upTo = head - position > BATCH ? position + BigInt(BATCH) : head;
      const batch = { type: 'batch', after: String(position), upTo: String(upTo), limit: BATCH } as const;
      const { answer, events } = clean(await run(prepared.delivery, token(batch)), prepared.key);
      if (events === null) {
        // The log itself could not be read: nothing was delivered, so the same range is asked again.
        yield answer;
        await pause(1_000, request.signal);
        continue;
      }
      position = upTo;
      if (events > 0) yield answer;
    }
  })();
}

const token = (what: object): Record<string, unknown> => ({ isthmusToken_: JSON.stringify(what) });

function refusal(answer: OperationAnswer): HubError {
  const first = answer.errors?.[0];
  const code = (first?.extensions?.['code'] as HubError['code'] | undefined) ?? 'INTERNAL';
  return new HubError(code, first?.message ?? 'The subscription could not begin.');
}

/** The answer without probes, and how many events it held; null when there was no delivery. */
function clean(answer: OperationAnswer, key: string): { answer: OperationAnswer; events: number | null } {
  const delivery = answer.data?.[key] as Record<string, unknown> | null | undefined;
  if (!delivery) return { answer, events: null };
  const probe = delivery[PROBE];
  const rest = Object.fromEntries(Object.entries(delivery).filter(([name]) => name !== PROBE));
  const events = Array.isArray(probe) ? probe.length : 1;
  return { answer: { ...answer, data: { ...answer.data, [key]: rest } }, events };
}

/** Turns the client's document into the two internal queries. Throws `HubError`. */
function prepare(operations: Operations, request: SubscriptionRequest): Prepared {
  const document = operations.parse(request.query);
  const faults = validate(operations.schema, document);
  if (faults.length > 0) throw new HubError('GRAPHQL_VALIDATION_FAILED', faults.map((one) => one.message).join(' '));
  const operation = getOperationAST(document, request.operationName);
  if (!operation || operation.operation !== OperationTypeNode.SUBSCRIPTION) {
    throw new HubError('OPERATION_RESOLUTION_FAILURE', 'The document has no such subscription.');
  }
  const root = rootFields(document, operation.selectionSet)[0];
  if (!root) throw new HubError('GRAPHQL_VALIDATION_FAILED', 'The subscription selects nothing.');
  const refused = operations.refused(
    { type: 'Subscription', field: root.name.value, returns: 'EventDelivery' },
    request.principal,
  );
  if (refused) throw refused;
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
    selectionSet: {
      kind: Kind.SELECTION_SET,
      selections: ['position', 'gapFrom', 'gapTo'].map((name) => ({
        kind: Kind.FIELD,
        name: { kind: Kind.NAME, value: name },
      })),
    },
  };
  const definitions = operation.variableDefinitions ?? [];
  return {
    key,
    start: asQuery(start, [...definitions, variable('isthmusHead_')], []),
    delivery: asQuery(
      delivery,
      [...definitions, variable('isthmusToken_')],
      usedFragments(document, delivery, fragments),
    ),
  };
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

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done, { once: true });
  });
}
