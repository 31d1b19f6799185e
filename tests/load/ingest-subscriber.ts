/** The subscriber of the ingest tests: records received events, their order and lag. */
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { follow } from '../../gateway/client/index.ts';

/** Times in milliseconds. Lag is measured from the event's time (when it was sent) to its arrival; `calm`: before the kill. */
export interface LagReport {
  readonly lag: {
    readonly p50: number;
    readonly p99: number;
    readonly max: number;
    readonly calm: number;
    readonly calm99: number;
  };
  /** From the kill until the first event newer than the kill arrived (`noEventsMs`), and until the lag was below a second again (`catchUpMs`). */
  readonly noEventsMs: number;
  readonly catchUpMs: number;
}

const QUERY = (
  kind: string,
) => `subscription ($after: Cursor) { events(after: $after, filter: { kind: { in: [${kind}] } }) {
  __typename ... on EventsBatch { cursor events { id time } } ... on Gap { cursor } ... on Lagged { cursor } } }`;

/** Subscribes across all disconnects and records the received events with their lag. */
export function ingestSubscriber(url: string, kind: string) {
  const ids: string[] = [];
  const arrivals: { sent: number; at: number }[] = [];
  let followed: ReturnType<typeof follow> | undefined;
  return {
    ids,
    /** Subscribes from the beginning of the log, which must be empty. */
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
          for (const event of events.events ?? []) {
            ids.push(event.id);
            arrivals.push({ sent: Date.parse(event.time), at });
          }
        }
      })(followed);
      await sleep(500);
    },
    figures: (killed: number): LagReport => {
      const lags = (all: typeof arrivals) => all.map((one) => one.at - one.sent).sort((a, b) => a - b);
      const at = (all: number[], share: number) => all[Math.min(all.length - 1, Math.floor(all.length * share))] ?? 0;
      const every = lags(arrivals);
      const beforeKill = lags(arrivals.filter((one) => one.at < killed));
      const back = arrivals.find((one) => one.sent > killed);
      const late = arrivals.findLast((one) => one.at > killed && one.at - one.sent > 1_000);
      return {
        lag: {
          p50: at(every, 0.5),
          p99: at(every, 0.99),
          max: at(every, 1),
          calm: at(beforeKill, 0.5),
          calm99: at(beforeKill, 0.99),
        },
        noEventsMs: (back?.at ?? killed) - killed,
        catchUpMs: (late?.at ?? killed) - killed,
      };
    },
    close: () => followed?.close(),
  };
}
