/** The ways down a path of the plan: one for each group of types of which different things are asked. */
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
import type { Composite } from './normalized-selection.ts';
import type { Step } from './planner.ts';

/** As many ways that differ by types one fetch is followed on; a fetch with more stays as the planner wrote it. */
const MOST = 16;

/** A place of the operation on the way of some types. */
export interface Branch {
  /** The plan's steps, with the types that it is the way of. */
  readonly path: readonly Step[];
  readonly type: Composite;
  /** What an object there can be. */
  readonly types: readonly GraphQLObjectType[];
  readonly sets: readonly SelectionSetNode[];
}

/** The way on which nothing has been told apart yet. */
export const branch = (
  path: readonly Step[],
  type: Composite,
  sets: readonly SelectionSetNode[],
  schema: GraphQLSchema,
): Branch => ({
  path,
  type,
  types: isObjectType(type) ? [type] : schema.getPossibleTypes(type),
  sets,
});

/** The ways down `path`, one for each group of types of which different things are asked; null when they are too many. */
export function follow(start: Branch, path: readonly Step[], schema: GraphQLSchema): Branch[] | null {
  let ways: readonly Branch[] = [start];
  for (const step of path) {
    ways = ways.flatMap((way): Branch[] => {
      const next = { ...way, path: [...way.path, step] };
      if (step === '@') return [next];
      if ('TypeCondition' in step)
        return [{ ...next, types: way.types.filter(({ name }) => step.TypeCondition.includes(name)) }];
      return split(way, schema).flatMap((one) => down(one, step.Field, schema));
    });
    if (ways.length > MOST) return null;
  }
  const ends = ways.flatMap((way) => split(way, schema));
  return ends.length === 0 || ends.length > MOST ? null : ends;
}

/** The way of each group of types of which the same is asked. */
function split(way: Branch, schema: GraphQLSchema): Branch[] {
  if (isObjectType(way.type)) return [way];
  const groups = new Map<string, { types: GraphQLObjectType[]; sets: SelectionSetNode[] }>();
  const marks = new Map<SelectionNode, number>();
  for (const type of way.types) {
    const selections = way.sets.flatMap((set) => fieldsOf(set, type, schema));
    for (const one of selections) if (!marks.has(one)) marks.set(one, marks.size);
    const mark = selections.map((one) => marks.get(one)).join();
    const group = groups.get(mark);
    if (group) group.types.push(type);
    else groups.set(mark, { types: [type], sets: [{ kind: Kind.SELECTION_SET, selections }] });
  }
  const all = [...groups.values()];
  if (all.length === 1) return all.map((one) => ({ ...way, ...one }));
  // An object of which only the interface is known may be any of them.
  return all.map(({ types, sets }) => ({
    path: [...way.path, { TypeCondition: [...types.map(({ name }) => name), way.type.name] }],
    type: way.type,
    types,
    sets,
  }));
}

/** The fields that are asked of an object of that type. */
function fieldsOf(set: SelectionSetNode, type: GraphQLObjectType, schema: GraphQLSchema): FieldNode[] {
  return set.selections.flatMap((one): FieldNode[] => {
    if (one.kind === Kind.FIELD) return [one];
    if (one.kind !== Kind.INLINE_FRAGMENT) return [];
    const on = one.typeCondition ? schema.getType(one.typeCondition.name.value) : type;
    const fits = on === type || (isAbstractType(on) && schema.isSubType(on, type));
    return fits ? fieldsOf(one.selectionSet, type, schema) : [];
  });
}

/** A step down to the field under that key; none when the operation does not ask for it there. */
function down(way: Branch, key: string, schema: GraphQLSchema): Branch[] {
  const asked = way.sets.flatMap(deepFields).filter((one) => (one.alias ?? one.name).value === key);
  const name = asked[0]?.name.value ?? '';
  const field = way.types.map((one) => one.getFields()[name]).find((one) => one !== undefined);
  const type = getNamedType(field?.type);
  if (!isCompositeType(type)) return [];
  return [
    branch(
      [...way.path, { Field: key }],
      type,
      asked.flatMap((one) => one.selectionSet ?? []),
      schema,
    ),
  ];
}

/** The fields of a selection, those of its fragments among them. */
export const deepFields = (set: SelectionSetNode): FieldNode[] =>
  set.selections.flatMap((one) =>
    one.kind === Kind.FIELD ? [one] : one.kind === Kind.INLINE_FRAGMENT ? deepFields(one.selectionSet) : [],
  );
