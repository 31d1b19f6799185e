/** What is compared before and after the clock was set, over one span of real time. */
import type { Asked } from './park.ts';

export interface Answer {
  readonly data?: Record<string, never> | null;
  readonly errors?: readonly { readonly extensions?: { readonly code?: string } }[];
}
export type Ask = (query: string, token?: string) => Promise<Answer>;

export interface Parts {
  readonly ask: Ask;
  readonly token: string;
  readonly asked: readonly Asked[];
  readonly seconds: number;
  /** Writes one event to the log. */
  readonly write: () => Promise<void>;
  /** Events that the subscription was delivered so far. */
  readonly delivered: () => number;
  readonly lease: () => Promise<string>;
}

export interface Measured {
  readonly admitted: number;
  readonly refused: number;
  readonly otherwise: number;
  readonly calls: number;
  readonly mostCalls: number;
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

/** Most calls within any one second. */
function densest(times: readonly number[]): number {
  let most = 0;
  for (const [i, at] of times.entries()) most = Math.max(most, times.slice(i).filter((one) => one < at + 1_000).length);
  return most;
}

/** The middle of these numbers; 0 of none. */
const middle = (all: readonly number[]): number => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0;

export async function measure(parts: Parts): Promise<Measured> {
  const { ask, token, asked, seconds } = parts;
  const from = asked.length;
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
      const { errors } = await ask('{ parks { id } }', token);
      const code = errors?.[0]?.extensions?.code;
      if (code === undefined) counts.admitted++;
      else if (code === 'LIMIT_RATE') counts.refused++;
      else counts.otherwise++;
    }, 5),
    ...Array.from({ length: 8 }, () => again(() => ask(lots('good')), 0)),
    again(() => ask(lots('failing')), 25),
    again(async () => {
      const began = performance.now();
      await ask(lots('frozen'));
      times.push(performance.now() - began);
    }, 0),
    again(async () => {
      await parts.write();
      counts.written++;
    }, 250),
  ]);
  await pause(500);
  const own = asked.slice(from).filter(({ at }) => at < until);
  const of = (system: Asked['system'], path: RegExp) =>
    own.filter((one) => one.system === system && path.test(one.path));
  const trials = of('failing', /places.*expand/).map(({ at }) => at);
  const events = parts.delivered() - before;
  return {
    ...{ admitted: counts.admitted / seconds, refused: counts.refused, otherwise: counts.otherwise },
    calls: of('good', /./).length / seconds,
    mostCalls: densest(of('good', /./).map(({ at }) => at)),
    breaker: middle(trials.slice(1).map((at, i) => at - (trials[i] as number))),
    deadline: middle(times),
    checks: of('good', /page_size=1$/).length / seconds,
    polls: of('good', /observations/).length / seconds,
    ...{ events: events / seconds, lost: counts.written - events },
    lease: await parts.lease(),
  };
}
