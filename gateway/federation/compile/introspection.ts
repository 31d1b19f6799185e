/** Questions about the graph itself are answered here, by graphql-js over the public schema; no subgraph is asked. */
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
import { fragmentsOf } from '../plan/planner-document.ts';

/** Data under the client's own keys, and faults with the client's own paths. */
export type Introspect = (variables: Readonly<Record<string, unknown>>) => ExecutionResult;

/** Null when the operation does not ask about the graph. An answer that no variable changes is made once. */
export function introspection(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): Introspect | null {
  const fragments = fragmentsOf(document);
  if (!asksAbout(operation.selectionSet, fragments, new Set())) return null;
  let depth = 0;
  const cut = visit(document, {
    OperationDefinition: (node) => (node === operation ? undefined : null),
    Field: {
      enter: (node) => {
        const name = node.name.value;
        const isAbout = name === '__schema' || name === '__type';
        if (depth === 0 && !isAbout) return null;
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

/** Whether a root field asks about the graph. `seen`: fragments that were looked at. */
const asksAbout = (
  set: SelectionSetNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  seen: Set<FragmentDefinitionNode>,
): boolean =>
  set.selections.some((one) => {
    if (one.kind === Kind.FIELD) return one.name.value === '__schema' || one.name.value === '__type';
    if (one.kind === Kind.INLINE_FRAGMENT) return asksAbout(one.selectionSet, fragments, seen);
    const fragment = fragments.get(one.name.value);
    if (!fragment || seen.has(fragment)) return false;
    seen.add(fragment);
    return asksAbout(fragment.selectionSet, fragments, seen);
  });
