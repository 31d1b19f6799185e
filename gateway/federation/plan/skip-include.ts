/**
 * Resolves `@skip` and `@include` before planning: an operation has one plan for each combination of conditions that callers use. Planners have
 * lost fields where conditions meet `@requires` or interface objects, and skipped fields need no fetch.
 */
import { type DirectiveNode, type DocumentNode, Kind, type SelectionNode, type SelectionSetNode } from 'graphql';

type Variables = Readonly<Record<string, unknown>>;

/** All conditions of the document. */
function conditionsOf(document: DocumentNode): DirectiveNode[] {
  const conditions: DirectiveNode[] = [];
  const collect = (set: SelectionSetNode): void => {
    for (const selection of set.selections) {
      if (selection.directives) conditions.push(...selection.directives.filter(isCondition));
      if (selection.kind !== Kind.FRAGMENT_SPREAD && selection.selectionSet) collect(selection.selectionSet);
    }
  };
  for (const definition of document.definitions) if ('selectionSet' in definition) collect(definition.selectionSet);
  return conditions;
}

/** Names of the variables in conditions, sorted; null if the document has no conditions. */
export function conditionVariables(document: DocumentNode): string[] | null {
  const conditions = conditionsOf(document);
  if (conditions.length === 0) return null;
  const names = conditions
    .map(conditionValue)
    .flatMap((condition) => (condition?.kind === Kind.VARIABLE ? [condition.name.value] : []));
  return [...new Set(names)].sort();
}

/** The document without skipped selections and without conditions. Its selection sets may be empty. */
export function resolveConditions(document: DocumentNode, variables: Variables): DocumentNode {
  const resolveSet = (set: SelectionSetNode): SelectionSetNode => ({
    ...set,
    selections: set.selections.flatMap((selection): SelectionNode[] => {
      if (
        !(selection.directives ?? []).every((directive) => !isCondition(directive) || isIncluded(directive, variables))
      )
        return [];
      const unconditional = selection.directives?.length
        ? { ...selection, directives: selection.directives.filter((directive) => !isCondition(directive)) }
        : selection;
      return unconditional.kind === Kind.FRAGMENT_SPREAD || !unconditional.selectionSet
        ? [unconditional]
        : [{ ...unconditional, selectionSet: resolveSet(unconditional.selectionSet) } as SelectionNode];
    }),
  });
  const definitions = document.definitions.map((definition) =>
    'selectionSet' in definition ? { ...definition, selectionSet: resolveSet(definition.selectionSet) } : definition,
  );
  return { ...document, definitions };
}

const isCondition = (node: DirectiveNode): boolean => node.name.value === 'skip' || node.name.value === 'include';

const conditionValue = (node: DirectiveNode) => node.arguments?.find((argument) => argument.name.value === 'if')?.value;

function isIncluded(node: DirectiveNode, variables: Variables): boolean {
  const value = conditionValue(node);
  const condition =
    value?.kind === Kind.VARIABLE ? variables[value.name.value] : value?.kind === Kind.BOOLEAN && value.value;
  return (condition === true) === (node.name.value === 'include');
}
