/** What the log no longer holds is told, never passed over in silence. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { HUB_PRINCIPAL } from '../connectors/kit/auth/principal.ts';
import { follow } from '../gateway/client/index.ts';
import { Tail } from '../gateway/live/log-tail.ts';
import { Deliveries, type Sink } from '../gateway/live/subscription-registry.ts';
import { appendEvents } from '../schema/database/events/event-log.ts';
import { dropEventsBefore } from '../schema/database/events/event-retention.ts';
import { until } from './hub.ts';
import { EVENTS, type LiveHub, liveHub } from './live-hub.ts';

const DAY = 86_400_000;
let live: LiveHub;
const today = new Date(Math.floor(Date.now() / DAY) * DAY);
const dayAfter = (days: number, hours = 0) => new Date(today.getTime() + days * DAY + hours * 3_600_000);
const append = (at: Date, ...ids: string[]) =>
  live.database.transaction((tx) =>
    appendEvents(
      tx,
      { installation: 'lakeside-parking', connector: 'parking', park: 'lakeside', at },
      ids.map((foreignId) => ({ foreignId, time: at, kind: 'OCCUPANCY_CHANGED', data: { occupied: 1 } })),
    ),
  );
interface Told {
  readonly events: Record<string, unknown> & { readonly events?: { id: string }[] };
}
/** `heard` is waited for behind the first. */
const first = async (
  url: string,
  after: string,
  count: number,
  heard?: () => Promise<unknown>,
): Promise<Told['events'][]> => {
  const got: Told['events'][] = [];
  for await (const { data } of follow<Told>({ url, query: EVENTS, after, webSocket: WebSocket })) {
    if (data && got.push(data.events) === 1) await heard?.();
    if (got.length === count) break;
  }
  return got;
};
const ask = async (query: string, variables = {}) => {
  const answer = await fetch(live.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  return (await answer.json()) as {
    data: { events: { nodes: { id: string; cursor: string }[] } };
    errors?: { extensions: { code: string } }[];
  };
};
const PAGE = 'query ($after: Cursor) { events(first: 50, after: $after) { nodes { id cursor } } }';
let cursors: string[];

beforeAll(async () => {
  live = await liveHub();
  // The log's days follow the clock and never go back: the past of this test is today, its present three days on.
  await append(dayAfter(0), 'a', 'b');
  await append(dayAfter(1, 5), 'c');
  await append(dayAfter(2, 7), 'd', 'e');
  cursors = (await ask(PAGE)).data.events.nodes.map((one) => one.cursor);
  expect(await live.database.transaction((tx) => dropEventsBefore(tx, dayAfter(2, 6)))).toHaveLength(2);
});
afterAll(() => live?.close());

test('behind what retention dropped: Gap with its times, then what is left', async () => {
  const [gap, batch] = await first(live.socketUrl, cursors[0] as string, 2);
  expect(gap).toMatchObject({
    __typename: 'Gap',
    reason: 'RETENTION',
    fromTime: today.toISOString(),
    toTime: dayAfter(2, 7).toISOString(),
  });
  expect(batch?.events).toHaveLength(2);
  // From the second day on.
  const [later] = await first(live.socketUrl, cursors[1] as string, 1);
  expect(later?.['fromTime']).toBe(dayAfter(1).toISOString());
  // The gap's own cursor goes on behind it.
  const [rest] = await first(live.socketUrl, String(gap?.['cursor']), 1);
  expect(rest).toMatchObject({ __typename: 'EventsBatch' });
  const [none] = await first(live.socketUrl, cursors[2] as string, 1);
  expect(none).toMatchObject({ __typename: 'EventsBatch' });
});

test('a query is told CURSOR_EXPIRED; a forged cursor, or that of another filter, is CURSOR_INVALID', async () => {
  const code = async (query: string, after: string) => (await ask(query, { after })).errors?.[0]?.extensions.code;
  const [old, , , held] = cursors as [string, string, string, string];
  expect(await code(PAGE, old)).toBe('CURSOR_EXPIRED');
  expect(await code(PAGE, held)).toBeUndefined();
  const forged = `${held.slice(0, -3)}${held.endsWith('AAA') ? 'BBB' : 'AAA'}`;
  expect(await code(PAGE, forged)).toBe('CURSOR_INVALID');
  const filtered =
    'query ($after: Cursor) { events(after: $after, filter: { kind: { eq: METER_ALARM } }) { nodes { id } } }';
  expect(await code(filtered, held)).toBe('CURSOR_INVALID');
  await expect(first(live.socketUrl, forged, 1)).rejects.toMatchObject({ code: 'CURSOR_INVALID' });
});

test('a database restored from an older copy: Gap says so, and what comes from then on arrives', async () => {
  const newest = cursors[4] as string;
  await live.database.plain.query('DELETE FROM event WHERE position > 4');
  await live.database.plain.query('UPDATE event_head SET position = 4');
  const restored = await liveHub({ database: live.database });
  try {
    // Only then: a log that has come as far again by the time of the subscription has no gap that anybody could see.
    const goOn = () => append(dayAfter(3), 'after the restore');
    const [gap, batch] = await first(restored.socketUrl, newest, 2, goOn);
    expect(gap).toMatchObject({ __typename: 'Gap', reason: 'RESTORE' });
    expect(batch?.events).toHaveLength(1);
  } finally {
    await restored.close();
  }
});

test('retention passes a listener that is connected: Gap, then what is left', async () => {
  const tail = new Tail(live.database);
  await tail.open();
  const told: Record<string, unknown>[] = [];
  const gone = new AbortController();
  let drain = (): void => undefined;
  const sink: Sink = {
    offer: ({ answer }) => {
      told.push(answer.data?.['events'] as Record<string, unknown>);
      return false;
    },
    ready: () =>
      new Promise((resolve) => {
        drain = resolve;
        gone.signal.addEventListener('abort', () => resolve(), { once: true });
      }),
    end: () => undefined,
  };
  const ids = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name} ${i}`);
  try {
    const deliveries = new Deliveries({ operations: live.hub.operations, tail });
    await deliveries.join({ query: EVENTS, principal: HUB_PRINCIPAL, signal: gone.signal }, sink);
    await append(dayAfter(4), 'read');
    await until('the first is read', 30, () => told.length === 1);
    await append(dayAfter(4, 1), ...ids('dropped', 250));
    await append(dayAfter(5), ...ids('left', 120));
    await live.database.transaction((tx) => dropEventsBefore(tx, dayAfter(5)));
    const left = () => told.flatMap((one) => (one['events'] as unknown[] | undefined) ?? []).length - 1;
    await until('the rest is read', 30, () => {
      drain();
      return left() === 120;
    });
    const gaps = told.filter((one) => one['__typename'] === 'Gap');
    expect(gaps).toMatchObject([
      { reason: 'RETENTION', fromTime: dayAfter(4).toISOString(), toTime: dayAfter(5).toISOString() },
    ]);
  } finally {
    gone.abort();
    await tail.close();
  }
});
