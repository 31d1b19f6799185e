/** The measurements compared before and after the clock was set, over the same period of real time. */
import type { RecordedRequest } from './park.ts';

export interface QueryResponse {
  readonly data?: Record<string, never> | null;
  readonly errors?: readonly { readonly extensions?: { readonly code?: string } }[];
}
export type SendQuery = (query: string, token?: string) => Promise<QueryResponse>;

export interface MeasureOptions {
  readonly query: SendQuery;
  readonly token: string;
  readonly requests: readonly RecordedRequest[];
  readonly seconds: number;
  /** Writes one event to the log. */
  readonly write: () => Promise<void>;
  /** Number of events delivered to the subscription so far. */
  readonly delivered: () => number;
  readonly lease: () => Promise<string>;
}

export interface Measured {
  readonly admitted: number;
  readonly rejected: number;
  readonly otherErrors: number;
  readonly calls: number;
  readonly maxCallsPerSecond: number;
  readonly breaker: number;
  readonly deadline: number;
  readonly checks: number;
  readonly polls: number;
  readonly events: number;
  readonly lost: number;
  readonly lease: string;
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
const lots = (park: string): string => `{ park(id: "${park}") { lots { id } } }`;

/** The most calls within any second. */
function maxPerSecond(times: readonly number[]): number {
  let highest = 0;
  for (const [i, at] of times.entries())
    highest = Math.max(highest, times.slice(i).filter((time) => time < at + 1_000).length);
  return highest;
}

/** The median; 0 for an empty list. */
const median = (all: readonly number[]): number => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0;

export async function measure(parts: MeasureOptions): Promise<Measured> {
  const { query, token, requests, seconds } = parts;
  const from = requests.length;
  const until = performance.now() + seconds * 1_000;
  const over = (): boolean => performance.now() >= until;
  const counts = { admitted: 0, refused: 0, otherwise: 0, written: 0 };
  const before = parts.delivered();
  const times: number[] = [];
  const again = async (work: () => Promise<unknown>, rest: number): Promise<void> => {
    while (!over()) {
      await work();
      await pause(rest);
    }
  };
  await Promise.all([
    again(async () => {
      const { errors } = await query('{ parks { id } }', token);
      const code = errors?.[0]?.extensions?.code;
      if (code === undefined) counts.admitted++;
      else if (code === 'LIMIT_RATE') counts.refused++;
      else counts.otherwise++;
    }, 5),
    ...Array.from({ length: 8 }, () => again(() => query(lots('good')), 0)),
    again(() => query(lots('failing')), 25),
    again(async () => {
      const began = performance.now();
      await query(lots('frozen'));
      times.push(performance.now() - began);
    }, 0),
    again(async () => {
      await parts.write();
      counts.written++;
    }, 250),
  ]);
  await pause(500);
  const own = requests.slice(from).filter(({ at }) => at < until);
  const of = (system: RecordedRequest['system'], path: RegExp) =>
    own.filter((one) => one.system === system && path.test(one.path));
  const trials = of('failing', /places.*expand/).map(({ at }) => at);
  const events = parts.delivered() - before;
  return {
    ...{ admitted: counts.admitted / seconds, rejected: counts.refused, otherErrors: counts.otherwise },
    calls: of('good', /./).length / seconds,
    maxCallsPerSecond: maxPerSecond(of('good', /./).map(({ at }) => at)),
    breaker: median(trials.slice(1).map((at, i) => at - (trials[i] as number))),
    deadline: median(times),
    checks: of('good', /page_size=1$/).length / seconds,
    polls: of('good', /observations/).length / seconds,
    ...{ events: events / seconds, lost: counts.written - events },
    lease: await parts.lease(),
  };
}
