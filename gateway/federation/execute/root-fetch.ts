/** What fetches have in common, and the fetch of fields of a root type; that of entities stands in `entities.ts`. */
import { parse } from 'graphql';
import type { Subgraph, SubgraphError, SubgraphResponse } from '../../../connectors/kit/connector.ts';
import { keyRenames, operationSet, responseKeys } from '../plan/fetch-document.ts';
import type { FetchStep, Step } from '../plan/planner.ts';
import { type PlacedError, placed } from '../respond/error-placement.ts';
import type { Report } from '../respond/error-report.ts';
import { bare, type Fits, merge, type Path, rewrite, type Tree, walk } from '../response-data.ts';
import { asker, type Run } from './execution.ts';
import { compileAssign } from './merge-entities.ts';

/** What fetches are built with. */
export interface FetchParts {
  readonly fits: Fits;
  readonly subgraph: (name: string) => Subgraph;
  readonly report: Report;
  /** A key of the plan has a meaning of its own in ordinary objects: data are copied into objects without prototypes. */
  readonly exotic: boolean;
}

/** Runs a fetch; waits only where the subgraph does. Never throws for a fault of a subgraph. */
export type Fetch = (run: Run) => void | Promise<void>;

export const settled = (
  answer: SubgraphResponse | Promise<SubgraphResponse>,
  settle: (answer: SubgraphResponse) => void,
) => ('then' in answer ? answer.then(settle) : settle(answer));

export const isSound = (answer: SubgraphResponse): boolean => answer.errors === undefined || answer.errors.length === 0;

/** A fetch of fields of a root type, merged at `at`. */
export function rootFetch(step: FetchStep, at: readonly Step[], parts: FetchParts): Fetch {
  const { fits } = parts;
  const document = parse(step.operation, { noLocation: true });
  const rename = keyRenames(step.outputRewrites);
  const keys = responseKeys(document, operationSet(document), null, fits);
  const ask = asker(parts.subgraph, step.serviceName, step.sent ?? step.operation, parts.report);
  const clean = parts.exotic ? bare : (data: unknown) => data;
  const assign = at.length === 0 ? compileAssign(keys, step.outputRewrites, fits) : null;
  const settle = (run: Run, answer: SubgraphResponse): void => {
    const data = answer.data ? (clean(answer.data) as Tree) : null;
    if (data && assign && isSound(answer)) {
      assign(run.data, data);
      return;
    }
    const faults: PlacedError[] = [];
    const vague: SubgraphError[] = [];
    for (const error of answer.errors ?? []) {
      if (error.path && error.path.length > 0) faults.push(placed(error, rename(error.path)));
      else vague.push(error);
    }
    // A fault without a place shows where there is nothing; so does any fault, when there is no data at all.
    const cause = vague[0] ?? (data ? undefined : answer.errors?.[0]);
    if (cause) {
      const told = new Set(faults.map((one) => one.path[0]));
      const bereft = keys.filter((key) => (data?.[key] ?? null) === null && !told.has(rename([key])[0] ?? key));
      const spare = vague.length === 0;
      for (const key of bereft) faults.push({ ...placed(cause, rename([key])), spare, inferred: true });
      if (faults.length === 0) faults.push(placed(cause, []));
    }
    if (data) rewrite(data, step.outputRewrites, fits);
    const places: { object: Tree; path: Path }[] = [];
    if (at.length === 0) places.push({ object: run.data, path: [] });
    else walk(run.data, at, (object, path) => void places.push({ object, path }));
    places.forEach(({ object, path }, i) => {
      if (data) merge(object, i === 0 ? data : (bare(data) as Tree), fits.concrete);
      for (const one of faults) run.errors.push(path.length === 0 ? one : { ...one, path: [...path, ...one.path] });
    });
  };
  return (run) => settled(ask(run, pick(step.variableUsages, run.variables)), (answer) => settle(run, answer));
}

/** The variables of these names that were given. */
export const pick = (
  names: readonly string[] | undefined,
  variables: Readonly<Record<string, unknown>>,
): Record<string, unknown> => {
  const picked: Record<string, unknown> = {};
  for (const name of names ?? []) if (variables[name] !== undefined) picked[name] = variables[name];
  return picked;
};
