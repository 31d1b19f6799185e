/** Parts of a GraphQL document that planning, validation and the response share. */
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLInterfaceType,
  type GraphQLObjectType,
  type GraphQLUnionType,
  Kind,
  type SelectionSetNode,
} from 'graphql';

/** A type with selections below it. */
export type CompositeType = GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType;

export const TYPENAME: FieldNode = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: '__typename' } };

/** The document's fragments by name. */
export function fragmentsOf(document: DocumentNode): Map<string, FragmentDefinitionNode> {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions)
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  return fragments;
}

/**
 * The fields that the selection sets select, with those of their fragments, by response key in the order of the response. `matches`: whether
 * a fragment with that type condition applies.
 */
export function groupFields(
  sets: readonly SelectionSetNode[],
  fragmentNamed: (name: string) => FragmentDefinitionNode | undefined,
  matches: (condition: string) => boolean,
): Map<string, FieldNode[]> {
  const groups = new Map<string, FieldNode[]>();
  const collect = (set: SelectionSetNode): void => {
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) {
        const key = (selection.alias ?? selection.name).value;
        const group = groups.get(key);
        if (group) group.push(selection);
        else groups.set(key, [selection]);
        continue;
      }
      const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragmentNamed(selection.name.value);
      const condition = fragment?.typeCondition?.name.value;
      if (fragment && (condition === undefined || matches(condition))) collect(fragment.selectionSet);
    }
  };
  for (const set of sets) collect(set);
  return groups;
}
