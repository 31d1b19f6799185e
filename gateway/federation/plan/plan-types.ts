/** The steps of a query plan as the planner returns them. */
import type { Step } from '../response-data.ts';

/** A required field. `name` is its key in the merged data, `alias` its name in the subgraph if that differs. */
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

/** A step of a rewrite's path: an object type, or a key. */
export type RewriteStep = { readonly TypenameEquals: readonly string[] } | { readonly Key: string };
interface ValueSetter {
  readonly path: readonly RewriteStep[];
  readonly setValueTo: string;
}
/** Sets or renames keys of the objects at a path. */
export type Rewrite =
  | { readonly ValueSetter: ValueSetter }
  | ({ readonly kind: 'ValueSetter' } & ValueSetter)
  | { readonly KeyRenamer: { readonly path: readonly RewriteStep[]; readonly renameKeyTo: string } };

/** Fetches fields of a root type, or with `requires` fields of entities. */
export interface FetchStep {
  readonly kind: 'Fetch';
  readonly serviceName: string;
  readonly variableUsages?: readonly string[];
  readonly operation: string;
  /** The operation to send, if it has arguments that were replaced by placeholders for the planner. */
  readonly sentOperation?: string;
  readonly requires?: readonly Requirement[];
  readonly inputRewrites?: readonly Rewrite[];
  readonly outputRewrites?: readonly Rewrite[];
}

/** The entities fetched under one alias of a fetch. */
export interface EntityAlias {
  readonly alias: string;
  readonly representationsVariableName: string;
  readonly paths: readonly (readonly Step[])[];
  readonly requires: readonly Requirement[];
  readonly inputRewrites?: readonly Rewrite[];
  readonly outputRewrites?: readonly Rewrite[];
}

/** A fetch of entities as the only alias of a batch. */
export const entityAliasOf = (
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

/** Fetches entities under several aliases in one request. */
export interface BatchStep {
  readonly kind: 'BatchFetch';
  readonly serviceName: string;
  readonly variableUsages?: readonly string[];
  readonly operation: string;
  /** As in `FetchStep`. */
  readonly sentOperation?: string;
  readonly entityBatch: { readonly aliases: readonly EntityAlias[] };
}

/** There are no conditional steps: `@skip` and `@include` are resolved before planning. */
export type PlanStep =
  | FetchStep
  | BatchStep
  | { readonly kind: 'Sequence' | 'Parallel'; readonly nodes: readonly PlanStep[] }
  | { readonly kind: 'Flatten'; readonly path: readonly Step[]; readonly node: PlanStep };
