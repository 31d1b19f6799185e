/** Plan steps as functions: built once per operation, run many times. */
import { type Fits, fitter } from './data.ts';
import { entityFetch, rootFetch } from './fetch.ts';
import type { PlanStep, Step } from './planner.ts';
import type { Run } from './run.ts';
import type { Supergraph } from './supergraph.ts';

export type Executable = (run: Run) => Promise<void>;

/** Builds the plan's functions. Throws when the plan has a step that is not known here. */
export function executable(plan: PlanStep, supergraph: Supergraph): Executable {
  return build(plan, fitter(supergraph.inner), []);
}

function build(step: PlanStep, fits: Fits, at: readonly Step[]): Executable {
  switch (step.kind) {
    case 'Sequence': {
      const all = step.nodes.map((one) => build(one, fits, at));
      return async (run) => {
        for (const one of all) await one(run);
      };
    }
    case 'Parallel': {
      const all = step.nodes.map((one) => build(one, fits, at));
      return async (run) => {
        await Promise.all(all.map((one) => one(run)));
      };
    }
    case 'Flatten':
      return build(step.node, fits, [...at, ...step.path]);
    case 'Fetch': {
      if (!step.requires || step.requires.length === 0) return rootFetch(step, at, fits);
      const { requires, inputRewrites, outputRewrites } = step;
      return entityFetch(
        step,
        [
          {
            alias: '_entities',
            representationsVariableName: 'representations',
            paths: [at],
            requires,
            ...(inputRewrites ? { inputRewrites } : {}),
            ...(outputRewrites ? { outputRewrites } : {}),
          },
        ],
        fits,
      );
    }
    case 'BatchFetch':
      return entityFetch(step, step.entityBatch.aliases, fits);
    default:
      throw new Error(`The planner made a step that this gateway does not know: ${(step as { kind: string }).kind}.`);
  }
}
