/** An event of the log that does not match its type is skipped with a gap, logged and counted; all others arrive once. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { HUB_PRINCIPAL, type Principal } from '../connectors/kit/auth/principal.ts';
import { createLog } from '../connectors/kit/log.ts';
import { follow } from '../gateway/client/index.ts';
import { iterateDeliveries } from '../gateway/live/http-stream/delivery-iterator.ts';
import { LogTail } from '../gateway/live/log-tail.ts';
import { SubscriptionRegistry } from '../gateway/live/subscription-registry.ts';
import { appendEvents } from '../schema/database/events/event-log.ts';
import { appendTestEvents, type BareHub, EVENTS_SUBSCRIPTION, startBareHub } from './bare-hub.ts';
import { waitFor } from './test-hub.ts';

let bareHub: BareHub;
const log: { msg: string; position?: string; reason?: string; installation?: string }[] = [];
beforeAll(async () => {
  bareHub = await startBareHub({ log: createLog((line) => log.push(JSON.parse(line)), 'info') });
});
afterAll(() => bareHub?.close());

interface Row {
  readonly position: string;
  readonly id: string;
  readonly bad: boolean;
  readonly recordedAt: Date;
}
let run = 0;

/** Appends one event per letter: `g` valid, `b` invalidated by `bad` in the same transaction, before any reader sees it. */
async function writeMixed(letters: string, bad = `data = '{"occupied": "many"}'`): Promise<Row[]> {
  run++;
  const ids = [...letters].map((letter, i) => `${run} ${i} ${letter}`);
  const made = await bareHub.database.transaction(async (tx) => {
    const { added } = await appendEvents(
      tx,
      { installation: 'lakeside-parking', connector: 'parking', park: 'lakeside', at: new Date() },
      ids.map((foreignId) => ({ foreignId, time: new Date(), kind: 'OCCUPANCY_CHANGED', data: { occupied: 1 } })),
    );
    const poisoned = added.flatMap((one) => (one.foreignId.endsWith('b') ? [String(one.position)] : []));
    await tx.query(`UPDATE event SET ${bad} WHERE position = ANY($1::bigint[])`, [poisoned]);
    return added.map((one) => String(one.position));
  });
  const rows: { position: string; id: string; recordedAt: Date }[] = await bareHub.database.plain.query(
    'SELECT position, id, recorded_at AS "recordedAt" FROM event WHERE position = ANY($1::bigint[]) ORDER BY position',
    [made],
  );
  return rows.map((row, i) => ({ ...row, bad: letters[i] === 'b' }));
}
// biome-ignore lint/suspicious/noExplicitAny: answers are read by path
type Data = any;
const query = async (query: string, variables = {}): Promise<Data> => {
  const answer = await fetch(bareHub.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  return answer.json();
};
const endCursor = async (): Promise<string> => {
  const { data } = await query('{ events(last: 1) { pageInfo { endCursor } } }');
  if (data.events.pageInfo.endCursor !== null) return data.events.pageInfo.endCursor;
  await appendTestEvents(bareHub.database, ['the first']);
  return endCursor();
};
/** Ids of events, and `gap` for each Gap. */
const idsAndGaps = (deliveries: Data[]): string[] =>
  deliveries.flatMap((delivery) =>
    delivery.__typename === 'Gap' ? ['gap'] : delivery.events.map((event: Data) => event.id),
  );
/** The expected deliveries of these rows: ids, and one `gap` for each run of invalid ones. */
const expectedOf = (rows: readonly Row[]): string[] =>
  rows.flatMap((row, i) => (!row.bad ? [row.id] : rows[i - 1]?.bad ? [] : ['gap']));
async function receive(after: string, count: number): Promise<Data[]> {
  const deliveries: Data[] = [];
  for await (const { data } of follow<{ events: Data }>({
    ...{ url: bareHub.socketUrl, query: EVENTS_SUBSCRIPTION, after, webSocket: WebSocket },
  })) {
    if (data) deliveries.push(data.events);
    if (idsAndGaps(deliveries).length >= count) break;
  }
  return deliveries;
}

test.each(['b', 'bg', 'gb', 'gbg', 'gbbbg', 'bgbgb', 'ggbbggbg', `${'g'.repeat(120)}b${'g'.repeat(120)}`])(
  'a WebSocket subscription delivers the valid events and one gap per run of invalid ones, and resumes after each gap (case %#)',
  async (letters) => {
    const after = await endCursor();
    const rows = await writeMixed(`${letters}g`);
    const deliveries = await receive(after, expectedOf(rows).length);
    expect(idsAndGaps(deliveries)).toEqual(expectedOf(rows));
    const gaps = deliveries.filter((one) => one.__typename === 'Gap');
    const runs = rows.filter((row, i) => row.bad && !rows[i - 1]?.bad).map((row) => rows.indexOf(row));
    expect(gaps).toHaveLength(runs.length);
    for (const [n, gap] of gaps.entries()) {
      const start = runs[n] as number;
      const end = rows.findIndex((row, i) => i > start && !row.bad);
      expect(gap).toMatchObject({
        reason: 'INVALID_EVENT',
        fromTime: rows[start]?.recordedAt.toISOString(),
        toTime: rows[end - 1]?.recordedAt.toISOString(),
      });
      const rest = expectedOf(rows.slice(end));
      expect(idsAndGaps(await receive(gap.cursor, rest.length))).toEqual(rest);
    }
  },
);

test('gaps for invalid events: running subscriptions over WebSocket, SSE and multipart receive the same', async () => {
  const sse = await fetch(bareHub.url, {
    method: 'POST',
    headers: { accept: 'text/event-stream', 'content-type': 'application/json' },
    body: JSON.stringify({ query: EVENTS_SUBSCRIPTION }),
  });
  const multipart = await fetch(bareHub.url, {
    method: 'POST',
    headers: { accept: 'multipart/mixed;subscriptionSpec=1.0', 'content-type': 'application/json' },
    body: JSON.stringify({ query: EVENTS_SUBSCRIPTION }),
  });
  const texts = [sse, multipart].map((response) => {
    const held = { text: '', reader: response.body?.getReader() };
    void (async () => {
      for (;;) {
        const part = await held.reader?.read();
        if (!part || part.done) return;
        held.text += Buffer.from(part.value).toString('utf8');
      }
    })().catch(() => undefined);
    return held;
  });
  const socket: Data[] = [];
  const followed = follow<{ events: Data }>({
    url: bareHub.socketUrl,
    query: EVENTS_SUBSCRIPTION,
    webSocket: WebSocket,
  });
  const following = (async () => {
    for await (const { data } of followed) if (data) socket.push(data.events);
  })();
  let n = 0;
  await waitFor('all three deliver', 20, async () => {
    await appendTestEvents(bareHub.database, [`warm ${n++}`]);
    return socket.length > 0 && texts.every((text) => text.text.includes('"id"'));
  });
  const rows = await writeMixed('gbbgbg');
  const expected = expectedOf(rows);
  const inText = (text: string): string[] =>
    [...text.matchAll(/"__typename":"Gap"|"id":"([0-9a-f-]{36})"/g)].map((one) => one[1] ?? 'gap');
  for (const deliveries of [() => idsAndGaps(socket), ...texts.map((text) => () => inText(text.text))])
    await waitFor('all deliveries', 20, () => deliveries().slice(-expected.length).join() === expected.join());
  followed.close();
  await following;
  for (const text of texts) await text.reader?.cancel();
});

test('sends no gap to callers whom the event does not concern: other filter, park or permission', async () => {
  const tail = new LogTail(bareHub.database);
  await tail.open();
  const { operations } = bareHub.hub;
  const abort = new AbortController();
  const listen = async (query: string, principal: Principal) => {
    const received: Data[] = [];
    const subscriptions = new SubscriptionRegistry({ operations, tail });
    const sequence = await iterateDeliveries({ subscriptions }, { query, principal, signal: abort.signal });
    void (async () => {
      for await (const { response: answer } of sequence) received.push(answer.data?.['events']);
    })();
    return received;
  };
  const alarms = EVENTS_SUBSCRIPTION.replace('after: $after', 'after: $after, filter: { kind: { eq: METER_ALARM } }');
  const all = await listen(EVENTS_SUBSCRIPTION, HUB_PRINCIPAL);
  const filtered = await listen(alarms, HUB_PRINCIPAL);
  const elsewhere = await listen(EVENTS_SUBSCRIPTION, { ...HUB_PRINCIPAL, roles: ['operator'], parks: ['hillside'] });
  const rightless = await listen(EVENTS_SUBSCRIPTION, {
    ...HUB_PRINCIPAL,
    roles: ['portal'],
    scopes: new Set<string>(),
  });
  const [first] = await writeMixed('b');
  // Of a kind that one of the callers may not read.
  const [second] = await writeMixed('b', `kind = 'METER_ALARM', data = '{}'`);
  const more = await writeMixed('g');
  await waitFor('all deliveries', 20, () => [all, rightless].every((one) => idsAndGaps(one).at(-1) === more[0]?.id));
  // Both events, as one gap or as two.
  expect(all.filter((one) => one.__typename === 'Gap').at(-1).toTime).toBe(second?.recordedAt.toISOString());
  // This caller sees a gap for the first event only.
  expect(rightless.filter((one) => one.__typename === 'Gap')).toHaveLength(1);
  expect(rightless[0]?.toTime).toBe(first?.recordedAt.toISOString());
  expect(idsAndGaps(filtered)).toEqual(['gap']);
  expect(idsAndGaps(elsewhere)).toEqual([]);
  abort.abort();
  await tail.close();
});

test('the events query returns gaps beside its nodes, in both directions, and its cursors resume after them', async () => {
  const after = await endCursor();
  const rows = await writeMixed('gbbgb');
  const page = `edges { node { id } } nodes { id } gaps { reason fromTime toTime cursor } pageInfo { endCursor startCursor hasNextPage }`;
  const forward = await query(`query ($after: Cursor) { events(first: 50, after: $after) { ${page} } }`, { after });
  expect(forward.errors).toBeUndefined();
  const { nodes, edges, gaps, pageInfo } = forward.data.events;
  const good = rows.filter((row) => !row.bad).map((row) => row.id);
  expect([nodes.map((node: Data) => node.id), edges.map((edge: Data) => edge.node.id)]).toEqual([good, good]);
  expect(gaps).toMatchObject([
    { reason: 'INVALID_EVENT', fromTime: rows[1]?.recordedAt.toISOString(), toTime: rows[2]?.recordedAt.toISOString() },
    { reason: 'INVALID_EVENT' },
  ]);
  expect(gaps[1].cursor).toBe(pageInfo.endCursor);
  const backward = await query(`{ events(last: 5) { ${page} } }`);
  expect(backward.data.events).toMatchObject({ nodes, gaps });
  const steps: string[] = [];
  for (let [at, more] = [after, true]; more; ) {
    const { data } = await query(`query ($after: Cursor) { events(first: 1, after: $after) { ${page} } }`, {
      after: at,
    });
    steps.push(...data.events.nodes.map((node: Data) => node.id), ...data.events.gaps.map(() => 'gap'));
    at = data.events.pageInfo.endCursor;
    more = data.events.pageInfo.hasNextPage;
  }
  expect(steps).toEqual([good[0], 'gap', 'gap', good[1], 'gap']);
  const [next] = await writeMixed('g');
  expect(idsAndGaps(await receive(pageInfo.endCursor, 1))).toEqual([next?.id]);
});

test('stores the event in event_quarantine with field and reason, logs and counts it once, and reads it after repair', async () => {
  const after = await endCursor();
  const [bad] = await writeMixed('bg');
  const invalid = async () => {
    const text = await (await fetch(bareHub.url.replace('/graphql', '/metrics'))).text();
    return Number(/isthmus_events_invalid_total\{installation="lakeside-parking",found="log"\} (\d+)/.exec(text)?.[1]);
  };
  const before = await invalid();
  for (let i = 0; i < 3; i++)
    await query('query ($after: Cursor) { events(first: 50, after: $after) { nodes { id } } }', { after });
  const lines = () => log.filter((one) => one.position === bad?.position);
  await waitFor('the line in the log', 10, () => lines().length > 0);
  expect(lines()).toMatchObject([
    {
      installation: 'lakeside-parking',
      reason: 'OCCUPANCY_CHANGED.occupied must be an Int, a 32-bit integer, found a string',
    },
  ]);
  expect(await invalid()).toBe((before || 0) + 1);
  const quarantined = await bareHub.database.plain.query('SELECT * FROM event_quarantine WHERE position = $1', [
    bad?.position,
  ]);
  expect(quarantined).toMatchObject([
    { installation: 'lakeside-parking', kind: 'OCCUPANCY_CHANGED', field: 'occupied' },
  ]);
  expect(JSON.parse(quarantined[0].event)).toMatchObject({ id: bad?.id, data: { occupied: 'many' } });
  await bareHub.database.plain.query(`UPDATE event SET data = '{"occupied": 3}' WHERE position = $1`, [bad?.position]);
  const { data } = await query(
    'query ($after: Cursor) { events(first: 50, after: $after) { nodes { id } gaps { reason } } }',
    {
      after,
    },
  );
  expect([data.events.nodes[0].id, data.events.gaps]).toEqual([bad?.id, []]);
});

test.each([
  ['an unknown kind of a newer version', "kind = 'FROM_TOMORROW'"],
  ['a type name of its own', `data = '{"typename": "Nobody", "occupied": 1}'`],
  ['an infinite time', "time = 'infinity'"],
  ['an invalid company code', "company = 'nobody'"],
  ['data that is not an object', `data = '[1]'`],
])('an invalid event does not end a subscription: %s', async (what, change) => {
  const after = await endCursor();
  const [bad] = await writeMixed('bg', change);
  const deliveries = await receive(after, 2);
  // An undeclared property is ignored.
  expect(idsAndGaps(deliveries)[0]).toBe(what === 'a type name of its own' ? bad?.id : 'gap');
  expect(idsAndGaps(deliveries)).toHaveLength(2);
});
