/**
 * Plans an operation in parts if the planner fails on the whole: each root field alone; the operation down to an entity, with the entity's
 * selections as an operation that begins at the entity's key; the halves of such an operation. Hive's planner 0.0.38 fails on a field with
 * `@requires` of an entity that is reached through another entity of the same type and subgraph (like its issue 1310), and on such fields
 * selected several times beside others.
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
import { type CompositeType, TYPENAME } from '../document-nodes.ts';
import type { Step } from '../response-data.ts';
import { ENTITY_SUBGRAPH, entityRootField } from './entity-root-fields.ts';
import type { EntityAlias, PlanStep } from './plan-types.ts';

/** Plans a document with one operation. Throws when the planner finds no plan. */
export type PlanDocument = (text: string) => PlanStep | null;

/** Calls of the planner for one operation. */
const MAX_PLANNER_CALLS = 80;

/** An operation split at one entity field. */
interface EntityCut {
  /** The operation, with only the key of the entity. */
  readonly outer: OperationDefinitionNode;
  /** The selections of the entity. */
  readonly inner: OperationDefinitionNode;
  /** Path to the entities. */
  readonly path: readonly Step[];
}

/** Plans `operation` in parts. Throws `error`, with which the planner failed on the whole, if a part fails too. */
export function splitPlan(
  parts: { schema: GraphQLSchema; keys: ReadonlyMap<string, readonly string[]>; plan: PlanDocument },
  operation: OperationDefinitionNode,
  error: unknown,
): PlanStep | null {
  let plannerCalls = 0;
  const planWhole = (part: OperationDefinitionNode): PlanStep | null => {
    if (++plannerCalls > MAX_PLANNER_CALLS) throw error;
    return parts.plan(print(part));
  };
  const inParts = (part: OperationDefinitionNode): PlanStep | null => {
    try {
      return planWhole(part);
    } catch {
      // Each part is smaller than the whole, so the recursion ends.
      for (const attempt of [byField(part), ...byEntity(part), byHalf(part)]) {
        try {
          const plan = attempt?.();
          if (plan !== undefined) return plan;
        } catch {
          if (plannerCalls > MAX_PLANNER_CALLS) throw error;
        }
      }
      throw error;
    }
  };
  type Attempt = (() => PlanStep | null) | null;
  const planEach = (operations: readonly OperationDefinitionNode[]): PlanStep | null => {
    const nodes = operations.flatMap((operation) => inParts(operation) ?? []);
    return nodes.length === 0 ? null : { kind: 'Parallel', nodes };
  };
  const byField = (part: OperationDefinitionNode): Attempt => {
    const { selections } = part.selectionSet;
    if (selections.length < 2 || part.operation !== OperationTypeNode.QUERY) return null;
    return () =>
      planEach(selections.map((root) => withoutUnusedVariables({ ...part, selectionSet: selectionSetOf([root]) })));
  };
  /** The deepest entity first. */
  const byEntity = (part: OperationDefinitionNode): Attempt[] =>
    findEntityCuts(parts, part)
      .reverse()
      .map(
        ({ outer, inner, path }) =>
          () =>
            inSequence(inParts(outer), attachToEntities(inParts(inner), path)),
      );
  const byHalf = (part: OperationDefinitionNode): Attempt => {
    const [root] = part.selectionSet.selections;
    const selections = root?.kind === Kind.FIELD && isEntityRoot(root) ? (root.selectionSet?.selections ?? []) : [];
    if (selections.length < 2 || root?.kind !== Kind.FIELD) return null;
    const middle = selections.length >> 1;
    const half = (chosen: readonly SelectionNode[]) =>
      withoutUnusedVariables({
        ...part,
        selectionSet: selectionSetOf([{ ...root, selectionSet: selectionSetOf(chosen) }]),
      });
    return () => planEach([half(selections.slice(0, middle)), half(selections.slice(middle))]);
  };
  return inParts(operation);
}

const inSequence = (first: PlanStep | null, second: PlanStep | null): PlanStep | null =>
  first && second ? { kind: 'Sequence', nodes: [first, second] } : (first ?? second);

/** The plan of an entity's selections without its first fetch, whose result is known: the key. `path` leads to the entities instead. */
function attachToEntities(step: PlanStep | null, path: readonly Step[]): PlanStep | null {
  if (step === null) return null;
  const prefixed = (steps: readonly Step[]): readonly Step[] => [...path, ...steps.slice(1)];
  switch (step.kind) {
    case 'Sequence':
    case 'Parallel': {
      const nodes = step.nodes.flatMap((node) => attachToEntities(node, path) ?? []);
      return nodes.length === 0 ? null : { kind: step.kind, nodes };
    }
    case 'Flatten':
      return { ...step, path: prefixed(step.path) };
    case 'BatchFetch': {
      const aliases = step.entityBatch.aliases.map(
        (alias): EntityAlias => ({ ...alias, paths: alias.paths.map(prefixed) }),
      );
      return { ...step, entityBatch: { aliases } };
    }
    case 'Fetch':
      if (step.serviceName !== ENTITY_SUBGRAPH)
        throw new Error('unreachable: the plan of an entity has no other root fetch');
      return null;
  }
}

/** All entity fields at which the operation can be split, outer before inner; not the entity at which it begins. */
function findEntityCuts(
  { schema, keys }: { schema: GraphQLSchema; keys: ReadonlyMap<string, readonly string[]> },
  operation: OperationDefinitionNode,
): EntityCut[] {
  const root = schema.getRootType(operation.operation);
  const cuts: EntityCut[] = [];
  /** `rebuild` returns the operation's selections with those of this position replaced. */
  const walk = (
    set: SelectionSetNode,
    type: CompositeType,
    path: readonly Step[],
    rebuild: (set: SelectionSetNode) => SelectionSetNode,
  ): void => {
    set.selections.forEach((selection, i) => {
      const replaceSelection = (replacement: SelectionNode, ...added: SelectionNode[]) =>
        rebuild({
          ...set,
          selections: [...added, ...set.selections.map((selection, index) => (index === i ? replacement : selection))],
        });
      if (selection.kind === Kind.INLINE_FRAGMENT) {
        const on = selection.typeCondition ? schema.getType(selection.typeCondition.name.value) : type;
        if (!isCompositeType(on)) return;
        const types = isAbstractType(on) ? schema.getPossibleTypes(on).map(({ name }) => name) : [on.name];
        walk(selection.selectionSet, on, [...path, { TypeCondition: types }], (inner) =>
          replaceSelection({ ...selection, selectionSet: inner }, ...(hasTypename(set) ? [] : [TYPENAME])),
        );
        return;
      }
      const field =
        selection.kind === Kind.FIELD && 'getFields' in type ? type.getFields()[selection.name.value] : undefined;
      if (selection.kind !== Kind.FIELD || !field || !selection.selectionSet) return;
      const inner = getNamedType(field.type);
      if (!isCompositeType(inner)) return;
      const fieldPath = [...path, { Field: (selection.alias ?? selection.name).value }, ...listSteps(field.type)];
      const key = isObjectType(inner) ? keys.get(inner.name) : undefined;
      const selections = selection.selectionSet.selections;
      // Key fields stay in the outer operation, whatever their alias: the entity's part could not select them from another subgraph.
      const keyFields = selections.filter((selection) => key && isKeyField(selection, key));
      if (key && !isEntityRoot(selection) && keyFields.length < selections.length) {
        const keyOnly = {
          ...selection,
          selectionSet: selectionSetOf(withoutDuplicates([TYPENAME, ...key.map(fieldNode), ...keyFields])),
        };
        cuts.push({
          outer: withoutUnusedVariables({ ...operation, selectionSet: replaceSelection(keyOnly) }),
          inner: withoutUnusedVariables({
            ...operation,
            operation: OperationTypeNode.QUERY,
            selectionSet: selectionSetOf([
              {
                ...fieldNode(entityRootField(inner.name)),
                selectionSet: selectionSetOf(selections.filter((selection) => !keyFields.includes(selection))),
              },
            ]),
          }),
          path: fieldPath,
        });
      }
      walk(selection.selectionSet, inner, fieldPath, (inner) =>
        replaceSelection({ ...selection, selectionSet: inner }),
      );
    });
  };
  if (root) walk(operation.selectionSet, root, [], (set) => set);
  return cuts;
}

const isEntityRoot = (field: FieldNode): boolean => field.name.value.startsWith(entityRootField(''));
const selectionSetOf = (selections: readonly SelectionNode[]): SelectionSetNode => ({
  kind: Kind.SELECTION_SET,
  selections,
});
const fieldNode = (name: string): FieldNode => ({ kind: Kind.FIELD, name: { kind: Kind.NAME, value: name } });
const hasTypename = (set: SelectionSetNode): boolean =>
  set.selections.some(
    (selection) => selection.kind === Kind.FIELD && selection.name.value === '__typename' && !selection.alias,
  );

const isKeyField = (selection: SelectionNode, key: readonly string[]): boolean =>
  selection.kind === Kind.FIELD && (selection.name.value === '__typename' || key.includes(selection.name.value));

const withoutDuplicates = (selections: readonly SelectionNode[]): SelectionNode[] => [
  ...new Map(selections.map((selection) => [print(selection), selection])).values(),
];

/** One step for each list around the values. */
function listSteps(type: unknown): Step[] {
  const nullable = getNullableType(type as never) as unknown;
  return isListType(nullable) ? ['@', ...listSteps(nullable.ofType)] : [];
}

/** The operation without variables that it does not use. */
function withoutUnusedVariables(operation: OperationDefinitionNode): OperationDefinitionNode {
  const used = new Set<string>();
  visit(operation.selectionSet, { Variable: (variable) => void used.add(variable.name.value) });
  const variableDefinitions = (operation.variableDefinitions ?? []).filter((variableDefinition) =>
    used.has(variableDefinition.variable.name.value),
  );
  return { ...operation, variableDefinitions };
}
