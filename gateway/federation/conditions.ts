/**
 * `@skip` and `@include`, settled before anything is planned: an operation has a plan for each set of answers that its
 * callers really give. Planners have lost fields where conditions meet `@requires` or interface objects, and a plan without
 * what is skipped needs no fetch for it.
 */
import { type DirectiveNode, type DocumentNode, Kind, visit } from 'graphql';

type Directed = { readonly directives?: readonly DirectiveNode[] | undefined };
type Variables = Readonly<Record<string, unknown>>;

/** Names of the variables that decide what is selected. */
export function deciders(document: DocumentNode): string[] {
  const found = new Set<string>();
  visit(document, {
    Directive: (node) => {
      const value = isCondition(node) ? conditionOf(node) : undefined;
      if (value?.kind === Kind.VARIABLE) found.add(value.name.value);
    },
  });
  return [...found].sort();
}

/** The document without what is skipped, and without the conditions. Selections may be empty in it. */
export function settled(document: DocumentNode, variables: Variables): DocumentNode {
  const keep = <T extends Directed>(node: T): T | null | undefined => {
    if (!node.directives || node.directives.length === 0) return undefined;
    if (!node.directives.every((one) => !isCondition(one) || holds(one, variables))) return null;
    return { ...node, directives: node.directives.filter((one) => !isCondition(one)) };
  };
  return visit(document, { Field: keep, InlineFragment: keep, FragmentSpread: keep }) as DocumentNode;
}

const isCondition = (node: DirectiveNode): boolean => node.name.value === 'skip' || node.name.value === 'include';

const conditionOf = (node: DirectiveNode) => node.arguments?.find((one) => one.name.value === 'if')?.value;

function holds(node: DirectiveNode, variables: Variables): boolean {
  const value = conditionOf(node);
  const said =
    value?.kind === Kind.VARIABLE ? variables[value.name.value] : value?.kind === Kind.BOOLEAN && value.value;
  return (said === true) === (node.name.value === 'include');
}
