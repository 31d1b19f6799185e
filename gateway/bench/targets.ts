/** The promises that the bench holds figures against: ratios within one run, and counts. */
import type { Started } from './cold-start.ts';
import { QUERY_NAMES, type QueryName } from './workload.ts';

export interface Measured {
  /** CPU in milliseconds per request; null where the candidate did not run. */
  cpu(name: string, query: QueryName): number | null;
  readonly counts: Readonly<Record<QueryName, number>>;
  /** Milliseconds for a new operation of the size of Q2. */
  readonly cold: number;
  readonly started: Started;
}

export interface Target {
  readonly name: string;
  readonly value: number;
  readonly limit: number;
  readonly ok: boolean;
}

interface Ratio {
  readonly name: string;
  readonly ours: string;
  readonly other: string;
  readonly limits: Readonly<Record<QueryName, number>>;
}

/** Ratios of CPU per request. */
export const TARGETS: readonly Ratio[] = [
  { name: 'fused / hand-written plan', ours: 'fused', other: 'hand', limits: { Q1: 1.5, Q2: 1.5, Q3: 1.5 } },
  {
    name: 'fused / Apollo Gateway over HTTP',
    ours: 'fused',
    other: 'apollo-http',
    limits: { Q1: 0.1, Q2: 0.025, Q3: 1 / 15 },
  },
  {
    name: 'HTTP / Hive Gateway with the Rust planner',
    ours: 'http',
    other: 'hive-rust-http',
    limits: { Q1: 1 / 3, Q2: 1 / 3, Q3: 1 / 3 },
  },
  { name: 'HTTP / Grafbase', ours: 'http', other: 'grafbase', limits: { Q1: 1.6, Q2: 1.6, Q3: 2.5 } },
];
const REQUESTS: Readonly<Record<QueryName, number>> = { Q1: 1, Q2: 6, Q3: 6 };

/** The figures beside their limits; ratios with a peer that did not run are left out. */
export function judge(ratios: readonly Ratio[], measured: Measured): Target[] {
  const targets: Target[] = [];
  const add = (name: string, value: number, limit: number) =>
    targets.push({ name, value: round(value), limit: round(limit), ok: value <= limit });
  for (const { name, ours, other, limits } of ratios) {
    for (const query of QUERY_NAMES) {
      const mine = measured.cpu(ours, query);
      const theirs = measured.cpu(other, query);
      if (mine !== null && theirs !== null) add(`${query} CPU, ${name}`, mine / theirs, limits[query]);
    }
  }
  for (const query of QUERY_NAMES) add(`${query} subgraph requests`, measured.counts[query], REQUESTS[query]);
  add('ms to check, plan and compile a new Q2', measured.cold, 10);
  add('isthmus gateway: ms from start to first answer', measured.started.first, 1_000);
  add('isthmus gateway: RSS in MB after load', measured.started.rss, 150);
  return targets;
}

const round = (value: number): number => Number(value.toPrecision(3));
