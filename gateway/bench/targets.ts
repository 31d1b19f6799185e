/** The bench's targets: ratios of CPU within one run, numbers of requests, and limits of a start. */
import type { GatewayStart } from './cold-start.ts';
import { QUERY_NAMES, type QueryName } from './workload.ts';

export interface Measurements {
  /** CPU milliseconds per request; null where the candidate did not run. */
  cpu(candidate: string, query: QueryName): number | null;
  /** Requests to subgraphs for one request. */
  readonly subgraphRequests: Readonly<Record<QueryName, number>>;
  /** Milliseconds to compile a new operation of the size of Q2. */
  readonly compileMs: number;
  readonly gatewayStart: GatewayStart;
}

export interface Target {
  readonly name: string;
  readonly value: number;
  readonly limit: number;
  readonly ok: boolean;
}

interface RatioTarget {
  readonly name: string;
  readonly candidate: string;
  readonly baseline: string;
  readonly limits: Readonly<Record<QueryName, number>>;
}

/** Ratios of CPU per request. */
export const RATIO_TARGETS: readonly RatioTarget[] = [
  {
    name: "in-process / handwritten plan behind the gateway's HTTP",
    candidate: 'in-process',
    baseline: 'handwritten-gateway-http',
    limits: { Q1: 1.3, Q2: 1.3, Q3: 1.3 },
  },
  {
    name: 'in-process / Apollo Gateway over HTTP',
    candidate: 'in-process',
    baseline: 'apollo-http',
    limits: { Q1: 0.05, Q2: 0.05, Q3: 0.05 },
  },
  {
    name: 'HTTP / Hive Gateway with the Rust planner',
    candidate: 'http',
    baseline: 'hive-rust-http',
    limits: { Q1: 1 / 3, Q2: 1 / 3, Q3: 1 / 3 },
  },
  { name: 'HTTP / Grafbase', candidate: 'http', baseline: 'grafbase', limits: { Q1: 1, Q2: 1, Q3: 1 } },
];
const MAX_SUBGRAPH_REQUESTS: Readonly<Record<QueryName, number>> = { Q1: 1, Q2: 6, Q3: 6 };

/** Compares the measurements with the targets. Ratios to a peer that did not run are left out. */
export function evaluateTargets(ratios: readonly RatioTarget[], measurements: Measurements): Target[] {
  const targets: Target[] = [];
  const add = (name: string, value: number, limit: number) =>
    targets.push({ name, value: round(value), limit: round(limit), ok: value <= limit });
  for (const { name, candidate, baseline, limits } of ratios) {
    for (const query of QUERY_NAMES) {
      const cpu = measurements.cpu(candidate, query);
      const baselineCpu = measurements.cpu(baseline, query);
      if (cpu !== null && baselineCpu !== null) add(`${query} CPU, ${name}`, cpu / baselineCpu, limits[query]);
    }
  }
  for (const query of QUERY_NAMES)
    add(`${query} subgraph requests`, measurements.subgraphRequests[query], MAX_SUBGRAPH_REQUESTS[query]);
  add('ms to validate, plan and compile a new Q2', measurements.compileMs, 10);
  add('isthmus gateway: ms from start to first response', measurements.gatewayStart.firstResponseMs, 1_000);
  add('isthmus gateway: RSS in MB after load', measurements.gatewayStart.rss, 150);
  return targets;
}

const round = (value: number): number => Number(value.toPrecision(3));
