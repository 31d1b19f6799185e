/** Measures one candidate under load: CPU of its process and of PostgreSQL for one request, without what both use when idle. */
import { setTimeout as pause } from 'node:timers/promises';
import { generateLoad, type LoadResult } from '../load-generator.ts';
import type { HubCandidate } from './candidates.ts';
import { cpuOfCluster, cpuOfProcess } from './cpu-accounting.ts';
import { ask, type GraphqlRequest, type OperationName } from './operations.ts';

/** CPU milliseconds per second that process and cluster use without requests: jobs, polls, checkpoints. */
export interface IdleUse {
  readonly process: number;
  readonly cluster: number;
}

export interface HubMeasurement extends LoadResult {
  /** CPU milliseconds per request. */
  readonly process: number;
  readonly cluster: number;
}

/** Measures what is used without requests, for `milliseconds`. */
export async function measureIdle(pid: number, postmaster: number, milliseconds: number): Promise<IdleUse> {
  const before = [cpuOfProcess(pid), cpuOfCluster(postmaster)] as const;
  await pause(milliseconds);
  const seconds = milliseconds / 1_000;
  return {
    process: (cpuOfProcess(pid) - before[0]) / seconds,
    cluster: (cpuOfCluster(postmaster) - before[1]) / seconds,
  };
}

/**
 * CPU per request, less the idle use of that time. Not positive if the requests used too little to be distinguished from the idle use: then it
 * is no measurement.
 */
export function perRequest(used: number, idle: number, seconds: number, requests: number): number {
  return (used - idle * seconds) / requests;
}

/**
 * Loads the candidate with one operation for `milliseconds`. `rate`: requests per second; undefined: as many as possible. Rejects if a
 * response is wrong or none arrives, unless it `mayFail`; then the cost of failed requests counts too.
 */
export async function measureLoad(
  candidate: HubCandidate,
  operation: OperationName,
  run: {
    readonly postmaster: number;
    readonly milliseconds: number;
    readonly rate?: number | undefined;
    readonly idle: IdleUse;
    readonly mayFail?: boolean;
    /** Default 16. */
    readonly connections?: number;
  },
): Promise<HubMeasurement> {
  const { pid, port, headers, requests } = candidate;
  const bodies = (requests[operation] ?? []).map((request) => JSON.stringify(request));
  const startedAt = performance.now();
  const before = [cpuOfProcess(pid), cpuOfCluster(run.postmaster)] as const;
  const result = await generateLoad(port, bodies, run.milliseconds, {
    headers,
    rate: run.rate,
    connections: run.connections ?? 16,
  });
  const used = [cpuOfProcess(pid) - before[0], cpuOfCluster(run.postmaster) - before[1]] as const;
  if (result.requests === 0 || (result.failures > 0 && !run.mayFail))
    throw new Error(`${candidate.name} failed ${result.failures} of ${result.requests} requests of ${operation}.`);
  const seconds = (performance.now() - startedAt) / 1_000;
  return {
    ...result,
    process: perRequest(used[0], run.idle.process, seconds, result.requests),
    cluster: perRequest(used[1], run.idle.cluster, seconds, result.requests),
  };
}

/** Requests of one run at least: CPU time is counted in hundredths of a second. */
const MIN_REQUESTS = 150;
/** A run is extended to so many times its length at most. */
const MAX_EXTENSION = 8;

/** Milliseconds of a run at this rate, longer than asked for if it would have too few requests. */
export const runLength = (milliseconds: number, rate: number | undefined): number =>
  rate === undefined
    ? milliseconds
    : Math.max(milliseconds, Math.min((MIN_REQUESTS / rate) * 1_000, milliseconds * MAX_EXTENSION));

/** Requests before anything is counted: compiling is CPU of the process too. */
const WARM_UP_REQUESTS = 1_000;
/** A warm-up ends after this many load runs at the latest. */
const WARM_UP_RUNS = 12;

/** Loads the candidate until it is compiled. Resolves with the requests per second of the last run, which had no limit. */
export async function warmUp(
  candidate: HubCandidate,
  operation: OperationName,
  run: {
    readonly postmaster: number;
    readonly milliseconds: number;
    readonly idle: IdleUse;
    readonly mayFail?: boolean;
    readonly connections?: number;
  },
): Promise<number> {
  let [requests, rate] = [0, 0];
  for (let i = 0; i < WARM_UP_RUNS && requests < WARM_UP_REQUESTS; i++) {
    const result = await measureLoad(candidate, operation, run);
    requests += result.requests;
    rate = result.rate;
  }
  return rate;
}

/**
 * Milliseconds of each of `times` responses to the same request, one after the other. Ends at the first error, such as a timeout: then
 * `milliseconds` has only the time until it.
 */
export async function measureLatency(
  { port, headers }: Pick<HubCandidate, 'port' | 'headers'>,
  request: GraphqlRequest,
  times: number,
): Promise<{ readonly milliseconds: number[]; readonly error: string | null }> {
  const milliseconds: number[] = [];
  for (let i = 0; i < times; i++) {
    const startedAt = performance.now();
    const error = await ask(port, request, headers).then(
      () => null,
      (reason: unknown) => (reason as Error).message,
    );
    milliseconds.push(performance.now() - startedAt);
    if (error !== null) return { milliseconds: milliseconds.slice(-1), error };
  }
  return { milliseconds, error: null };
}

/** Share of one core below which the cluster counts as idle. */
const SETTLED = 0.2;

/**
 * Waits until PostgreSQL has had little to do for `quiet` milliseconds: then the work that loading data has caused is done. Resolves with
 * false if that takes longer than `limit`.
 */
export async function waitUntilSettled(
  postmaster: number,
  { quiet = 3_000, limit = 300_000 }: { readonly quiet?: number; readonly limit?: number } = {},
): Promise<boolean> {
  for (const end = performance.now() + limit; performance.now() < end; ) {
    const before = cpuOfCluster(postmaster);
    await pause(quiet);
    if (cpuOfCluster(postmaster) - before < SETTLED * quiet) return true;
  }
  return false;
}

/** The median; NaN without values. */
export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
