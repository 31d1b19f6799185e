/**
 * Four ordinary callers in a separate process: each sends four queries per second for the given time and reports its latencies. With
 * `follow`, each also holds a subscription and reports the age of events on arrival.
 */
import { Agent, request } from 'undici';
import { WebSocketSubscriber } from './websocket-subscriber.ts';

export interface OrdinaryCallersOptions {
  readonly url: string;
  readonly tokens: readonly string[];
  readonly queries: readonly string[];
  /** Duration in seconds. */
  readonly seconds: number;
  /** A subscription to `events` with `id` and `time` of each. */
  readonly follow?: string;
}

/** Latencies and event ages in milliseconds; responses with errors. */
export interface OrdinaryCallersReport {
  readonly times: readonly number[];
  readonly errors: readonly string[];
  readonly ages: readonly number[];
  /** Number of events that each subscriber received. */
  readonly events: readonly number[];
}

const INTERVAL = 250;
const dispatcher = new Agent({ connections: 8, pipelining: 1 });
let requestCount = 0;

async function sendQuery(
  { url, queries }: OrdinaryCallersOptions,
  token: string,
): Promise<{ time: number; fault: string | null }> {
  const query = queries[(requestCount++ * 7) % queries.length] ?? '';
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

/** How long to wait for events after the last query, in milliseconds. */
const EVENT_WAIT = 1_000;

process.on('message', async (options: OrdinaryCallersOptions) => {
  const ages: number[] = [];
  const { follow } = options;
  const followers =
    follow === undefined ? [] : options.tokens.map((token) => new WebSocketSubscriber(options.url, token, [follow]));
  await Promise.all(followers.map((follower) => follower.ready));
  const events = followers.map((follower) => {
    const ids = new Set<string>();
    follower.onNext = ({ data }) => {
      for (const { id, time } of data?.['events']?.events ?? []) {
        ids.add(id);
        ages.push(Date.now() - Date.parse(time));
      }
    };
    return ids;
  });
  const times: number[] = [];
  const errors: string[] = [];
  const end = performance.now() + options.seconds * 1_000;
  await Promise.all(
    options.tokens.map(async (token, n) => {
      // Staggered over the interval.
      await new Promise((resolve) => setTimeout(resolve, (INTERVAL * n) / options.tokens.length));
      while (performance.now() < end) {
        const { time, fault: error } = await sendQuery(options, token);
        times.push(time);
        if (error !== null) errors.push(error);
        await new Promise((resolve) => setTimeout(resolve, Math.max(INTERVAL - time, 0)));
      }
    }),
  );
  if (followers.length > 0) await new Promise((resolve) => setTimeout(resolve, EVENT_WAIT));
  for (const follower of followers) follower.end();
  const report: OrdinaryCallersReport = { times, errors: errors, ages, events: events.map((ids) => ids.size) };
  process.send?.(report);
});
process.on('disconnect', () => process.exit(0));
