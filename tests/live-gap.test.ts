/** Events that the log no longer contains are reported with `Gap`, never skipped silently. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { HUB_PRINCIPAL } from '../connectors/kit/auth/principal.ts';
import { follow } from '../gateway/client/index.ts';
import type { DeliverySink } from '../gateway/live/delivery.ts';
import { LogTail } from '../gateway/live/log-tail.ts';
import { SubscriptionRegistry } from '../gateway/live/subscription-registry.ts';
import { appendEvents } from '../schema/database/events/event-log.ts';
import { dropEventsBefore } from '../schema/database/events/event-retention.ts';
import { type BareHub, EVENTS_SUBSCRIPTION, startBareHub } from './bare-hub.ts';
import { waitFor } from './test-hub.ts';

const DAY = 86_400_000;
let bareHub: BareHub;
const today = new Date(Math.floor(Date.now() / DAY) * DAY);
const dayAfter = (days: number, hours = 0) => new Date(today.getTime() + days * DAY + hours * 3_600_000);
const append = (at: Date, ...ids: string[]) =>
  bareHub.database.transaction((tx) =>
    appendEvents(
      tx,
      { installation: 'lakeside-parking', connector: 'parking', park: 'lakeside', at },
      ids.map((foreignId) => ({ foreignId, time: at, kind: 'OCCUPANCY_CHANGED', data: { occupied: 1 } })),
    ),
  );
interface EventsPayload {
  readonly events: Record<string, unknown> & { readonly events?: { id: string }[] };
}
/** The first `count` deliveries; `heard` is awaited after the first one. */
const first = async (
  url: string,
  after: string,
  count: number,
  heard?: () => Promise<unknown>,
): Promise<EventsPayload['events'][]> => {
  const received: EventsPayload['events'][] = [];
  for await (const { data } of follow<EventsPayload>({
    url,
    query: EVENTS_SUBSCRIPTION,
    after,
    webSocket: WebSocket,
  })) {
    if (data && received.push(data.events) === 1) await heard?.();
    if (received.length === count) break;
  }
  return received;
};
const sendQuery = async (query: string, variables = {}) => {
  const answer = await fetch(bareHub.url, {
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
  bareHub = await startBareHub();
  // Days of the log never go back, so the past of this test is today and its present is three days later.
  await append(dayAfter(0), 'a', 'b');
  await append(dayAfter(1, 5), 'c');
  await append(dayAfter(2, 7), 'd', 'e');
  cursors = (await sendQuery(PAGE)).data.events.nodes.map((node) => node.cursor);
  expect(await bareHub.database.transaction((tx) => dropEventsBefore(tx, dayAfter(2, 6)))).toHaveLength(2);
});
afterAll(() => bareHub?.close());

test('sends Gap with its times for events dropped by retention, then the remaining events', async () => {
  const [gap, batch] = await first(bareHub.socketUrl, cursors[0] as string, 2);
  expect(gap).toMatchObject({
    __typename: 'Gap',
    reason: 'RETENTION',
    fromTime: today.toISOString(),
    toTime: dayAfter(2, 7).toISOString(),
  });
  expect(batch?.events).toHaveLength(2);
  // Starts with the second day.
  const [later] = await first(bareHub.socketUrl, cursors[1] as string, 1);
  expect(later?.['fromTime']).toBe(dayAfter(1).toISOString());
  // The gap's own cursor resumes after it.
  const [rest] = await first(bareHub.socketUrl, String(gap?.['cursor']), 1);
  expect(rest).toMatchObject({ __typename: 'EventsBatch' });
  const [none] = await first(bareHub.socketUrl, cursors[2] as string, 1);
  expect(none).toMatchObject({ __typename: 'EventsBatch' });
});

test('queries fail with CURSOR_EXPIRED for a dropped cursor, and CURSOR_INVALID for a forged one or another filter', async () => {
  const code = async (query: string, after: string) => (await sendQuery(query, { after })).errors?.[0]?.extensions.code;
  const [old, , , held] = cursors as [string, string, string, string];
  expect(await code(PAGE, old)).toBe('CURSOR_EXPIRED');
  expect(await code(PAGE, held)).toBeUndefined();
  const forged = `${held.slice(0, -3)}${held.endsWith('AAA') ? 'BBB' : 'AAA'}`;
  expect(await code(PAGE, forged)).toBe('CURSOR_INVALID');
  const filtered =
    'query ($after: Cursor) { events(after: $after, filter: { kind: { eq: METER_ALARM } }) { nodes { id } } }';
  expect(await code(filtered, held)).toBe('CURSOR_INVALID');
  await expect(first(bareHub.socketUrl, forged, 1)).rejects.toMatchObject({ code: 'CURSOR_INVALID' });
});

test('sends Gap with reason RESTORE after the database was restored from an older copy, then new events', async () => {
  const newest = cursors[4] as string;
  await bareHub.database.plain.query('DELETE FROM event WHERE position > 4');
  await bareHub.database.plain.query('UPDATE event_head SET position = 4');
  const restored = await startBareHub({ database: bareHub.database });
  try {
    // Appended only after subscribing: once the log has grown as far again, the gap cannot be detected.
    const goOn = () => append(dayAfter(3), 'after the restore');
    const [gap, batch] = await first(restored.socketUrl, newest, 2, goOn);
    expect(gap).toMatchObject({ __typename: 'Gap', reason: 'RESTORE' });
    expect(batch?.events).toHaveLength(1);
  } finally {
    await restored.close();
  }
});

test('sends Gap to a connected subscriber that retention overtakes, then the remaining events', async () => {
  const tail = new LogTail(bareHub.database);
  await tail.open();
  const received: Record<string, unknown>[] = [];
  const abort = new AbortController();
  let drain = (): void => undefined;
  const sink: DeliverySink = {
    offer: ({ response: answer }) => {
      received.push(answer.data?.['events'] as Record<string, unknown>);
      return false;
    },
    waitForRoom: () =>
      new Promise((resolve) => {
        drain = resolve;
        abort.signal.addEventListener('abort', () => resolve(), { once: true });
      }),
    end: () => undefined,
  };
  const ids = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name} ${i}`);
  try {
    const deliveries = new SubscriptionRegistry({ operations: bareHub.hub.operations, tail });
    await deliveries.subscribe({ query: EVENTS_SUBSCRIPTION, principal: HUB_PRINCIPAL, signal: abort.signal }, sink);
    await append(dayAfter(4), 'read');
    await waitFor('the first is read', 30, () => received.length === 1);
    await append(dayAfter(4, 1), ...ids('dropped', 250));
    await append(dayAfter(5), ...ids('left', 120));
    await bareHub.database.transaction((tx) => dropEventsBefore(tx, dayAfter(5)));
    const left = () => received.flatMap((one) => (one['events'] as unknown[] | undefined) ?? []).length - 1;
    await waitFor('the rest is read', 30, () => {
      drain();
      return left() === 120;
    });
    const gaps = received.filter((one) => one['__typename'] === 'Gap');
    expect(gaps).toMatchObject([
      { reason: 'RETENTION', fromTime: dayAfter(4).toISOString(), toTime: dayAfter(5).toISOString() },
    ]);
  } finally {
    abort.abort();
    await tail.close();
  }
});
