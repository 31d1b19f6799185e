/**
 * The planner asks every entity of an interface for what an operation asks of some of its types: `{ media { ... on Film { author
 * { best { id } } } ... on Book { author { name } } } }` asks a book's author for `best` too. Where that fails, null climbs to what
 * was asked. Here each type is asked for its own again, in the same request: the plan's paths get the types, and a fetch whose
 * types differ an alias for each.
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
import { entitiesText, entitySet } from './fetch-document.ts';
import {
  aliasOf,
  type BatchStep,
  type EntityAlias,
  type FetchStep,
  type PlanStep,
  type Requirement,
  type Step,
} from './planner.ts';
import { branch, deepFields, follow } from './type-branches.ts';

/** The plan of `operation` (as it was given to the planner), each entity asked only for what its type is asked for. */
export function narrowed(plan: PlanStep, operation: OperationDefinitionNode, schema: GraphQLSchema): PlanStep {
  const root = schema.getRootType(operation.operation);
  if (!root || !differs(operation.selectionSet)) return plan;
  const start = branch([], root, [operation.selectionSet], schema);
  const needed = new Set<string>(['__typename']);
  learn(plan, needed);
  const go = (step: PlanStep, at: readonly Step[]): PlanStep => {
    switch (step.kind) {
      case 'Sequence':
      case 'Parallel':
        return { ...step, nodes: step.nodes.map((one) => go(one, at)) };
      case 'Flatten':
        return step.node.kind === 'Fetch' && step.node.requires?.length
          ? (batchOf(step.node, [aliasOf(step.node, [...at, ...step.path])]) ?? step)
          : { ...step, node: go(step.node, [...at, ...step.path]) };
      case 'BatchFetch':
        return batchOf(step, step.entityBatch.aliases) ?? step;
      case 'Fetch':
        return step;
    }
  };
  /** Null when every type is asked for all of it. */
  const batchOf = (step: FetchStep | BatchStep, aliases: readonly EntityAlias[]): BatchStep | null => {
    const document = parse(step.operation, { noLocation: true });
    const parts = aliases.map((alias) => {
      const set = entitySet(document, alias.alias);
      // Under other keys, what is asked cannot be told from what the planner needs.
      const renamed = (alias.outputRewrites ?? []).some((one) => 'KeyRenamer' in one);
      return { alias, set, own: set && !renamed ? byTypes(alias.paths, set) : null };
    });
    if (parts.every(({ own }) => own === null)) return null;
    const made: { alias: EntityAlias; set: SelectionSetNode }[] = parts.flatMap(({ alias, set, own }) =>
      own
        ? own.map(({ paths, set: part }, i) => ({
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
      operation: entitiesText(document, made),
      entityBatch: { aliases: made.map((one) => one.alias) },
    };
  };
  /** What is asked on each of the ways, those with the same together. Null when it is the same on all of them. */
  const byTypes = (paths: readonly (readonly Step[])[], set: SelectionSetNode) => {
    const found = new Map<string, { paths: (readonly Step[])[]; set: SelectionSetNode }>();
    let ways = 0;
    for (const path of paths) {
      const here = follow(start, path, schema);
      if (!here) return null;
      ways += here.length;
      const all = here.flatMap(({ sets }) => sets);
      for (const way of here) {
        const part = restricted(set, way.sets, all, needed);
        if (!part) continue;
        const mark = print(part);
        const same = found.get(mark);
        if (same) same.paths.push(way.path);
        else found.set(mark, { paths: [way.path], set: part });
      }
    }
    // What it is, an object of an unknown type is asked with all others.
    const parts = [...found.values()].filter((one, _, all) => all.length === 1 || !isType(one.set));
    const [first] = parts;
    if (!first || (first.paths.length === ways && print(first.set) === print(set))) return null;
    return parts;
  };
  return go(plan, []);
}

/** Whether anything is asked of some types only. */
const differs = (set: SelectionSetNode): boolean =>
  set.selections.some((one) =>
    one.kind === Kind.FIELD ? one.selectionSet !== undefined && differs(one.selectionSet) : true,
  );

/** Every field that a fetch requires of others. */
function learn(plan: PlanStep, names: Set<string>): void {
  const note = (all: readonly Requirement[]): void => {
    for (const one of all) {
      if (one.kind === 'Field') names.add(one.name);
      if (one.selections) note(one.selections);
    }
  };
  if ('nodes' in plan) for (const one of plan.nodes) learn(one, names);
  else if (plan.kind === 'Flatten') learn(plan.node, names);
  else if (plan.kind === 'Fetch') note(plan.requires ?? []);
  else for (const one of plan.entityBatch.aliases) note(one.requires);
}

/** Without what is asked in `all` but not in `own`, except for what fetches need. Null when nothing is left to ask. */
function restricted(
  set: SelectionSetNode,
  own: readonly SelectionSetNode[],
  all: readonly SelectionSetNode[],
  needed: ReadonlySet<string>,
): SelectionSetNode | null {
  const under = (sets: readonly SelectionSetNode[], key: string): FieldNode[] =>
    sets.flatMap(deepFields).filter((one) => (one.alias ?? one.name).value === key);
  const selections = set.selections.flatMap((one): SelectionNode[] => {
    if (one.kind === Kind.FRAGMENT_SPREAD) return [one];
    if (one.kind === Kind.INLINE_FRAGMENT) {
      const selectionSet = restricted(one.selectionSet, own, all, needed);
      return selectionSet ? [{ ...one, selectionSet }] : [];
    }
    const key = (one.alias ?? one.name).value;
    const anywhere = under(all, key);
    // What nobody asked for, the planner needs.
    if (anywhere.length === 0) return [one];
    const here = under(own, key);
    if (here.length === 0) return needed.has(key) ? [one] : [];
    if (!one.selectionSet) return [one];
    const inner = (fields: readonly FieldNode[]) => fields.flatMap((field) => field.selectionSet ?? []);
    const selectionSet = restricted(one.selectionSet, inner(here), inner(anywhere), needed);
    return selectionSet ? [{ ...one, selectionSet }] : [];
  });
  return selections.length > 0 ? { ...set, selections } : null;
}

/** Whether nothing but `__typename` is asked. */
const isType = (set: SelectionSetNode): boolean =>
  set.selections.every((one) =>
    one.kind === Kind.FIELD
      ? one.name.value === '__typename' && !one.alias
      : one.kind === Kind.INLINE_FRAGMENT && isType(one.selectionSet),
  );
