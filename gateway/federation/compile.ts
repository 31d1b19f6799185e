/** From an operation's text to what is executed again and again: checked, planned, with the shape of its answer. */
import {
  type DocumentNode,
  type GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  parse,
  validate,
} from 'graphql';
import { forPlanner, type Refuse } from './document.ts';
import { type Executable, executable } from './execute.ts';
import type { Planner } from './planner.ts';
import type { Supergraph } from './supergraph.ts';
import { type Shape, shapeOf } from './writer.ts';

/** One operation, ready to run. */
export interface Compiled {
  readonly kind: 'query' | 'mutation';
  readonly name: string | null;
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly shape: Shape;
  /** Null when nothing need be fetched. */
  readonly run: Executable | null;
  /** Root fields `__schema` and `__type` are answered here. */
  readonly introspects: boolean;
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
  const text = forPlanner(schema, document, operation, options.refuse);
  const plan = planner.plan(text, operation.name?.value ?? null);
  return {
    kind: operation.operation,
    name: operation.name?.value ?? null,
    schema,
    document,
    operation,
    shape: shapeOf(schema, document, operation, options.refuse),
    run: plan ? executable(plan, supergraph) : null,
    introspects: introspects(document, operation),
    size: 2_000 + 8 * request.query.length + 4 * JSON.stringify(plan ?? '').length,
  };
}

/** Whether a root field asks about the schema itself. */
function introspects(document: DocumentNode, operation: OperationDefinitionNode): boolean {
  const look = (selections: OperationDefinitionNode['selectionSet']['selections']): boolean =>
    selections.some((one) => {
      if (one.kind === Kind.FIELD) return one.name.value === '__schema' || one.name.value === '__type';
      if (one.kind === Kind.INLINE_FRAGMENT) return look(one.selectionSet.selections);
      const fragment = document.definitions.find(
        (each) => each.kind === Kind.FRAGMENT_DEFINITION && each.name.value === one.name.value,
      );
      return fragment?.kind === Kind.FRAGMENT_DEFINITION ? look(fragment.selectionSet.selections) : false;
    });
  return look(operation.selectionSet.selections);
}
