/** One log, three faces: what a socket, server-sent events and Apollo Client's multipart link are told is the same. */
import { type ClientRequest, request } from 'node:http';
import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { follow } from '../gateway/client/index.ts';
import { until } from './hub.ts';
import { EVENTS, type LiveHub, liveHub, logged, write } from './live-hub.ts';

let live: LiveHub;
beforeAll(async () => {
  live = await liveHub();
});
afterAll(() => live?.close());

interface Raw {
  readonly call: ClientRequest;
  text: string;
  status: number;
  /** The hub has ended the answer as HTTP has it. */
  ended: boolean;
}
/** A request as `curl -N` makes it. */
function raw(
  headers: Record<string, string>,
  options: { method?: string; path?: string; body?: string; hub?: LiveHub } = {},
): Raw {
  const url = new URL((options.hub ?? live).url);
  const method = options.method ?? 'POST';
  const call = request({ port: url.port, path: options.path ?? '/graphql', method, headers });
  const made: Raw = { call, text: '', status: 0, ended: false };
  call.on('response', (response) => {
    made.status = response.statusCode ?? 0;
    response.setEncoding('utf8').on('data', (part: string) => {
      made.text += part;
    });
    response.on('end', () => {
      made.ended = true;
    });
    response.on('error', () => undefined);
  });
  call.on('error', () => undefined);
  call.end(options.body ?? (method === 'POST' ? JSON.stringify({ query: EVENTS }) : ''));
  return made;
}
const sse = { accept: 'text/event-stream', 'content-type': 'application/json' };
const idsIn = (text: string): string[] => [...text.matchAll(/"id":"([0-9a-f-]{36})"/g)].map((one) => one[1] as string);

test('a socket, SSE and Apollo Client 4 over HTTP get the same events', async () => {
  const stream = raw(sse);
  const client = new ApolloClient({
    cache: new InMemoryCache(),
    link: new HttpLink({ uri: live.url }),
  });
  const apollo: string[] = [];
  const faults: unknown[] = [];
  const subscription = client.subscribe({ query: gql(EVENTS), fetchPolicy: 'no-cache' }).subscribe({
    next: (result) => {
      if (result.error) faults.push(result.error);
      apollo.push(...idsIn(JSON.stringify(result.data)));
    },
    error: (error) => faults.push(error),
  });
  const socket: string[] = [];
  const followed = follow({ url: live.socketUrl, query: EVENTS, webSocket: WebSocket });
  const following = (async () => {
    for await (const { data } of followed) socket.push(...idsIn(JSON.stringify(data)));
  })();
  let n = 0;
  await until('all three listen', 10, async () => {
    await write(live.database, [`warm ${n++}`]);
    return idsIn(stream.text).length > 0 && apollo.length > 0 && socket.length > 0;
  });
  for (let i = 0; i < 20; i++) await write(live.database, [`x${i}`, `y${i}`]);
  const wanted = (await logged(live.database)).slice(-40);
  for (const got of [() => idsIn(stream.text), () => apollo, () => socket])
    await until('forty events', 10, () => got().slice(-40).join() === wanted.join());
  expect(faults).toEqual([]);
  stream.call.destroy();
  subscription.unsubscribe();
  followed.close();
  await following;
});

test('Last-Event-ID goes on behind the event it names', async () => {
  const path = `/graphql?query=${encodeURIComponent(EVENTS)}`;
  const first = raw({ accept: 'text/event-stream' }, { method: 'GET', path });
  await until('the stream begins', 10, () => first.text.startsWith(':'));
  await write(live.database, ['one']);
  const cursor = await until('an id', 10, () => /\nid: (\S+)\n/.exec(first.text)?.[1]);
  first.call.destroy();
  await write(live.database, ['two', 'three']);
  const again = raw({ accept: 'text/event-stream', 'last-event-id': cursor }, { method: 'GET', path });
  await until('what was missed', 10, () => idsIn(again.text).length === 2);
  expect(idsIn(again.text)).toEqual((await logged(live.database)).slice(-2));
  again.call.destroy();
});

test('queries are answered by SSE too; forged cursors and foreign pages are refused', async () => {
  const one = raw(sse, { body: JSON.stringify({ query: '{ __typename }' }) });
  await until('an answer', 10, () => one.text.includes('complete'));
  expect(one.text).toBe('event: next\ndata: {"data":{"__typename":"Query"}}\n\nevent: complete\ndata:\n\n');
  const costed = raw(sse, { body: JSON.stringify({ query: '{ parks { id } }', extensions: { cost: true } }) });
  await until('an answer with its cost', 10, () => costed.text.includes('complete'));
  expect(costed.text).toContain('"estimated"');
  const refused = async (made: Raw) => {
    await until('a refusal', 10, () => made.text.endsWith('}'));
    return [made.status, JSON.parse(made.text).errors[0].extensions.code];
  };
  const path = `/graphql?query=${encodeURIComponent(EVENTS)}`;
  const get = { accept: 'text/event-stream' };
  expect(await refused(raw({ ...sse, 'last-event-id': 'forged' }))).toEqual([400, 'CURSOR_INVALID']);
  expect(await refused(raw({ ...sse, 'content-type': 'text/plain' }))).toEqual([400, 'BAD_REQUEST']);
  expect(await refused(raw({ ...get, origin: 'https://elsewhere.example' }, { method: 'GET', path }))).toEqual([
    403,
    'FORBIDDEN',
  ]);
  expect(await refused(raw({ ...get, 'sec-fetch-site': 'cross-site' }, { method: 'GET', path }))).toEqual([
    403,
    'FORBIDDEN',
  ]);
});

test('a hub that goes down ends its streams at once and says nothing of completion; the cursor goes on at the next hub', async () => {
  const hub = await liveHub({ database: live.database });
  const streams = [raw(sse, { hub }), raw({ ...sse, accept: 'multipart/mixed;subscriptionSpec=1.0' }, { hub })];
  await until('both begin', 10, () => streams.every((one) => one.text !== ''));
  await write(live.database, ['before the end']);
  const cursor = await until('an id', 10, () => /\nid: (\S+)\n/.exec(streams[0]?.text ?? '')?.[1]);
  const before = Date.now();
  await hub.close();
  // A stream that held the stop up would be cut off after ten seconds.
  expect(Date.now() - before).toBeLessThan(8_000);
  await until('both end', 1, () => streams.every((one) => one.ended));
  expect(streams.map((one) => /complete|--\r\n$/.test(one.text))).toEqual([false, false]);
  await write(live.database, ['after it']);
  const again = raw({ ...sse, 'last-event-id': cursor });
  await until('what was missed', 10, () => idsIn(again.text).length > 0);
  expect(idsIn(again.text)).toEqual((await logged(live.database)).slice(-1));
  again.call.destroy();
});
