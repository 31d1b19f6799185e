/** The subscriber of the ingest runs: what it got, in which order and how late. */
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { follow } from '../../gateway/client/index.ts';

/** Times in milliseconds; lag is from the event's own time, the moment of sending, to the subscriber. `calm`: before the kill. */
export interface Lateness {
  readonly lag: {
    readonly p50: number;
    readonly p99: number;
    readonly max: number;
    readonly calm: number;
    readonly calm99: number;
  };
  /** From the kill until the subscriber heard of something newer than the kill, and until it was less than a second behind again. */
  readonly dark: number;
  readonly behind: number;
}

const QUERY = (
  kind: string,
) => `subscription ($after: Cursor) { events(after: $after, filter: { kind: { in: [${kind}] } }) {
  __typename ... on EventsBatch { cursor events { id time } } ... on Gap { cursor } ... on Lagged { cursor } } }`;

/** Follows the log over every break, and notes what it got and how late. */
export function subscriber(url: string, kind: string) {
  const ids: string[] = [];
  const heard: { sent: number; at: number }[] = [];
  let followed: ReturnType<typeof follow> | undefined;
  return {
    ids,
    /** From the beginning of the log on. */
    begin: async (port: number): Promise<void> => {
      const answer = await fetch(`http://127.0.0.1:${port}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query: `{ events(first: 1, filter: { kind: { in: [${kind}] } }) { totalCount } }` }),
      });
      const { data } = (await answer.json()) as { data: { events: { totalCount: number } } };
      if (data.events.totalCount > 0) throw new Error('The log is not empty.');
      followed = follow({ url, query: QUERY(kind), webSocket: WebSocket, pause: { first: 50, longest: 500 } });
      void (async (all: AsyncIterable<{ data?: unknown }>) => {
        for await (const { data } of all) {
          const { events } = data as { events: { events?: { id: string; time: string }[] } };
          const at = Date.now();
          for (const one of events.events ?? []) {
            ids.push(one.id);
            heard.push({ sent: Date.parse(one.time), at });
          }
        }
      })(followed);
      await sleep(500);
    },
    figures: (killed: number): Lateness => {
      const lags = (all: typeof heard) => all.map((one) => one.at - one.sent).sort((a, b) => a - b);
      const at = (all: number[], share: number) => all[Math.min(all.length - 1, Math.floor(all.length * share))] ?? 0;
      const every = lags(heard);
      const calm = lags(heard.filter((one) => one.at < killed));
      const back = heard.find((one) => one.sent > killed);
      const late = heard.findLast((one) => one.at > killed && one.at - one.sent > 1_000);
      return {
        lag: {
          p50: at(every, 0.5),
          p99: at(every, 0.99),
          max: at(every, 1),
          calm: at(calm, 0.5),
          calm99: at(calm, 0.99),
        },
        dark: (back?.at ?? killed) - killed,
        behind: (late?.at ?? killed) - killed,
      };
    },
    close: () => followed?.close(),
  };
}
