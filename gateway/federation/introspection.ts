/** Questions about the graph itself are answered here, by graphql-js over the public schema; no subgraph is asked. */
import {
  type DocumentNode,
  type ExecutionResult,
  executeSync,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  visit,
} from 'graphql';

/** Data under the client's own keys, and faults with the client's own paths. */
export type Introspect = (variables: Readonly<Record<string, unknown>>) => ExecutionResult;

/** Null when the operation does not ask about the graph. An answer that no variable changes is made once. */
export function introspection(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): Introspect | null {
  let asks = false;
  let depth = 0;
  const cut = visit(document, {
    OperationDefinition: (node) => (node === operation ? undefined : null),
    Field: {
      enter: (node) => {
        const name = node.name.value;
        const isAbout = name === '__schema' || name === '__type';
        if (depth === 0 && !isAbout) return null;
        if (depth === 0) asks = true;
        depth++;
        return undefined;
      },
      leave: () => {
        depth--;
      },
    },
    // Only fragments on introspection's own types stand inside such a field.
    FragmentDefinition: {
      enter: (node) => {
        if (node.typeCondition.name.value.startsWith('__')) depth++;
      },
      leave: (node) => {
        if (node.typeCondition.name.value.startsWith('__')) depth--;
      },
    },
  });
  if (!asks) return null;
  // Selections that became empty still need one field to be a document.
  const whole = visit(cut, {
    SelectionSet: (node) =>
      node.selections.length > 0
        ? undefined
        : { ...node, selections: [{ kind: Kind.FIELD, name: { kind: Kind.NAME, value: '__typename' } }] },
  });
  const run: Introspect = (variables) =>
    executeSync({ schema, document: whole, variableValues: { ...variables }, rootValue: {} });
  if ((operation.variableDefinitions ?? []).length > 0) return run;
  let known: ExecutionResult | undefined;
  return (variables) => {
    known ??= run(variables);
    return known;
  };
}
