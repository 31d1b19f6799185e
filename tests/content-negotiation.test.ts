/** `/graphql` responds in a media type that the client accepts: JSON, server-sent events, multipart or an HTML page. */
import { Client, cacheExchange, fetchExchange } from '@urql/core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApolloHandler } from '../gateway/http/apollo-server.ts';
import { appendTestEvents, type BareHub, EVENTS_SUBSCRIPTION, startBareHub } from './bare-hub.ts';

const URQL =
  'application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed';
const APOLLO =
  'multipart/mixed;boundary="graphql";subscriptionSpec="1.0",application/graphql-response+json,application/json;q=0.9';
const CHROMIUM = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8';
const NEEDS_STREAM = 'Subscriptions are not available as JSON. Use a WebSocket, or accept text/event-stream.';

let bareHub: BareHub;
beforeAll(async () => {
  bareHub = await startBareHub();
});
afterAll(() => bareHub?.close());

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

/** The whole response; of a stream that does not end, only its beginning. */
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
    fetch(bareHub.url, {
      method: 'POST',
      headers: { accept, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
  );
const get = (accept: string, search = '', more: Record<string, string> = {}) =>
  read(fetch(bareHub.url + search, { headers: { accept, ...more }, redirect: 'manual' }));
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
])('content negotiation: responds to queries and mutations with JSON where accepted: %s', async (accept, type) => {
  expect(await post(accept, { query: PARKS })).toEqual({
    status: 200,
    type,
    text: '{"data":{"parks":[{"id":"lakeside"}]}}\n'.trimEnd(),
  });
  expect((await post(accept, { query: MUTATION })).type).toBe(type);
  // An alias named `subscription` is not a subscription.
  expect((await post(accept, { query: '{ subscription: __typename }' })).text).toContain('"subscription":"Query"');
  const two = { query: `query A { __typename } subscription B { events { __typename } }`, operationName: 'A' };
  expect(await post(accept, two)).toMatchObject({ status: 200, type });
});

test.each([['text/event-stream'], ['text/event-stream, application/json;q=0, application/graphql-response+json;q=0']])(
  'responds to a query with an event stream where JSON is not accepted: %s',
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
])('content negotiation: responds to a subscription with the preferred stream type: %s', async (accept, type) => {
  expect(await post(accept, { query: EVENTS_SUBSCRIPTION })).toMatchObject({ status: 200, type });
});

test.each([
  ['application/json', 'application/json'],
  ['application/graphql-response+json', 'application/graphql-response+json'],
  ['application/graphql-response+json, application/json;q=0.9', 'application/graphql-response+json'],
  ['*/*', 'application/json'],
  ['multipart/mixed', 'application/json'],
  ['text/event-stream;q=0, application/json', 'application/json'],
])(
  'content negotiation: rejects a subscription when no stream type is accepted, and names what to accept: %s',
  async (accept, type) => {
    const search = `?query=${encodeURIComponent(EVENTS_SUBSCRIPTION)}`;
    const two = {
      query: `query A { __typename } ${EVENTS_SUBSCRIPTION.replace('subscription', 'subscription B')}`,
      operationName: 'B',
    };
    for (const answer of [
      await post(accept, { query: EVENTS_SUBSCRIPTION }),
      await post(accept, { ...two, operationName: 'A' }).then(() => post(accept, two)),
      await get(accept, search, { 'apollo-require-preflight': '1' }),
    ]) {
      expect([answer.status, answer.type]).toEqual([406, type]);
      const { errors, ...rest } = JSON.parse(answer.text);
      expect(errors).toEqual([{ message: NEEDS_STREAM, extensions: { code: 'BAD_REQUEST' } }]);
      expect(rest).toEqual({});
    }
  },
);

test('content negotiation: a gateway without subscriptions does not suggest a WebSocket', async () => {
  const handler = await startApolloHandler(bareHub.hub.operations, { introspection: true, subscriptions: false });
  const answer = await handler.handle({
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    search: '',
    body: Buffer.from(JSON.stringify({ query: EVENTS_SUBSCRIPTION })),
    principal: null,
    signal: new AbortController().signal,
  });
  await handler.stop();
  expect([answer.status, JSON.parse(answer.body).errors[0].message]).toEqual([
    406,
    'This gateway does not support subscriptions. Send a query or a mutation.',
  ]);
});

test('content negotiation: errors before a stream begins use the preferred media type', async () => {
  const forged = { query: EVENTS_SUBSCRIPTION, variables: { after: 'forged' } };
  expect(await post(APOLLO, forged)).toMatchObject({ status: 400, type: 'application/graphql-response+json' });
  expect(await post('text/event-stream', forged)).toMatchObject({ status: 400, type: 'application/json' });
  expect(await post(URQL, { query: '{' })).toMatchObject({ status: 400, type: 'application/graphql-response+json' });
});

test('content negotiation: keeps the scheduler slot while the query of a client that also accepts a stream runs', async () => {
  const { operations } = bareHub.hub;
  const events: string[] = [];
  const { run, schedule } = operations;
  operations.run = async (...given) => {
    const answer = await run.apply(operations, given);
    events.push('run');
    return answer;
  };
  operations.schedule = async (caller, work, options) => {
    try {
      return await schedule
        .call(
          operations,
          caller,
          (release) =>
            work(() => {
              events.push('released early');
              release();
            }),
          options,
        )
        .then((value) => value as never);
    } finally {
      events.push('released');
    }
  };
  try {
    await post(URQL, { query: PARKS });
    await post('text/event-stream', { query: PARKS });
  } finally {
    operations.run = run;
    operations.schedule = schedule;
  }
  expect(events).toEqual(['run', 'released', 'run', 'released']);
});

test('content negotiation: urql with default settings queries, mutates and subscribes', async () => {
  const client = new Client({
    url: bareHub.url,
    exchanges: [cacheExchange, fetchExchange],
    fetchSubscriptions: true,
  });
  const parks = await client.query(PARKS, {}).toPromise();
  expect([parks.error, parks.data]).toEqual([undefined, { parks: [{ id: 'lakeside', __typename: 'Park' }] }]);
  const refused = await client.mutation(MUTATION, {}).toPromise();
  expect(refused.error?.graphQLErrors.length).toBeGreaterThan(0);
  expect(refused.error?.networkError).toBeUndefined();
  const ids: string[] = [];
  const errors: unknown[] = [];
  const { unsubscribe } = client.subscription(EVENTS_SUBSCRIPTION, {}).subscribe(({ data, error }) => {
    if (error) errors.push(error);
    for (const event of data?.events?.events ?? []) ids.push(event.id);
  });
  let n = 0;
  await expect
    .poll(async () => {
      await appendTestEvents(bareHub.database, [`urql ${n++}`]);
      return ids.length;
    })
    .toBeGreaterThan(1);
  unsubscribe();
  expect(errors).toEqual([]);
});

test('content negotiation: redirects a browser that opens /graphql to the explorer, or serves a page without external resources', async () => {
  // The explorer is served only if it was built.
  const explorer = await read(fetch(bareHub.url.replace('/graphql', '/explorer/')));
  for (const search of ['', '?', '?x=1']) {
    const answer = await fetch(bareHub.url + search, { headers: { accept: CHROMIUM }, redirect: 'manual' });
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
