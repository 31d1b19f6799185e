/**
 * `@skip` and `@include`, settled before anything is planned: an operation has a plan for each set of answers that its
 * callers really give. Planners have lost fields where conditions meet `@requires` or interface objects, and a plan without
 * what is skipped needs no fetch for it.
 */
import { type DirectiveNode, type DocumentNode, Kind, type SelectionNode, type SelectionSetNode } from 'graphql';

type Variables = Readonly<Record<string, unknown>>;

/** Every condition of the document. */
function conditionsOf(document: DocumentNode): DirectiveNode[] {
  const found: DirectiveNode[] = [];
  const look = (set: SelectionSetNode): void => {
    for (const one of set.selections) {
      if (one.directives) found.push(...one.directives.filter(isCondition));
      if (one.kind !== Kind.FRAGMENT_SPREAD && one.selectionSet) look(one.selectionSet);
    }
  };
  for (const one of document.definitions) if ('selectionSet' in one) look(one.selectionSet);
  return found;
}

/** Names of the variables that decide what is selected; null: there are no conditions at all. */
export function deciders(document: DocumentNode): string[] | null {
  const conditions = conditionsOf(document);
  if (conditions.length === 0) return null;
  const names = conditions.map(conditionOf).flatMap((one) => (one?.kind === Kind.VARIABLE ? [one.name.value] : []));
  return [...new Set(names)].sort();
}

/** The document without what is skipped, and without the conditions. Selections may be empty in it. */
export function settled(document: DocumentNode, variables: Variables): DocumentNode {
  const inSet = (set: SelectionSetNode): SelectionSetNode => ({
    ...set,
    selections: set.selections.flatMap((one): SelectionNode[] => {
      if (!(one.directives ?? []).every((each) => !isCondition(each) || holds(each, variables))) return [];
      const kept = one.directives?.length
        ? { ...one, directives: one.directives.filter((each) => !isCondition(each)) }
        : one;
      return kept.kind === Kind.FRAGMENT_SPREAD || !kept.selectionSet
        ? [kept]
        : [{ ...kept, selectionSet: inSet(kept.selectionSet) } as SelectionNode];
    }),
  });
  const definitions = document.definitions.map((one) =>
    'selectionSet' in one ? { ...one, selectionSet: inSet(one.selectionSet) } : one,
  );
  return { ...document, definitions };
}

const isCondition = (node: DirectiveNode): boolean => node.name.value === 'skip' || node.name.value === 'include';

const conditionOf = (node: DirectiveNode) => node.arguments?.find((one) => one.name.value === 'if')?.value;

function holds(node: DirectiveNode, variables: Variables): boolean {
  const value = conditionOf(node);
  const said =
    value?.kind === Kind.VARIABLE ? variables[value.name.value] : value?.kind === Kind.BOOLEAN && value.value;
  return (said === true) === (node.name.value === 'include');
}
