/** An event of the log that does not fit its type is passed over, named and counted; everything around it arrives once. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { HUB_PRINCIPAL, type Principal } from '../connectors/kit/auth/principal.ts';
import { makeLog } from '../connectors/kit/log.ts';
import { follow } from '../gateway/client/index.ts';
import { subscribe } from '../gateway/live/http-stream/delivery-iterator.ts';
import { Tail } from '../gateway/live/log-tail.ts';
import { Deliveries } from '../gateway/live/subscription-registry.ts';
import { appendEvents } from '../schema/database/events/event-log.ts';
import { until } from './hub.ts';
import { EVENTS, type LiveHub, liveHub, write } from './live-hub.ts';

let live: LiveHub;
const log: { msg: string; position?: string; reason?: string; installation?: string }[] = [];
beforeAll(async () => {
  live = await liveHub({ log: makeLog((line) => log.push(JSON.parse(line)), 'info') });
});
afterAll(() => live?.close());

interface Row {
  readonly position: string;
  readonly id: string;
  readonly bad: boolean;
  readonly recordedAt: Date;
}
let run = 0;

/** Writes one event a letter, `g` good and `b` one that `bad` spoils in the same transaction, before any reader hears of it. */
async function writeMixed(letters: string, bad = `data = '{"occupied": "many"}'`): Promise<Row[]> {
  run++;
  const ids = [...letters].map((letter, i) => `${run} ${i} ${letter}`);
  const made = await live.database.transaction(async (tx) => {
    const { fresh } = await appendEvents(
      tx,
      { installation: 'lakeside-parking', connector: 'parking', park: 'lakeside', at: new Date() },
      ids.map((foreignId) => ({ foreignId, time: new Date(), kind: 'OCCUPANCY_CHANGED', data: { occupied: 1 } })),
    );
    const poisoned = fresh.flatMap((one) => (one.foreignId.endsWith('b') ? [String(one.position)] : []));
    await tx.query(`UPDATE event SET ${bad} WHERE position = ANY($1::bigint[])`, [poisoned]);
    return fresh.map((one) => String(one.position));
  });
  const rows: { position: string; id: string; recordedAt: Date }[] = await live.database.plain.query(
    'SELECT position, id, recorded_at AS "recordedAt" FROM event WHERE position = ANY($1::bigint[]) ORDER BY position',
    [made],
  );
  return rows.map((row, i) => ({ ...row, bad: letters[i] === 'b' }));
}
// biome-ignore lint/suspicious/noExplicitAny: answers are read by path
type Data = any;
const ask = async (query: string, variables = {}): Promise<Data> => {
  const answer = await fetch(live.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  return answer.json();
};
const endCursor = async (): Promise<string> => {
  const { data } = await ask('{ events(last: 1) { pageInfo { endCursor } } }');
  if (data.events.pageInfo.endCursor !== null) return data.events.pageInfo.endCursor;
  await write(live.database, ['the first']);
  return endCursor();
};
/** Ids of events, and `gap` for each Gap. */
const wordsOf = (deliveries: Data[]): string[] =>
  deliveries.flatMap((one) => (one.__typename === 'Gap' ? ['gap'] : one.events.map((event: Data) => event.id)));
/** What is expected of these rows: ids, and one `gap` for each run of bad ones. */
const wanted = (rows: readonly Row[]): string[] =>
  rows.flatMap((row, i) => (!row.bad ? [row.id] : rows[i - 1]?.bad ? [] : ['gap']));
async function taken(after: string, words: number): Promise<Data[]> {
  const got: Data[] = [];
  for await (const { data } of follow<{ events: Data }>({
    ...{ url: live.socketUrl, query: EVENTS, after, webSocket: WebSocket },
  })) {
    if (data) got.push(data.events);
    if (wordsOf(got).length >= words) break;
  }
  return got;
}

test.each(['b', 'bg', 'gb', 'gbg', 'gbbbg', 'bgbgb', 'ggbbggbg', `${'g'.repeat(120)}b${'g'.repeat(120)}`])(
  'a subscription over a socket tells %# as events and gaps, and goes on behind each gap',
  async (letters) => {
    const after = await endCursor();
    const rows = await writeMixed(`${letters}g`);
    const got = await taken(after, wanted(rows).length);
    expect(wordsOf(got)).toEqual(wanted(rows));
    const gaps = got.filter((one) => one.__typename === 'Gap');
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
      const rest = wanted(rows.slice(end));
      expect(wordsOf(await taken(gap.cursor, rest.length))).toEqual(rest);
    }
  },
);

test('one that listens already, by socket, SSE and multipart, is told the same', async () => {
  const sse = await fetch(live.url, {
    method: 'POST',
    headers: { accept: 'text/event-stream', 'content-type': 'application/json' },
    body: JSON.stringify({ query: EVENTS }),
  });
  const multipart = await fetch(live.url, {
    method: 'POST',
    headers: { accept: 'multipart/mixed;subscriptionSpec=1.0', 'content-type': 'application/json' },
    body: JSON.stringify({ query: EVENTS }),
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
  const followed = follow<{ events: Data }>({ url: live.socketUrl, query: EVENTS, webSocket: WebSocket });
  const following = (async () => {
    for await (const { data } of followed) if (data) socket.push(data.events);
  })();
  let n = 0;
  await until('all three listen', 20, async () => {
    await write(live.database, [`warm ${n++}`]);
    return socket.length > 0 && texts.every((one) => one.text.includes('"id"'));
  });
  const rows = await writeMixed('gbbgbg');
  const words = wanted(rows);
  const inText = (text: string): string[] =>
    [...text.matchAll(/"__typename":"Gap"|"id":"([0-9a-f-]{36})"/g)].map((one) => one[1] ?? 'gap');
  for (const got of [() => wordsOf(socket), ...texts.map((one) => () => inText(one.text))])
    await until('all of it', 20, () => got().slice(-words.length).join() === words.join());
  followed.close();
  await following;
  for (const one of texts) await one.reader?.cancel();
});

test('whom the event does not concern hears of no gap: another filter, another park, another right', async () => {
  const tail = new Tail(live.database);
  await tail.open();
  const { operations } = live.hub;
  const gone = new AbortController();
  const listen = async (query: string, principal: Principal) => {
    const told: Data[] = [];
    const deliveries = new Deliveries({ operations, tail });
    const sequence = await subscribe({ deliveries }, { query, principal, signal: gone.signal });
    void (async () => {
      for await (const { answer } of sequence) told.push(answer.data?.['events']);
    })();
    return told;
  };
  const alarms = EVENTS.replace('after: $after', 'after: $after, filter: { kind: { eq: METER_ALARM } }');
  const all = await listen(EVENTS, HUB_PRINCIPAL);
  const filtered = await listen(alarms, HUB_PRINCIPAL);
  const elsewhere = await listen(EVENTS, { ...HUB_PRINCIPAL, roles: ['operator'], parks: ['hillside'] });
  const rightless = await listen(EVENTS, { ...HUB_PRINCIPAL, roles: ['portal'], scopes: new Set<string>() });
  const [first] = await writeMixed('b');
  // Of a kind that one of them may not read.
  const [second] = await writeMixed('b', `kind = 'METER_ALARM', data = '{}'`);
  const more = await writeMixed('g');
  await until('all of it', 20, () => [all, rightless].every((one) => wordsOf(one).at(-1) === more[0]?.id));
  // Both, as one gap or as two.
  expect(all.filter((one) => one.__typename === 'Gap').at(-1).toTime).toBe(second?.recordedAt.toISOString());
  // Of the first it learns, of the second not.
  expect(rightless.filter((one) => one.__typename === 'Gap')).toHaveLength(1);
  expect(rightless[0]?.toTime).toBe(first?.recordedAt.toISOString());
  expect(wordsOf(filtered)).toEqual(['gap']);
  expect(wordsOf(elsewhere)).toEqual([]);
  gone.abort();
  await tail.close();
});

test('a page of the query tells gaps beside its nodes, in both directions, and its cursors go on behind them', async () => {
  const after = await endCursor();
  const rows = await writeMixed('gbbgb');
  const page = `edges { node { id } } nodes { id } gaps { reason fromTime toTime cursor } pageInfo { endCursor startCursor hasNextPage }`;
  const forward = await ask(`query ($after: Cursor) { events(first: 50, after: $after) { ${page} } }`, { after });
  expect(forward.errors).toBeUndefined();
  const { nodes, edges, gaps, pageInfo } = forward.data.events;
  const good = rows.filter((row) => !row.bad).map((row) => row.id);
  expect([nodes.map((one: Data) => one.id), edges.map((one: Data) => one.node.id)]).toEqual([good, good]);
  expect(gaps).toMatchObject([
    { reason: 'INVALID_EVENT', fromTime: rows[1]?.recordedAt.toISOString(), toTime: rows[2]?.recordedAt.toISOString() },
    { reason: 'INVALID_EVENT' },
  ]);
  expect(gaps[1].cursor).toBe(pageInfo.endCursor);
  const backward = await ask(`{ events(last: 5) { ${page} } }`);
  expect(backward.data.events).toMatchObject({ nodes, gaps });
  const steps: string[] = [];
  for (let [at, more] = [after, true]; more; ) {
    const { data } = await ask(`query ($after: Cursor) { events(first: 1, after: $after) { ${page} } }`, { after: at });
    steps.push(...data.events.nodes.map((one: Data) => one.id), ...data.events.gaps.map(() => 'gap'));
    at = data.events.pageInfo.endCursor;
    more = data.events.pageInfo.hasNextPage;
  }
  expect(steps).toEqual([good[0], 'gap', 'gap', good[1], 'gap']);
  const [next] = await writeMixed('g');
  expect(wordsOf(await taken(pageInfo.endCursor, 1))).toEqual([next?.id]);
});

test('it is kept in event_quarantine with field and reason, logged once, counted once, and readable after its repair', async () => {
  const after = await endCursor();
  const [bad] = await writeMixed('bg');
  const invalid = async () => {
    const text = await (await fetch(live.url.replace('/graphql', '/metrics'))).text();
    return Number(/isthmus_events_invalid_total\{installation="lakeside-parking",found="log"\} (\d+)/.exec(text)?.[1]);
  };
  const before = await invalid();
  for (let i = 0; i < 3; i++)
    await ask('query ($after: Cursor) { events(first: 50, after: $after) { nodes { id } } }', { after });
  const lines = () => log.filter((one) => one.position === bad?.position);
  await until('the line in the log', 10, () => lines().length > 0);
  expect(lines()).toMatchObject([
    {
      installation: 'lakeside-parking',
      reason: 'OCCUPANCY_CHANGED.occupied must be an Int, a whole number of 32 bits, found a text',
    },
  ]);
  expect(await invalid()).toBe((before || 0) + 1);
  const kept = await live.database.plain.query('SELECT * FROM event_quarantine WHERE position = $1', [bad?.position]);
  expect(kept).toMatchObject([{ installation: 'lakeside-parking', kind: 'OCCUPANCY_CHANGED', field: 'occupied' }]);
  expect(JSON.parse(kept[0].event)).toMatchObject({ id: bad?.id, data: { occupied: 'many' } });
  await live.database.plain.query(`UPDATE event SET data = '{"occupied": 3}' WHERE position = $1`, [bad?.position]);
  const { data } = await ask(
    'query ($after: Cursor) { events(first: 50, after: $after) { nodes { id } gaps { reason } } }',
    {
      after,
    },
  );
  expect([data.events.nodes[0].id, data.events.gaps]).toEqual([bad?.id, []]);
});

test.each([
  ['another kind, of a newer version', "kind = 'FROM_TOMORROW'"],
  ['a type name of its own', `data = '{"typename": "Nobody", "occupied": 1}'`],
  ['a time that is none', "time = 'infinity'"],
  ['a company that is none', "company = 'nobody'"],
  ['data that is no object', `data = '[1]'`],
])('whatever it holds that does not fit is no end of a subscription: %s', async (what, change) => {
  const after = await endCursor();
  const [bad] = await writeMixed('bg', change);
  const got = await taken(after, 2);
  // What is merely not declared is not shown.
  expect(wordsOf(got)[0]).toBe(what === 'a type name of its own' ? bad?.id : 'gap');
  expect(wordsOf(got)).toHaveLength(2);
});
