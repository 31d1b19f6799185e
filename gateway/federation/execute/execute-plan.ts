/** Compiles the steps of a plan to functions, once per operation. */
import type { Subgraph } from '../../../connectors/kit/call.ts';
import { entityAliasOf, type PlanStep } from '../plan/plan-types.ts';
import type { ErrorReporter } from '../respond/error-report.ts';
import { createTypeMatcher, type Step } from '../response-data.ts';
import type { Supergraph } from '../supergraph.ts';
import { entityFetch } from './entity-fetch.ts';
import { type Fetch, type FetchContext, rootFetch } from './root-fetch.ts';

/** Runs a plan; returns a promise only if a subgraph does. */
export type PlanExecutor = Fetch;

/** Keys that every ordinary object inherits. */
const PROTOTYPE_KEYS = new RegExp(`\\b(${Object.getOwnPropertyNames(Object.prototype).join('|')})\\b`);

/** `size`: characters of the plan's JSON. Throws if the plan has a step of an unknown kind. */
export function compilePlan(
  plan: PlanStep,
  supergraph: Supergraph,
  getSubgraph: (name: string) => Subgraph,
  reportErrors: ErrorReporter,
): { run: PlanExecutor; size: number } {
  const text = JSON.stringify(plan);
  const context = {
    matchesType: createTypeMatcher(supergraph.internalSchema),
    getSubgraph,
    reportErrors,
    hasPrototypeKeys: PROTOTYPE_KEYS.test(text),
  };
  return { run: compileStep(plan, context, []), size: text.length };
}

function compileStep(step: PlanStep, context: FetchContext, at: readonly Step[]): PlanExecutor {
  switch (step.kind) {
    case 'Sequence':
      return sequence(step.nodes.map((node) => compileStep(node, context, at)));
    case 'Parallel':
      return parallel(step.nodes.map((node) => compileStep(node, context, at)));
    case 'Flatten':
      return compileStep(step.node, context, [...at, ...step.path]);
    case 'Fetch':
      return step.requires?.length
        ? entityFetch(step, [entityAliasOf(step, at)], context)
        : rootFetch(step, at, context);
    case 'BatchFetch':
      return entityFetch(step, step.entityBatch.aliases, context);
    default:
      throw new Error(`Unknown kind of plan step: ${(step as { kind: string }).kind}.`);
  }
}

const sequence =
  (steps: readonly PlanExecutor[]): PlanExecutor =>
  (execution) => {
    const runFrom = (first: number): void | Promise<void> => {
      for (let i = first; i < steps.length; i++) {
        const pending = steps[i]?.(execution);
        if (pending) return pending.then(() => runFrom(i + 1));
      }
    };
    return runFrom(0);
  };

const parallel =
  (steps: readonly PlanExecutor[]): PlanExecutor =>
  (execution) => {
    let pending: Promise<void>[] | null = null;
    for (const step of steps) {
      const started = step(execution);
      if (!started) continue;
      pending ??= [];
      pending.push(started);
    }
    return pending === null ? undefined : Promise.all(pending).then(() => undefined);
  };
