/** From an operation's text to what is executed again and again: checked, planned, with the shape of its answer. */
import {
  type DocumentNode,
  type GraphQLError,
  type GraphQLFormattedError,
  type GraphQLObjectType,
  type GraphQLSchema,
  getOperationAST,
  type OperationDefinitionNode,
  OperationTypeNode,
  parse,
  validate,
} from 'graphql';
import { forPlanner } from './document.ts';
import { type Executable, executable } from './execute.ts';
import { type Introspect, introspection } from './introspection.ts';
import type { Planner } from './planner.ts';
import { makeRefusals, type Refuse } from './refusal.ts';
import { type Selection, shapeOf } from './shape.ts';
import type { Supergraph } from './supergraph.ts';

/** One operation, ready to run. */
export interface Compiled {
  readonly kind: 'query' | 'mutation';
  readonly name: string | null;
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly root: GraphQLObjectType;
  readonly shape: Selection;
  /** Null when nothing need be fetched. */
  readonly run: Executable | null;
  /** Answers root fields `__schema` and `__type`; null when there are none. */
  readonly introspect: Introspect | null;
  /** Bytes that it counts for in the cache. */
  readonly size: number;
}

const fault = (
  error: { message: string; locations?: GraphQLFormattedError['locations'] | undefined },
  code: string,
): GraphQLFormattedError => ({
  message: error.message,
  ...(error.locations ? { locations: error.locations } : {}),
  extensions: { code },
});

export function compileOperation(
  parts: { supergraph: Supergraph; planner: Planner },
  request: { query: string; operationName?: string | undefined },
  options: { refuse: Refuse | null; internal: boolean },
): Compiled | { errors: readonly GraphQLFormattedError[] } {
  const { supergraph, planner } = parts;
  const schema = options.internal ? supergraph.inner : supergraph.open;
  let document: DocumentNode;
  try {
    document = parse(request.query);
  } catch (error) {
    const syntax = error as GraphQLError;
    return { errors: [fault({ message: syntax.message, locations: syntax.locations }, 'GRAPHQL_PARSE_FAILED')] };
  }
  const faults = validate(schema, document);
  if (faults.length > 0) return { errors: faults.map((one) => fault(one, 'GRAPHQL_VALIDATION_FAILED')) };
  const operation = getOperationAST(document, request.operationName);
  if (!operation) {
    const message = request.operationName
      ? `The document has no operation ${request.operationName}.`
      : 'The document has several operations: give operationName.';
    return { errors: [fault({ message }, 'OPERATION_RESOLUTION_FAILURE')] };
  }
  if (operation.operation === OperationTypeNode.SUBSCRIPTION) {
    return { errors: [fault({ message: 'Subscriptions need a WebSocket.' }, 'OPERATION_RESOLUTION_FAILURE')] };
  }
  const root = schema.getRootType(operation.operation);
  if (!root)
    return { errors: [fault({ message: `The graph has no ${operation.operation}.` }, 'GRAPHQL_VALIDATION_FAILED')] };
  const { names, veiled } = supergraph;
  const refusals = makeRefusals(options.refuse);
  const text = forPlanner({ schema, names, refusals, veiled: options.internal ? NONE : veiled }, document, operation);
  const plan = text === null ? null : planner.plan(text, operation.name?.value ?? null);
  return {
    kind: operation.operation,
    name: operation.name?.value ?? null,
    schema,
    document,
    operation,
    root,
    shape: shapeOf({ schema, refusals, names }, document, operation),
    run: plan ? executable(plan, supergraph) : null,
    introspect: introspection(schema, document, operation),
    size: 2_000 + 8 * request.query.length + 4 * JSON.stringify(plan ?? '').length,
  };
}

const NONE: ReadonlySet<string> = new Set();
