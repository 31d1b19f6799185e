/** The fetch of fields of a root type, and what it shares with `entity-fetch.ts`. */
import { parse } from 'graphql';
import type { Subgraph, SubgraphError, SubgraphResponse } from '../../../connectors/kit/call.ts';
import { createKeyRenamer, operationSelections, responseKeys } from '../plan/fetch-document.ts';
import type { FetchStep } from '../plan/plan-types.ts';
import { errorAt, type PlacedError } from '../respond/error-placement.ts';
import type { ErrorReporter } from '../respond/error-report.ts';
import {
  type DataObject,
  forEachObjectAt,
  merge,
  type Path,
  type Step,
  type TypeMatcher,
  withoutPrototypes,
} from '../response-data.ts';
import type { Execution } from './execution.ts';
import { compileMergeEntity } from './merge-entities.ts';
import { applyRewrites } from './rewrites.ts';
import { createSubgraphFetch } from './subgraph-fetch.ts';

/** What all fetches of a plan are compiled with. */
export interface FetchContext {
  readonly matchesType: TypeMatcher;
  readonly getSubgraph: (name: string) => Subgraph;
  readonly reportErrors: ErrorReporter;
  /** A key of the plan is a property of `Object.prototype`: data is copied into objects without prototypes. */
  readonly hasPrototypeKeys: boolean;
}

/** Runs a fetch; returns a promise only if the subgraph does. Never throws or rejects for an error of a subgraph. */
export type Fetch = (execution: Execution) => void | Promise<void>;

/** Calls `settle` with the response, synchronously if it is there. */
export const whenReceived = (
  response: SubgraphResponse | Promise<SubgraphResponse>,
  settle: (response: SubgraphResponse) => void,
) => ('then' in response ? response.then(settle) : settle(response));

export const isErrorFree = (response: SubgraphResponse): boolean =>
  response.errors === undefined || response.errors.length === 0;

/** Compiles a fetch of fields of a root type, whose data is merged into the objects at `at`. */
export function rootFetch(step: FetchStep, at: readonly Step[], context: FetchContext): Fetch {
  const { matchesType } = context;
  const document = parse(step.operation, { noLocation: true });
  const renamePath = createKeyRenamer(step.outputRewrites);
  const keys = responseKeys(document, operationSelections(document), null, matchesType);
  const send = createSubgraphFetch(
    context.getSubgraph,
    step.serviceName,
    step.sentOperation ?? step.operation,
    context.reportErrors,
  );
  const prepare = context.hasPrototypeKeys ? withoutPrototypes : (data: unknown) => data;
  const mergeData = at.length === 0 ? compileMergeEntity(keys, step.outputRewrites, matchesType) : null;
  const settle = (execution: Execution, response: SubgraphResponse): void => {
    const data = response.data ? (prepare(response.data) as DataObject) : null;
    if (data && mergeData && isErrorFree(response)) {
      mergeData(execution.data, data);
      return;
    }
    const errors: PlacedError[] = [];
    const withoutPath: SubgraphError[] = [];
    for (const error of response.errors ?? []) {
      if (error.path && error.path.length > 0) errors.push(errorAt(error, renamePath(error.path)));
      else withoutPath.push(error);
    }
    // An error without a path is reported at all missing fields; so is any error of a response without data.
    const cause = withoutPath[0] ?? (data ? undefined : response.errors?.[0]);
    if (cause) {
      const reported = new Set(errors.map((placedError) => placedError.path[0]));
      const missing = keys.filter(
        (key) => (data?.[key] ?? null) === null && !reported.has(renamePath([key])[0] ?? key),
      );
      const isFallback = withoutPath.length === 0;
      for (const key of missing) errors.push({ ...errorAt(cause, renamePath([key])), isFallback, isInferred: true });
      if (errors.length === 0) errors.push(errorAt(cause, []));
    }
    if (data) applyRewrites(data, step.outputRewrites, matchesType);
    const targets: { object: DataObject; path: Path }[] = [];
    if (at.length === 0) targets.push({ object: execution.data, path: [] });
    else forEachObjectAt(execution.data, at, (object, path) => void targets.push({ object, path }));
    targets.forEach(({ object, path }, i) => {
      if (data) merge(object, i === 0 ? data : (withoutPrototypes(data) as DataObject), matchesType.isObjectTypeName);
      for (const placedError of errors)
        execution.errors.push(
          path.length === 0 ? placedError : { ...placedError, path: [...path, ...placedError.path] },
        );
    });
  };
  return (execution) =>
    whenReceived(send(execution, pickVariables(step.variableUsages, execution.variables)), (response) =>
      settle(execution, response),
    );
}

/** The variables with these names that have a value. */
export const pickVariables = (
  names: readonly string[] | undefined,
  variables: Readonly<Record<string, unknown>>,
): Record<string, unknown> => {
  const picked: Record<string, unknown> = {};
  for (const name of names ?? []) if (variables[name] !== undefined) picked[name] = variables[name];
  return picked;
};
