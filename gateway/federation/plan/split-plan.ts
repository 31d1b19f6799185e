/**
 * What the planner cannot plan as a whole is planned in parts: each root field by itself; the operation down to an entity, and what is
 * asked of that entity as an operation of its own that begins with the entity's key; and of that, one half after the other. Hive's
 * planner 0.0.38 fails on a field with `@requires` of an entity that is reached through another entity of the same type and subgraph
 * (its issue 1310 is of the same kind), and on such fields asked several times beside others.
 */
import {
  type FieldNode,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isAbstractType,
  isCompositeType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  print,
  type SelectionNode,
  type SelectionSetNode,
  visit,
} from 'graphql';
import { ENTITIES, rootOf } from './entity-root-fields.ts';
import { type Composite, TYPENAME } from './normalized-selection.ts';
import type { EntityAlias, PlanStep, Step } from './planner.ts';

/** Plans a document with one operation; throws when it finds no way. */
export type PlanText = (text: string) => PlanStep | null;

/** As often the planner is asked for one operation. */
const MOST = 80;

/** An operation cut at one entity. */
interface Cut {
  /** Down to the entity's key. */
  readonly outer: OperationDefinitionNode;
  /** What is asked of the entity. */
  readonly inner: OperationDefinitionNode;
  /** The way to the entities. */
  readonly path: readonly Step[];
}

/** Plans `operation` in parts. Throws `first`, the fault of the whole, when that does not help either. */
export function planInParts(
  parts: { schema: GraphQLSchema; keys: ReadonlyMap<string, readonly string[]>; plan: PlanText },
  operation: OperationDefinitionNode,
  first: unknown,
): PlanStep | null {
  let asked = 0;
  const whole = (one: OperationDefinitionNode): PlanStep | null => {
    if (++asked > MOST) throw first;
    return parts.plan(print(one));
  };
  const inParts = (one: OperationDefinitionNode): PlanStep | null => {
    try {
      return whole(one);
    } catch {
      // Each part is smaller than the whole, so this comes to an end.
      for (const way of [byField(one), ...byEntity(one), byHalf(one)]) {
        try {
          const plan = way?.();
          if (plan !== undefined) return plan;
        } catch {
          if (asked > MOST) throw first;
        }
      }
      throw first;
    }
  };
  type Way = (() => PlanStep | null) | null;
  const each = (operations: readonly OperationDefinitionNode[]): PlanStep | null => {
    const nodes = operations.flatMap((one) => inParts(one) ?? []);
    return nodes.length === 0 ? null : { kind: 'Parallel', nodes };
  };
  const byField = (one: OperationDefinitionNode): Way => {
    const { selections } = one.selectionSet;
    if (selections.length < 2 || one.operation !== OperationTypeNode.QUERY) return null;
    return () => each(selections.map((root) => sound({ ...one, selectionSet: setOf([root]) })));
  };
  /** Deepest first. */
  const byEntity = (one: OperationDefinitionNode): Way[] =>
    cuts(parts, one)
      .reverse()
      .map(
        ({ outer, inner, path }) =>
          () =>
            joined(inParts(outer), moved(inParts(inner), path)),
      );
  const byHalf = (one: OperationDefinitionNode): Way => {
    const [root] = one.selectionSet.selections;
    const asked = root?.kind === Kind.FIELD && isEntityRoot(root) ? (root.selectionSet?.selections ?? []) : [];
    if (asked.length < 2 || root?.kind !== Kind.FIELD) return null;
    const middle = asked.length >> 1;
    const half = (some: readonly SelectionNode[]) =>
      sound({ ...one, selectionSet: setOf([{ ...root, selectionSet: setOf(some) }]) });
    return () => each([half(asked.slice(0, middle)), half(asked.slice(middle))]);
  };
  return inParts(operation);
}

const joined = (one: PlanStep | null, other: PlanStep | null): PlanStep | null =>
  one && other ? { kind: 'Sequence', nodes: [one, other] } : (one ?? other);

/** The plan without its first fetch, which asks for a key that is known, and with the way to the entities in that fetch's place. */
function moved(step: PlanStep | null, path: readonly Step[]): PlanStep | null {
  if (step === null) return null;
  const behind = (way: readonly Step[]): readonly Step[] => [...path, ...way.slice(1)];
  switch (step.kind) {
    case 'Sequence':
    case 'Parallel': {
      const nodes = step.nodes.flatMap((one) => moved(one, path) ?? []);
      return nodes.length === 0 ? null : { kind: step.kind, nodes };
    }
    case 'Flatten':
      return { ...step, path: behind(step.path) };
    case 'BatchFetch': {
      const aliases = step.entityBatch.aliases.map((one): EntityAlias => ({ ...one, paths: one.paths.map(behind) }));
      return { ...step, entityBatch: { aliases } };
    }
    case 'Fetch':
      if (step.serviceName !== ENTITIES) throw new Error('A part of a plan asks for more than an entity.');
      return null;
  }
}

/** Every place where the operation can be cut, outer ones before inner ones. Not where it begins with an entity: it is cut there. */
function cuts(
  { schema, keys }: { schema: GraphQLSchema; keys: ReadonlyMap<string, readonly string[]> },
  operation: OperationDefinitionNode,
): Cut[] {
  const root = schema.getRootType(operation.operation);
  const found: Cut[] = [];
  /** `rebuilt`: the operation's selections with those of this place exchanged. */
  const walk = (
    set: SelectionSetNode,
    type: Composite,
    path: readonly Step[],
    rebuilt: (set: SelectionSetNode) => SelectionSetNode,
  ): void => {
    set.selections.forEach((one, i) => {
      const changed = (other: SelectionNode, ...more: SelectionNode[]) =>
        rebuilt({ ...set, selections: [...more, ...set.selections.map((each, n) => (n === i ? other : each))] });
      if (one.kind === Kind.INLINE_FRAGMENT) {
        const on = one.typeCondition ? schema.getType(one.typeCondition.name.value) : type;
        if (!isCompositeType(on)) return;
        const types = isAbstractType(on) ? schema.getPossibleTypes(on).map(({ name }) => name) : [on.name];
        walk(one.selectionSet, on, [...path, { TypeCondition: types }], (inner) =>
          changed({ ...one, selectionSet: inner }, ...(tells(set) ? [] : [TYPENAME])),
        );
        return;
      }
      const field = one.kind === Kind.FIELD && 'getFields' in type ? type.getFields()[one.name.value] : undefined;
      if (one.kind !== Kind.FIELD || !field || !one.selectionSet) return;
      const inner = getNamedType(field.type);
      if (!isCompositeType(inner)) return;
      const way = [...path, { Field: (one.alias ?? one.name).value }, ...listsOf(field.type)];
      const key = isObjectType(inner) ? keys.get(inner.name) : undefined;
      const asked = one.selectionSet.selections;
      // Under whatever alias: nobody but the key's own subgraph would be asked for it.
      const known = asked.filter((each) => key && isOfKey(each, key));
      if (key && !isEntityRoot(one) && known.length < asked.length) {
        const least = { ...one, selectionSet: setOf(once([TYPENAME, ...key.map(fieldNode), ...known])) };
        found.push({
          outer: sound({ ...operation, selectionSet: changed(least) }),
          inner: sound({
            ...operation,
            operation: OperationTypeNode.QUERY,
            selectionSet: setOf([
              { ...fieldNode(rootOf(inner.name)), selectionSet: setOf(asked.filter((each) => !known.includes(each))) },
            ]),
          }),
          path: way,
        });
      }
      walk(one.selectionSet, inner, way, (other) => changed({ ...one, selectionSet: other }));
    });
  };
  if (root) walk(operation.selectionSet, root, [], (set) => set);
  return found;
}

const isEntityRoot = (one: FieldNode): boolean => one.name.value.startsWith(rootOf(''));
const setOf = (selections: readonly SelectionNode[]): SelectionSetNode => ({ kind: Kind.SELECTION_SET, selections });
const fieldNode = (name: string): FieldNode => ({ kind: Kind.FIELD, name: { kind: Kind.NAME, value: name } });
const tells = (set: SelectionSetNode): boolean =>
  set.selections.some((one) => one.kind === Kind.FIELD && one.name.value === '__typename' && !one.alias);

const isOfKey = (one: SelectionNode, key: readonly string[]): boolean =>
  one.kind === Kind.FIELD && (one.name.value === '__typename' || key.includes(one.name.value));

const once = (all: readonly SelectionNode[]): SelectionNode[] => [
  ...new Map(all.map((one) => [print(one), one])).values(),
];

/** A step for each list that the values stand in. */
function listsOf(type: unknown): Step[] {
  const bare = getNullableType(type as never) as unknown;
  return isListType(bare) ? ['@', ...listsOf(bare.ofType)] : [];
}

/** Without the variables that are no longer asked for. */
function sound(operation: OperationDefinitionNode): OperationDefinitionNode {
  const used = new Set<string>();
  visit(operation.selectionSet, { Variable: (one) => void used.add(one.name.value) });
  const variableDefinitions = (operation.variableDefinitions ?? []).filter((one) => used.has(one.variable.name.value));
  return { ...operation, variableDefinitions };
}
