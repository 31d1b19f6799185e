/** `/graphql` answers in what the client accepts: JSON, server-sent events, multipart, a page. */
import { Client, cacheExchange, fetchExchange } from '@urql/core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { graphqlFace } from '../gateway/http/apollo-server.ts';
import { EVENTS, type LiveHub, liveHub, write } from './live-hub.ts';

const URQL =
  'application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed';
const APOLLO =
  'multipart/mixed;boundary="graphql";subscriptionSpec="1.0",application/graphql-response+json,application/json;q=0.9';
const CHROMIUM = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8';
const NEED_STREAM = 'Subscriptions need a WebSocket or `text/event-stream`.';

let live: LiveHub;
beforeAll(async () => {
  live = await liveHub();
});
afterAll(() => live?.close());

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

/** The answer; of a stream without an end, its begin. */
async function read(sent: Promise<Response>): Promise<Reply> {
  const answer = await sent;
  const type = (answer.headers.get('content-type') ?? '').split(';', 1)[0] as string;
  if (!answer.body) return { status: answer.status, type, text: '' };
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    text += value ?? '';
    if (done || (!/json|html/.test(type) && !text.includes('complete') && text.length < 20)) break;
  }
  await reader.cancel();
  return { status: answer.status, type, text };
}
const post = (accept: string, body: object) =>
  read(
    fetch(live.url, {
      method: 'POST',
      headers: { accept, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
  );
const get = (accept: string, search = '', more: Record<string, string> = {}) =>
  read(fetch(live.url + search, { headers: { accept, ...more }, redirect: 'manual' }));
const PARKS = '{ parks { id } }';
const MUTATION = 'mutation { revokeConsent(input: { consent: "none" }) { __typename } }';

test.each([
  [URQL, 'application/graphql-response+json'],
  [APOLLO, 'application/graphql-response+json'],
  ['application/json, text/event-stream', 'application/json'],
  ['text/event-stream, application/json;q=0.1', 'application/json'],
  ['text/event-stream, */*;q=0.1', 'application/json'],
  ['*/*', 'application/json'],
  ['text/event-stream;q=0, application/json', 'application/json'],
])('queries and mutations are answered as JSON where it is accepted: %s', async (accept, type) => {
  expect(await post(accept, { query: PARKS })).toEqual({
    status: 200,
    type,
    text: '{"data":{"parks":[{"id":"lakeside"}]}}\n'.trimEnd(),
  });
  expect((await post(accept, { query: MUTATION })).type).toBe(type);
  // The word alone makes no subscription.
  expect((await post(accept, { query: '{ subscription: __typename }' })).text).toContain('"subscription":"Query"');
  const two = { query: `query A { __typename } subscription B { events { __typename } }`, operationName: 'A' };
  expect(await post(accept, two)).toMatchObject({ status: 200, type });
});

test.each([['text/event-stream'], ['text/event-stream, application/json;q=0, application/graphql-response+json;q=0']])(
  'a query is answered as an event stream where JSON is not accepted: %s',
  async (accept) => {
    const answer = await post(accept, { query: PARKS });
    expect(answer).toMatchObject({ status: 200, type: 'text/event-stream' });
    expect(answer.text).toContain('event: next\ndata: {"data":{"parks":[{"id":"lakeside"}]}}');
  },
);

test.each([
  [URQL, 'text/event-stream'],
  ['text/event-stream, multipart/mixed', 'text/event-stream'],
  ['application/json, text/event-stream;q=0.1', 'text/event-stream'],
  [APOLLO, 'multipart/mixed'],
  ['text/event-stream;q=0.5, multipart/mixed;subscriptionSpec=1.0', 'multipart/mixed'],
  ['text/event-stream;q=0, multipart/mixed;subscriptionSpec=1.0', 'multipart/mixed'],
  ['multipart/mixed;subscriptionSpec=1.0;q=0.5, text/event-stream', 'text/event-stream'],
])('a subscription is answered by the stream that is preferred: %s', async (accept, type) => {
  expect(await post(accept, { query: EVENTS })).toMatchObject({ status: 200, type });
});

test.each([
  ['application/json', 'application/json'],
  ['application/graphql-response+json', 'application/graphql-response+json'],
  ['application/graphql-response+json, application/json;q=0.9', 'application/graphql-response+json'],
  ['*/*', 'application/json'],
  ['multipart/mixed', 'application/json'],
  ['text/event-stream;q=0, application/json', 'application/json'],
])('a subscription for which no stream is accepted is refused with what it needs: %s', async (accept, type) => {
  const search = `?query=${encodeURIComponent(EVENTS)}`;
  const two = {
    query: `query A { __typename } ${EVENTS.replace('subscription', 'subscription B')}`,
    operationName: 'B',
  };
  for (const answer of [
    await post(accept, { query: EVENTS }),
    await post(accept, { ...two, operationName: 'A' }).then(() => post(accept, two)),
    await get(accept, search, { 'apollo-require-preflight': '1' }),
  ]) {
    expect([answer.status, answer.type]).toEqual([406, type]);
    const { errors, ...rest } = JSON.parse(answer.text);
    expect(errors).toEqual([{ message: NEED_STREAM, extensions: { code: 'BAD_REQUEST' } }]);
    expect(rest).toEqual({});
  }
});

test('a gateway without subscriptions does not send its clients to a WebSocket', async () => {
  const face = await graphqlFace(live.hub.operations, { introspection: true, subscriptions: false });
  const answer = await face.answer({
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    search: '',
    body: Buffer.from(JSON.stringify({ query: EVENTS })),
    principal: null,
    signal: new AbortController().signal,
  });
  await face.stop();
  expect([answer.status, JSON.parse(answer.body).errors[0].message]).toEqual([
    406,
    'This gateway answers queries and mutations, no subscriptions.',
  ]);
});

test('what is refused before a stream begins has the media type that is preferred', async () => {
  const forged = { query: EVENTS, variables: { after: 'forged' } };
  expect(await post(APOLLO, forged)).toMatchObject({ status: 400, type: 'application/graphql-response+json' });
  expect(await post('text/event-stream', forged)).toMatchObject({ status: 400, type: 'application/json' });
  expect(await post(URQL, { query: '{' })).toMatchObject({ status: 400, type: 'application/graphql-response+json' });
});

test('who accepts a stream besides keeps its turn while a query of it runs', async () => {
  const { operations } = live.hub;
  const left: string[] = [];
  const { run, turned } = operations;
  operations.run = async (...given) => {
    const answer = await run.apply(operations, given);
    left.push('run');
    return answer;
  };
  operations.turned = (...given) => {
    left.push('turned');
    turned.apply(operations, given);
  };
  try {
    await post(URQL, { query: PARKS });
    await post('text/event-stream', { query: PARKS });
  } finally {
    operations.run = run;
    operations.turned = turned;
  }
  expect(left).toEqual(['run', 'turned', 'run', 'turned']);
});

test('urql as it is by default queries, mutates and subscribes', async () => {
  const client = new Client({
    url: live.url,
    exchanges: [cacheExchange, fetchExchange],
    fetchSubscriptions: true,
  });
  const parks = await client.query(PARKS, {}).toPromise();
  expect([parks.error, parks.data]).toEqual([undefined, { parks: [{ id: 'lakeside', __typename: 'Park' }] }]);
  const refused = await client.mutation(MUTATION, {}).toPromise();
  expect(refused.error?.graphQLErrors.length).toBeGreaterThan(0);
  expect(refused.error?.networkError).toBeUndefined();
  const ids: string[] = [];
  const faults: unknown[] = [];
  const { unsubscribe } = client.subscription(EVENTS, {}).subscribe(({ data, error }) => {
    if (error) faults.push(error);
    for (const one of data?.events?.events ?? []) ids.push(one.id);
  });
  let n = 0;
  await expect
    .poll(async () => {
      await write(live.database, [`urql ${n++}`]);
      return ids.length;
    })
    .toBeGreaterThan(1);
  unsubscribe();
  expect(faults).toEqual([]);
});

test('a browser that opens /graphql is sent to the explorer, or sees a page of ours', async () => {
  // Whether it is served depends on a build of the explorer.
  const explorer = await read(fetch(live.url.replace('/graphql', '/explorer/')));
  for (const search of ['', '?', '?x=1']) {
    const answer = await fetch(live.url + search, { headers: { accept: CHROMIUM }, redirect: 'manual' });
    const text = await answer.text();
    if (explorer.status === 200) expect([answer.status, answer.headers.get('location')]).toEqual([302, '/explorer/']);
    else expect([answer.status, text.includes('This is a GraphQL endpoint')]).toEqual([200, true]);
    expect(text).not.toMatch(/apollo|https?:/i);
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
  }
  expect((await get(CHROMIUM, `?query=${encodeURIComponent(PARKS)}`)).type).toBe('application/json');
  expect((await get('*/*')).type).toBe('application/json');
  expect((await post(CHROMIUM, { query: PARKS })).type).toBe('application/json');
});
