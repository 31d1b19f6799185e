/** Executes introspection with graphql-js on the public schema, without a request to a subgraph. */
import {
  type DocumentNode,
  type ExecutionResult,
  executeSync,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  visit,
} from 'graphql';
import { fragmentsOf } from '../document-nodes.ts';

/** Returns data and errors under the client's response keys. */
export type IntrospectionExecutor = (variables: Readonly<Record<string, unknown>>) => ExecutionResult;

/** Null if the operation has no introspection fields. Without variables the result is computed once. */
export function createIntrospection(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): IntrospectionExecutor | null {
  const fragments = fragmentsOf(document);
  if (!selectsIntrospection(operation.selectionSet, fragments, new Set())) return null;
  let depth = 0;
  const introspectionOnly = visit(document, {
    OperationDefinition: (node) => (node === operation ? undefined : null),
    Field: {
      enter: (node) => {
        const name = node.name.value;
        const isIntrospection = name === '__schema' || name === '__type';
        if (depth === 0 && !isIntrospection) return null;
        depth++;
        return undefined;
      },
      leave: () => {
        depth--;
      },
    },
    // Only fragments on introspection types can be inside such a field.
    FragmentDefinition: {
      enter: (node) => {
        if (node.typeCondition.name.value.startsWith('__')) depth++;
      },
      leave: (node) => {
        if (node.typeCondition.name.value.startsWith('__')) depth--;
      },
    },
  });
  // An empty selection set is not valid.
  const complete = visit(introspectionOnly, {
    SelectionSet: (node) =>
      node.selections.length > 0
        ? undefined
        : { ...node, selections: [{ kind: Kind.FIELD, name: { kind: Kind.NAME, value: '__typename' } }] },
  });
  const run: IntrospectionExecutor = (variables) =>
    executeSync({ schema, document: complete, variableValues: { ...variables }, rootValue: {} });
  if ((operation.variableDefinitions ?? []).length > 0) return run;
  let result: ExecutionResult | undefined;
  return (variables) => {
    result ??= run(variables);
    return result;
  };
}

/** Whether a root field is `__schema` or `__type`. `seen`: fragments that were visited. */
const selectsIntrospection = (
  set: SelectionSetNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  seen: Set<FragmentDefinitionNode>,
): boolean =>
  set.selections.some((selection) => {
    if (selection.kind === Kind.FIELD) return selection.name.value === '__schema' || selection.name.value === '__type';
    if (selection.kind === Kind.INLINE_FRAGMENT) return selectsIntrospection(selection.selectionSet, fragments, seen);
    const fragment = fragments.get(selection.name.value);
    if (!fragment || seen.has(fragment)) return false;
    seen.add(fragment);
    return selectsIntrospection(fragment.selectionSet, fragments, seen);
  });
