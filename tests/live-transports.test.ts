/** WebSocket, server-sent events and Apollo Client's multipart link deliver the same events. */
import { type ClientRequest, request } from 'node:http';
import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { createLog } from '../connectors/kit/log.ts';
import { follow } from '../gateway/client/index.ts';
import { appendTestEvents, type BareHub, EVENTS_SUBSCRIPTION, loggedEventIds, startBareHub } from './bare-hub.ts';
import { waitFor } from './test-hub.ts';

let bareHub: BareHub;
const log: { level: string | number; msg: string }[] = [];
beforeAll(async () => {
  bareHub = await startBareHub({ log: createLog((line) => log.push(JSON.parse(line)), 'info') });
});
afterAll(() => bareHub?.close());

interface Raw {
  readonly call: ClientRequest;
  text: string;
  status: number;
  /** Whether the server ended the response normally. */
  ended: boolean;
}
/** A request as `curl -N` makes it. */
function raw(
  headers: Record<string, string>,
  options: { method?: string; path?: string; body?: string; hub?: BareHub } = {},
): Raw {
  const url = new URL((options.hub ?? bareHub).url);
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
  call.end(options.body ?? (method === 'POST' ? JSON.stringify({ query: EVENTS_SUBSCRIPTION }) : ''));
  return made;
}
// biome-ignore lint/suspicious/noExplicitAny: messages are read by path
type Data = any;
const sse = { accept: 'text/event-stream', 'content-type': 'application/json' };
const idsIn = (text: string): string[] => [...text.matchAll(/"id":"([0-9a-f-]{36})"/g)].map((one) => one[1] as string);

test('WebSocket, SSE and Apollo Client 4 over HTTP receive the same events', async () => {
  const stream = raw(sse);
  const client = new ApolloClient({
    cache: new InMemoryCache(),
    link: new HttpLink({ uri: bareHub.url }),
  });
  const apollo: string[] = [];
  const failures: unknown[] = [];
  const subscription = client.subscribe({ query: gql(EVENTS_SUBSCRIPTION), fetchPolicy: 'no-cache' }).subscribe({
    next: (result) => {
      if (result.error) failures.push(result.error);
      apollo.push(...idsIn(JSON.stringify(result.data)));
    },
    error: (error) => failures.push(error),
  });
  const socket: string[] = [];
  const followed = follow({ url: bareHub.socketUrl, query: EVENTS_SUBSCRIPTION, webSocket: WebSocket });
  const following = (async () => {
    for await (const { data } of followed) socket.push(...idsIn(JSON.stringify(data)));
  })();
  let n = 0;
  await waitFor('all three listen', 10, async () => {
    await appendTestEvents(bareHub.database, [`warm ${n++}`]);
    return idsIn(stream.text).length > 0 && apollo.length > 0 && socket.length > 0;
  });
  for (let i = 0; i < 20; i++) await appendTestEvents(bareHub.database, [`x${i}`, `y${i}`]);
  const wanted = (await loggedEventIds(bareHub.database)).slice(-40);
  for (const received of [() => idsIn(stream.text), () => apollo, () => socket])
    await waitFor('forty events', 10, () => received().slice(-40).join() === wanted.join());
  expect(failures).toEqual([]);
  stream.call.destroy();
  subscription.unsubscribe();
  followed.close();
  await following;
});

test('resumes after the event named by Last-Event-ID', async () => {
  const path = `/graphql?query=${encodeURIComponent(EVENTS_SUBSCRIPTION)}`;
  const first = raw({ accept: 'text/event-stream' }, { method: 'GET', path });
  await waitFor('the stream begins', 10, () => first.text.startsWith(':'));
  await appendTestEvents(bareHub.database, ['one']);
  const cursor = await waitFor('an id', 10, () => /\nid: (\S+)\n/.exec(first.text)?.[1]);
  first.call.destroy();
  await appendTestEvents(bareHub.database, ['two', 'three']);
  const again = raw({ accept: 'text/event-stream', 'last-event-id': cursor }, { method: 'GET', path });
  await waitFor('what was missed', 10, () => idsIn(again.text).length === 2);
  expect(idsIn(again.text)).toEqual((await loggedEventIds(bareHub.database)).slice(-2));
  again.call.destroy();
});

test('answers queries over SSE; rejects forged cursors and other origins', async () => {
  const one = raw(sse, { body: JSON.stringify({ query: '{ __typename }' }) });
  await waitFor('an answer', 10, () => one.text.includes('complete'));
  expect(one.text).toBe('event: next\ndata: {"data":{"__typename":"Query"}}\n\nevent: complete\ndata:\n\n');
  const costed = raw(sse, { body: JSON.stringify({ query: '{ parks { id } }', extensions: { cost: true } }) });
  await waitFor('an answer with its cost', 10, () => costed.text.includes('complete'));
  expect(costed.text).toContain('"estimated"');
  const refused = async (made: Raw) => {
    await waitFor('a refusal', 10, () => made.text.endsWith('}'));
    return [made.status, JSON.parse(made.text).errors[0].extensions.code];
  };
  const path = `/graphql?query=${encodeURIComponent(EVENTS_SUBSCRIPTION)}`;
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

/** Opens a WebSocket with `params`, sends the messages, and returns what it received and how it was closed. */
function socket(
  messages: readonly object[],
  { params, headers = {} }: { params?: unknown; headers?: Record<string, string | string[]> } = {},
): Promise<{ received: Data[]; code: number | null; reason: string }> {
  return new Promise((resolve) => {
    const one = new WebSocket(bareHub.socketUrl, 'graphql-transport-ws', { headers });
    const received: Data[] = [];
    let code: number | null = null;
    let ended = 0;
    const done = () => one.terminate();
    one.on('open', () => one.send(JSON.stringify({ type: 'connection_init', payload: params })));
    one.on('message', (data) => {
      const message = JSON.parse(String(data));
      if (message.type === 'connection_ack') {
        if (messages.length === 0) done();
        for (const each of messages) one.send(JSON.stringify(each));
        return;
      }
      received.push(message);
      if (message.type === 'error' || message.type === 'complete') ended += 1;
      if (ended === messages.length) done();
    });
    one.on('error', () => undefined);
    let why = '';
    one.on('close', (number, reason) => {
      if (number !== 1006) code = number;
      why = String(reason);
      resolve({ received, code, reason: why });
    });
  });
}
const operation = (id: string, payload: object) => ({ id, type: 'subscribe', payload });
const errors = () => log.filter(({ level }) => level === 'error' || level === 50);

const FILTERED = `subscription ($after: Cursor, $filter: EventFilter, $first: Int!) {
  events(after: $after, filter: $filter) { ... on EventsBatch { cursor events { id ... on CaseChanged { case { id } } company { badges(first: $first) { nodes { id } } } } } }
}`;
/** Payloads that are rejected before execution, with the error code. */
const REJECTED: readonly (readonly [string, Record<string, unknown>, string])[] = [
  ['a syntax error', { query: '{ parks {' }, 'GRAPHQL_PARSE_FAILED'],
  ['an unknown field', { query: '{ nothing }' }, 'GRAPHQL_VALIDATION_FAILED'],
  ['an unknown operation', { query: 'query A { parks { id } }', operationName: 'B' }, 'OPERATION_RESOLUTION_FAILURE'],
  [
    'an unknown operation beside a subscription',
    {
      query: `${EVENTS_SUBSCRIPTION.replace('subscription', 'subscription S')} query A { parks { id } }`,
      operationName: 'B',
    },
    'OPERATION_RESOLUTION_FAILURE',
  ],
  ['a literal', { query: '{ company(uscc: "x") { name } }' }, 'BAD_USER_INPUT'],
  [
    'a variable',
    {
      query: 'query ($v: [USCC!]) { companies(filter: { uscc: { in: $v } }) { nodes { name } } }',
      variables: { v: ['x'] },
    },
    'BAD_USER_INPUT',
  ],
  ['a NUL', { query: 'query ($v: ID!) { building(id: $v) { id } }', variables: { v: 'a\0b' } }, 'BAD_USER_INPUT'],
  [
    'a long id',
    { query: 'query ($v: ID!) { door(id: $v) { id } }', variables: { v: 'x'.repeat(5_000) } },
    'BAD_USER_INPUT',
  ],
  ['a subscription’s cursor', { query: EVENTS_SUBSCRIPTION, variables: { after: '' } }, 'BAD_USER_INPUT'],
  [
    'a subscription’s long cursor',
    { query: EVENTS_SUBSCRIPTION, variables: { after: 'x'.repeat(3_000) } },
    'BAD_USER_INPUT',
  ],
  ['a subscription’s forged cursor', { query: EVENTS_SUBSCRIPTION, variables: { after: 'forged' } }, 'CURSOR_INVALID'],
  [
    'a subscription’s filter',
    { query: FILTERED, variables: { filter: { company: { eq: 'x' } }, first: 1 } },
    'BAD_USER_INPUT',
  ],
  ['a missing variable that a subscription uses only with its first event', { query: FILTERED }, 'BAD_USER_INPUT'],
];

test.each(REJECTED)(
  '%s ends only that operation of a WebSocket with an error, and a stream before it begins',
  async (_, payload, code) => {
    const good = operation('good', { query: 'query A { __typename }', operationName: '' });
    const { received, code: closed } = await socket([operation('bad', payload), good]);
    expect(closed).toBeNull();
    const bad = received.filter((one) => one.id === 'bad');
    expect(bad.map((one) => [one.type, one.payload[0].extensions.code])).toEqual([['error', code]]);
    expect(received.filter((one) => one.id === 'good').map((one) => one.type)).toEqual(['next', 'complete']);
    const stream = raw(sse, { body: JSON.stringify(payload) });
    await waitFor('a refusal', 10, () => stream.ended);
    const answer = JSON.parse(stream.text);
    expect([stream.status, answer.errors[0].extensions.code]).toEqual([400, code]);
    expect(answer).not.toHaveProperty('data');
    expect(errors()).toEqual([]);
  },
);

test.each([
  ['forged', 'CURSOR_INVALID'],
  ['a, b', 'CURSOR_INVALID'],
  ['\u00ff\u0080\u00fe', 'CURSOR_INVALID'],
  ['0', 'CURSOR_INVALID'],
  ['x'.repeat(3_000), 'BAD_USER_INPUT'],
])('rejects Last-Event-ID %j with %s', async (value, code) => {
  const stream = raw({ ...sse, 'last-event-id': value });
  await waitFor('a refusal', 10, () => stream.ended);
  expect([stream.status, JSON.parse(stream.text).errors[0].extensions.code]).toEqual([400, code]);
  expect(errors()).toEqual([]);
});

/** Invalid credentials; without any, a caller on this machine is a developer. */
const INVALID_CREDENTIALS: readonly { params?: unknown; headers?: Record<string, string> }[] = [
  { params: { authorization: 'Bearer wrong' } },
  { params: { Authorization: 'Bearer wrong' } },
  { params: { AUTHORIZATION: 'Basic eDp5' } },
  { params: { authorization: '' } },
  { params: { headers: { Authorization: 'Bearer wrong' } } },
  { params: { authToken: 'wrong' } },
  { params: { 'X-API-Key': 'wrong' } },
  { headers: { authorization: 'Bearer wrong' } },
  { headers: { authorization: 'Basic eDp5' } },
  { headers: { 'x-api-key': 'wrong' } },
];
test.each(INVALID_CREDENTIALS.map((one) => ({ one, name: JSON.stringify(one) })))(
  'closes a WebSocket with invalid credentials with 4403 and a reason: $name',
  async ({ one }) => {
    const { code, reason } = await socket([], one);
    expect(code).toBe(4403);
    expect(reason).toContain('Bearer <token>');
  },
);

test('responds 401 to invalid credentials over HTTP and SSE, and answers the same request without any', async () => {
  const body = JSON.stringify({ query: '{ __typename }' });
  for (const type of ['application/json', 'text/event-stream']) {
    const headers = { 'content-type': 'application/json', accept: type };
    for (const credentials of [
      { authorization: 'Basic eDp5' },
      { authorization: 'Token wrong' },
      { authorization: 'Bearer' },
      { authorization: 'Bearer ' },
      { authorization: 'wrong' },
      { 'x-api-key': 'wrong' },
    ]) {
      const answer = await fetch(bareHub.url, {
        method: 'POST',
        headers: { ...headers, ...credentials } as never,
        body,
      });
      const received = (await answer.json()) as Data;
      expect([answer.status, received.errors[0].extensions.code]).toEqual([401, 'UNAUTHENTICATED']);
      expect(answer.headers.get('www-authenticate')).toContain('Bearer');
      expect(received.errors[0].message).toContain('Bearer <token>');
    }
    expect((await fetch(bareHub.url, { method: 'POST', headers, body })).status).toBe(200);
  }
  expect(errors()).toEqual([]);
});

test('ends streams without `complete` at shutdown; the cursor resumes at another hub', async () => {
  const hub = await startBareHub({ database: bareHub.database });
  const streams = [raw(sse, { hub }), raw({ ...sse, accept: 'multipart/mixed;subscriptionSpec=1.0' }, { hub })];
  await waitFor('both begin', 10, () => streams.every((stream) => stream.text !== ''));
  await appendTestEvents(bareHub.database, ['before the end']);
  const cursor = await waitFor('an id', 10, () => /\nid: (\S+)\n/.exec(streams[0]?.text ?? '')?.[1]);
  const before = Date.now();
  await hub.close();
  // A stream that delayed the shutdown would be cut off after ten seconds.
  expect(Date.now() - before).toBeLessThan(8_000);
  await waitFor('both end', 1, () => streams.every((stream) => stream.ended));
  expect(streams.map((stream) => /complete|--\r\n$/.test(stream.text))).toEqual([false, false]);
  await appendTestEvents(bareHub.database, ['after it']);
  const again = raw({ ...sse, 'last-event-id': cursor });
  await waitFor('what was missed', 10, () => idsIn(again.text).length > 0);
  expect(idsIn(again.text)).toEqual((await loggedEventIds(bareHub.database)).slice(-1));
  again.call.destroy();
});
