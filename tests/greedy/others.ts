/**
 * Four ordinary callers, a process of their own: each asks four times a second while it is told to, and says how long it waited. Where
 * they are told to, each follows a subscription all the while, and says how old events were when they came.
 */
import { Agent, request } from 'undici';
import { Subscriber } from './subscriber.ts';

export interface OthersTold {
  readonly url: string;
  readonly tokens: readonly string[];
  readonly queries: readonly string[];
  /** How long they ask, in seconds. */
  readonly seconds: number;
  /** A subscription to `events` with `id` and `time` of each. */
  readonly follow?: string;
}

/** Milliseconds of each answer and what was not whole; of each event that one of them got, by its id. */
export interface OthersSaid {
  readonly times: readonly number[];
  readonly faults: readonly string[];
  readonly ages: readonly number[];
  /** How many events each follower got. */
  readonly events: readonly number[];
}

const EVERY = 250;
const dispatcher = new Agent({ connections: 8, pipelining: 1 });
let asked = 0;

async function ask({ url, queries }: OthersTold, token: string): Promise<{ time: number; fault: string | null }> {
  const query = queries[(asked++ * 7) % queries.length] ?? '';
  const started = performance.now();
  const answer = await request(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query }),
    dispatcher,
  });
  const text = await answer.body.text();
  const time = performance.now() - started;
  return { time, fault: text.includes('"errors"') ? text.slice(0, 300) : null };
}

/** Events are waited for this long after the last question, in milliseconds. */
const LAST = 1_000;

process.on('message', async (told: OthersTold) => {
  const ages: number[] = [];
  const { follow } = told;
  const followers = follow === undefined ? [] : told.tokens.map((token) => new Subscriber(told.url, token, [follow]));
  await Promise.all(followers.map((one) => one.ready));
  const events = followers.map((one) => {
    const ids = new Set<string>();
    one.got = ({ data }) => {
      for (const { id, time } of data?.['events']?.events ?? []) {
        ids.add(id);
        ages.push(Date.now() - Date.parse(time));
      }
    };
    return ids;
  });
  const times: number[] = [];
  const faults: string[] = [];
  const end = performance.now() + told.seconds * 1_000;
  await Promise.all(
    told.tokens.map(async (token, n) => {
      // Not all at the same moment.
      await new Promise((resolve) => setTimeout(resolve, (EVERY * n) / told.tokens.length));
      while (performance.now() < end) {
        const { time, fault } = await ask(told, token);
        times.push(time);
        if (fault !== null) faults.push(fault);
        await new Promise((resolve) => setTimeout(resolve, Math.max(EVERY - time, 0)));
      }
    }),
  );
  if (followers.length > 0) await new Promise((resolve) => setTimeout(resolve, LAST));
  for (const one of followers) one.end();
  const said: OthersSaid = { times, faults, ages, events: events.map((ids) => ids.size) };
  process.send?.(said);
});
process.on('disconnect', () => process.exit(0));
