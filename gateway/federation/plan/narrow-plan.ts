/**
 * Restricts the fetches of a plan to the fields that the operation selects of each type. The planner fetches from every entity of an interface
 * what is selected of some types: `{ media { ... on Film { author { best { id } } } ... on Book { author { name } } } }` also fetches `best`
 * of a book's author. If that fails, its null propagates to selected fields. The restricted plan needs no further request: its paths have type
 * conditions, and a fetch has one alias for each group of types.
 */
import {
  type FieldNode,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  parse,
  print,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import type { Step } from '../response-data.ts';
import { entitySelections, printEntityFetch } from './fetch-document.ts';
import {
  type BatchStep,
  type EntityAlias,
  entityAliasOf,
  type FetchStep,
  type PlanStep,
  type Requirement,
} from './plan-types.ts';
import { fieldsWithFragments, followPath, startBranch } from './type-branches.ts';

/** The plan with each entity fetching only what `operation`, the planner's input, selects of its type. */
export function narrowPlan(plan: PlanStep, operation: OperationDefinitionNode, schema: GraphQLSchema): PlanStep {
  const root = schema.getRootType(operation.operation);
  if (!root || !hasFragments(operation.selectionSet)) return plan;
  const start = startBranch([], root, [operation.selectionSet], schema);
  const needed = new Set<string>(['__typename']);
  collectRequiredFields(plan, needed);
  const narrowStep = (step: PlanStep, at: readonly Step[]): PlanStep => {
    switch (step.kind) {
      case 'Sequence':
      case 'Parallel':
        return { ...step, nodes: step.nodes.map((node) => narrowStep(node, at)) };
      case 'Flatten':
        return step.node.kind === 'Fetch' && step.node.requires?.length
          ? (narrowFetch(step.node, [entityAliasOf(step.node, [...at, ...step.path])]) ?? step)
          : { ...step, node: narrowStep(step.node, [...at, ...step.path]) };
      case 'BatchFetch':
        return narrowFetch(step, step.entityBatch.aliases) ?? step;
      case 'Fetch':
        return step;
    }
  };
  /** The fetch with an alias for each group of types; null if all types have the same selections. */
  const narrowFetch = (step: FetchStep | BatchStep, aliases: readonly EntityAlias[]): BatchStep | null => {
    const document = parse(step.operation, { noLocation: true });
    const parts = aliases.map((alias) => {
      const set = entitySelections(document, alias.alias);
      // Under renamed keys, selected fields cannot be distinguished from those that the planner needs.
      const isRenamed = (alias.outputRewrites ?? []).some((outputRewrite) => 'KeyRenamer' in outputRewrite);
      return { alias, set, groups: set && !isRenamed ? groupByTypes(alias.paths, set) : null };
    });
    if (parts.every(({ groups }) => groups === null)) return null;
    const narrowedAliases: { alias: EntityAlias; set: SelectionSetNode }[] = parts.flatMap(({ alias, set, groups }) =>
      groups
        ? groups.map(({ paths, set: part }, i) => ({
            alias: {
              ...alias,
              alias: i === 0 ? alias.alias : `${alias.alias}_${i}`,
              representationsVariableName:
                i === 0
                  ? alias.representationsVariableName
                  : `${alias.representationsVariableName}_${alias.alias}_${i}`,
              paths,
            },
            set: part,
          }))
        : set
          ? [{ alias, set }]
          : [],
    );
    return {
      kind: 'BatchFetch',
      serviceName: step.serviceName,
      ...(step.variableUsages ? { variableUsages: step.variableUsages } : {}),
      operation: printEntityFetch(document, narrowedAliases),
      entityBatch: { aliases: narrowedAliases.map(({ alias }) => alias) },
    };
  };
  /** The branches of all paths, grouped by their selections; null if all branches have the same selections. */
  const groupByTypes = (paths: readonly (readonly Step[])[], set: SelectionSetNode) => {
    const groups = new Map<string, { paths: (readonly Step[])[]; set: SelectionSetNode }>();
    let branchCount = 0;
    for (const path of paths) {
      const branches = followPath(start, path, schema);
      if (!branches) return null;
      branchCount += branches.length;
      const allSets = branches.flatMap(({ sets }) => sets);
      for (const typeBranch of branches) {
        const part = restrictSelections(set, typeBranch.sets, allSets, needed);
        if (!part) continue;
        const text = print(part);
        const equal = groups.get(text);
        if (equal) equal.paths.push(typeBranch.path);
        else groups.set(text, { paths: [typeBranch.path], set: part });
      }
    }
    // `__typename` is fetched by all other groups too.
    const parts = [...groups.values()].filter(
      (part, _, allParts) => allParts.length === 1 || !isTypenameOnly(part.set),
    );
    const [first] = parts;
    if (!first || (first.paths.length === branchCount && print(first.set) === print(set))) return null;
    return parts;
  };
  return narrowStep(plan, []);
}

/** Whether the selections depend on types. */
const hasFragments = (set: SelectionSetNode): boolean =>
  set.selections.some((selection) =>
    selection.kind === Kind.FIELD ? selection.selectionSet !== undefined && hasFragments(selection.selectionSet) : true,
  );

/** Adds the names of all fields that a fetch requires from other fetches. */
function collectRequiredFields(plan: PlanStep, names: Set<string>): void {
  const collect = (requirements: readonly Requirement[]): void => {
    for (const requirement of requirements) {
      if (requirement.kind === 'Field') names.add(requirement.name);
      if (requirement.selections) collect(requirement.selections);
    }
  };
  if ('nodes' in plan) for (const node of plan.nodes) collectRequiredFields(node, names);
  else if (plan.kind === 'Flatten') collectRequiredFields(plan.node, names);
  else if (plan.kind === 'Fetch') collect(plan.requires ?? []);
  else for (const alias of plan.entityBatch.aliases) collect(alias.requires);
}

/** The selections without fields that are in `all` but not in `own`, unless other fetches need them. Null if none is left. */
function restrictSelections(
  set: SelectionSetNode,
  own: readonly SelectionSetNode[],
  all: readonly SelectionSetNode[],
  needed: ReadonlySet<string>,
): SelectionSetNode | null {
  const fieldsUnder = (sets: readonly SelectionSetNode[], key: string): FieldNode[] =>
    sets.flatMap(fieldsWithFragments).filter((field) => (field.alias ?? field.name).value === key);
  const selections = set.selections.flatMap((selection): SelectionNode[] => {
    if (selection.kind === Kind.FRAGMENT_SPREAD) return [selection];
    if (selection.kind === Kind.INLINE_FRAGMENT) {
      const selectionSet = restrictSelections(selection.selectionSet, own, all, needed);
      return selectionSet ? [{ ...selection, selectionSet }] : [];
    }
    const key = (selection.alias ?? selection.name).value;
    const anywhere = fieldsUnder(all, key);
    // The operation does not select it, so the planner needs it.
    if (anywhere.length === 0) return [selection];
    const fieldsHere = fieldsUnder(own, key);
    if (fieldsHere.length === 0) return needed.has(key) ? [selection] : [];
    if (!selection.selectionSet) return [selection];
    const inner = (fields: readonly FieldNode[]) => fields.flatMap((field) => field.selectionSet ?? []);
    const selectionSet = restrictSelections(selection.selectionSet, inner(fieldsHere), inner(anywhere), needed);
    return selectionSet ? [{ ...selection, selectionSet }] : [];
  });
  return selections.length > 0 ? { ...set, selections } : null;
}

/** Whether `__typename` is the only field. */
const isTypenameOnly = (set: SelectionSetNode): boolean =>
  set.selections.every((selection) =>
    selection.kind === Kind.FIELD
      ? selection.name.value === '__typename' && !selection.alias
      : selection.kind === Kind.INLINE_FRAGMENT && isTypenameOnly(selection.selectionSet),
  );
