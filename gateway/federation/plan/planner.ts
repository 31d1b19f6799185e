/**
 * The planner behind an interface, so that another can take its place. Now: the Rust planner of Hive, by its Node addon. It
 * is only given documents that `normal.ts` and `naming.ts` have made plain: a fault inside it can end the process.
 */
import { QueryPlanner } from '@graphql-hive/router-query-planner';
import { getOperationAST, parse } from 'graphql';
import { type EntityRoots, entityRoots } from './entity-root-fields.ts';
import { planInParts } from './split-plan.ts';

/** A step into the data: a field by response key, every item of a list, or only objects of these types. */
export type Step = { readonly Field: string } | { readonly TypeCondition: readonly string[] } | '@';

/** A required field. `name` is the key in the merged data; `alias` what the subgraph calls it, where that differs. */
export type Requirement =
  | {
      readonly kind: 'InlineFragment';
      readonly typeCondition: string;
      readonly selections: readonly Requirement[];
    }
  | {
      readonly kind: 'Field';
      readonly name: string;
      readonly alias?: string;
      readonly selections?: readonly Requirement[];
    };

export type RewriteStep = { readonly TypenameEquals: readonly string[] } | { readonly Key: string };
interface ValueSetter {
  readonly path: readonly RewriteStep[];
  readonly setValueTo: string;
}
export type Rewrite =
  | { readonly ValueSetter: ValueSetter }
  | ({ readonly kind: 'ValueSetter' } & ValueSetter)
  | { readonly KeyRenamer: { readonly path: readonly RewriteStep[]; readonly renameKeyTo: string } };

export interface FetchStep {
  readonly kind: 'Fetch';
  readonly serviceName: string;
  readonly variableUsages?: readonly string[];
  readonly operation: string;
  /** What is sent, where that has arguments that the planner was not shown. */
  readonly sent?: string;
  readonly requires?: readonly Requirement[];
  readonly inputRewrites?: readonly Rewrite[];
  readonly outputRewrites?: readonly Rewrite[];
}

/** Entities that are asked under one alias of a fetch. */
export interface EntityAlias {
  readonly alias: string;
  readonly representationsVariableName: string;
  readonly paths: readonly (readonly Step[])[];
  readonly requires: readonly Requirement[];
  readonly inputRewrites?: readonly Rewrite[];
  readonly outputRewrites?: readonly Rewrite[];
}

/** What a fetch of entities asks, as the one alias of a batch. */
export const aliasOf = (
  { requires = [], inputRewrites, outputRewrites }: FetchStep,
  path: readonly Step[],
): EntityAlias => ({
  alias: '_entities',
  representationsVariableName: 'representations',
  paths: [path],
  requires,
  ...(inputRewrites ? { inputRewrites } : {}),
  ...(outputRewrites ? { outputRewrites } : {}),
});

export interface BatchStep {
  readonly kind: 'BatchFetch';
  readonly serviceName: string;
  readonly variableUsages?: readonly string[];
  readonly operation: string;
  /** As in `FetchStep`. */
  readonly sent?: string;
  readonly entityBatch: { readonly aliases: readonly EntityAlias[] };
}

/** There are no conditions: they are settled before planning. */
export type PlanStep =
  | FetchStep
  | BatchStep
  | { readonly kind: 'Sequence' | 'Parallel'; readonly nodes: readonly PlanStep[] }
  | { readonly kind: 'Flatten'; readonly path: readonly Step[]; readonly node: PlanStep };

export interface Planner {
  /** The plan of one operation of the document; null when nothing need be fetched. Throws when there is no way. */
  plan(document: string, operationName: string | null): PlanStep | null;
}

/** What cannot be planned as a whole is planned in parts. */
export function makePlanner(supergraph: string): Planner {
  const planned = (planner: QueryPlanner, document: string, operationName: string | null): PlanStep | null =>
    (planner.plan(document, operationName, NONE, 0).node as PlanStep | undefined) ?? null;
  const planner = new QueryPlanner(supergraph);
  /** Made when the other one has found no way for the first time. */
  let byKey: { planner: QueryPlanner; roots: EntityRoots } | null = null;
  return {
    plan: (document, operationName) => {
      try {
        return planned(planner, document, operationName);
      } catch (error) {
        const operation = getOperationAST(parse(document, { noLocation: true }), operationName);
        if (!operation) throw error;
        if (!byKey) {
          const roots = entityRoots(supergraph);
          byKey = { planner: new QueryPlanner(roots.text), roots };
        }
        const { planner: other, roots } = byKey;
        return planInParts({ ...roots, plan: (text) => planned(other, text, operationName) }, operation, error);
      }
    },
  };
}

const NONE: Set<string> = new Set();
