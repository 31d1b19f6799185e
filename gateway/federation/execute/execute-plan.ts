/** Plan steps as functions: built once per operation, run many times. */
import type { Subgraph } from '../../../connectors/kit/connector.ts';
import { aliasOf, type PlanStep, type Step } from '../plan/planner.ts';
import type { Report } from '../respond/error-report.ts';
import { fitter } from '../response-data.ts';
import type { Supergraph } from '../supergraph.ts';
import { entityFetch } from './entity-fetch.ts';
import { type Fetch, type FetchParts, rootFetch } from './root-fetch.ts';

/** Runs a plan; answers at once when no subgraph had to be waited for. */
export type Executable = Fetch;

/** Names that ordinary objects have, whatever is in them. */
const EXOTIC = new RegExp(`\\b(${Object.getOwnPropertyNames(Object.prototype).join('|')})\\b`);

/** Builds the plan's functions. Throws when the plan has a step that is not known here. */
export function executable(
  plan: PlanStep,
  supergraph: Supergraph,
  subgraph: (name: string) => Subgraph,
  report: Report,
): { run: Executable; size: number } {
  const text = JSON.stringify(plan);
  const parts = { fits: fitter(supergraph.inner), subgraph, report, exotic: EXOTIC.test(text) };
  return { run: build(plan, parts, []), size: text.length };
}

function build(step: PlanStep, parts: FetchParts, at: readonly Step[]): Executable {
  switch (step.kind) {
    case 'Sequence':
      return sequence(step.nodes.map((one) => build(one, parts, at)));
    case 'Parallel':
      return parallel(step.nodes.map((one) => build(one, parts, at)));
    case 'Flatten':
      return build(step.node, parts, [...at, ...step.path]);
    case 'Fetch':
      return step.requires?.length ? entityFetch(step, [aliasOf(step, at)], parts) : rootFetch(step, at, parts);
    case 'BatchFetch':
      return entityFetch(step, step.entityBatch.aliases, parts);
    default:
      throw new Error(`The planner made a step that this gateway does not know: ${(step as { kind: string }).kind}.`);
  }
}

const sequence =
  (all: readonly Executable[]): Executable =>
  (run) => {
    const from = (first: number): void | Promise<void> => {
      for (let i = first; i < all.length; i++) {
        const waiting = all[i]?.(run);
        if (waiting) return waiting.then(() => from(i + 1));
      }
    };
    return from(0);
  };

const parallel =
  (all: readonly Executable[]): Executable =>
  (run) => {
    let waiting: Promise<void>[] | null = null;
    for (const one of all) {
      const begun = one(run);
      if (!begun) continue;
      waiting ??= [];
      waiting.push(begun);
    }
    return waiting === null ? undefined : Promise.all(waiting).then(() => undefined);
  };
