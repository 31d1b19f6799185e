/** Measures one candidate: CPU and latency under load, and the requests it sends to subgraphs. */
import type { Candidate } from './candidates.ts';
import { generateLoad, type LoadResult } from './load-generator.ts';
import { BODIES, QUERY_NAMES, type QueryName } from './workload.ts';

export interface Measurement extends LoadResult {
  /** CPU milliseconds per request. */
  readonly cpu: number;
}

/** Milliseconds of load for each operation before anything is counted: compiling is CPU of the process too. */
export const WARM_UP = 3_000;

/** Loads the candidate with one operation for `milliseconds`. Rejects if a response is wrong or none arrives. */
export async function measure(candidate: Candidate, query: QueryName, milliseconds: number): Promise<Measurement> {
  const before = await candidate.usage();
  const result = await generateLoad(candidate.port, BODIES[query], milliseconds);
  const after = await candidate.usage();
  if (result.failures > 0 || result.requests === 0)
    throw new Error(`${candidate.name} failed ${result.failures} of ${result.requests} requests of ${query}.`);
  return { ...result, cpu: (after.cpu - before.cpu) / 1_000 / result.requests };
}

/** Number of requests that the subgraphs receive for one request of each operation. */
export async function countSubgraphRequests(
  gateway: Candidate,
  subgraphs: Candidate,
): Promise<Record<QueryName, number>> {
  const counts = { Q1: 0, Q2: 0, Q3: 0 };
  for (const query of QUERY_NAMES) {
    const before = (await subgraphs.usage()).requests;
    await fetch(`http://127.0.0.1:${gateway.port}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: BODIES[query][0] as string,
    }).then((response) => response.text());
    counts[query] = (await subgraphs.usage()).requests - before;
  }
  return counts;
}
