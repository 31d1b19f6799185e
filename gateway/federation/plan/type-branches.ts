/** Follows a path of the plan through the operation, with one branch for each group of types that has its own selections. */
import {
  type FieldNode,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isCompositeType,
  isObjectType,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import type { CompositeType } from '../document-nodes.ts';
import type { Step } from '../response-data.ts';

/** Branches of one fetch. A fetch with more stays as the planner wrote it. */
const MAX_BRANCHES = 16;

/** A position of the operation, for a group of types. */
export interface Branch {
  /** The plan's steps, with the branch's type conditions. */
  readonly path: readonly Step[];
  readonly type: CompositeType;
  /** Possible types of an object at this position. */
  readonly types: readonly GraphQLObjectType[];
  readonly sets: readonly SelectionSetNode[];
}

/** A branch with all possible types of `type`. */
export const startBranch = (
  path: readonly Step[],
  type: CompositeType,
  sets: readonly SelectionSetNode[],
  schema: GraphQLSchema,
): Branch => ({
  path,
  type,
  types: isObjectType(type) ? [type] : schema.getPossibleTypes(type),
  sets,
});

/** The branches at the end of `path`; null if there are none, or more than 16 at any step. */
export function followPath(start: Branch, path: readonly Step[], schema: GraphQLSchema): Branch[] | null {
  let branches: readonly Branch[] = [start];
  for (const step of path) {
    branches = branches.flatMap((branch): Branch[] => {
      const next = { ...branch, path: [...branch.path, step] };
      if (step === '@') return [next];
      if ('TypeCondition' in step)
        return [{ ...next, types: branch.types.filter(({ name }) => step.TypeCondition.includes(name)) }];
      return splitByType(branch, schema).flatMap((group) => stepToField(group, step.Field, schema));
    });
    if (branches.length > MAX_BRANCHES) return null;
  }
  const ends = branches.flatMap((branch) => splitByType(branch, schema));
  return ends.length === 0 || ends.length > MAX_BRANCHES ? null : ends;
}

/** Splits a branch into groups of types with the same selections. */
function splitByType(branch: Branch, schema: GraphQLSchema): Branch[] {
  if (isObjectType(branch.type)) return [branch];
  const groups = new Map<string, { types: GraphQLObjectType[]; sets: SelectionSetNode[] }>();
  const ids = new Map<SelectionNode, number>();
  for (const type of branch.types) {
    const selections = branch.sets.flatMap((set) => fieldsOfType(set, type, schema));
    for (const selection of selections) if (!ids.has(selection)) ids.set(selection, ids.size);
    const groupKey = selections.map((selection) => ids.get(selection)).join();
    const group = groups.get(groupKey);
    if (group) group.types.push(type);
    else groups.set(groupKey, { types: [type], sets: [{ kind: Kind.SELECTION_SET, selections }] });
  }
  const merged = [...groups.values()];
  if (merged.length === 1) return merged.map((group) => ({ ...branch, ...group }));
  // An object of which only the interface is known belongs to every group.
  return merged.map(({ types, sets }) => ({
    path: [...branch.path, { TypeCondition: [...types.map(({ name }) => name), branch.type.name] }],
    type: branch.type,
    types,
    sets,
  }));
}

/** The fields selected of an object of that type. */
function fieldsOfType(set: SelectionSetNode, type: GraphQLObjectType, schema: GraphQLSchema): FieldNode[] {
  return set.selections.flatMap((selection): FieldNode[] => {
    if (selection.kind === Kind.FIELD) return [selection];
    if (selection.kind !== Kind.INLINE_FRAGMENT) return [];
    const on = selection.typeCondition ? schema.getType(selection.typeCondition.name.value) : type;
    const applies = on === type || (isAbstractType(on) && schema.isSubType(on, type));
    return applies ? fieldsOfType(selection.selectionSet, type, schema) : [];
  });
}

/** The branch of the field with that key; none if the operation does not select it here. */
function stepToField(branch: Branch, key: string, schema: GraphQLSchema): Branch[] {
  const fields = branch.sets.flatMap(fieldsWithFragments).filter((field) => (field.alias ?? field.name).value === key);
  const name = fields[0]?.name.value ?? '';
  const field = branch.types.map((type) => type.getFields()[name]).find((definition) => definition !== undefined);
  const type = getNamedType(field?.type);
  if (!isCompositeType(type)) return [];
  return [
    startBranch(
      [...branch.path, { Field: key }],
      type,
      fields.flatMap((field) => field.selectionSet ?? []),
      schema,
    ),
  ];
}

/** All fields of a selection set, including those of its inline fragments. */
export const fieldsWithFragments = (set: SelectionSetNode): FieldNode[] =>
  set.selections.flatMap((selection) =>
    selection.kind === Kind.FIELD
      ? [selection]
      : selection.kind === Kind.INLINE_FRAGMENT
        ? fieldsWithFragments(selection.selectionSet)
        : [],
  );
