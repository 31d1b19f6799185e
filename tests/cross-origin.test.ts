/** Cross-origin requests: responses for a listed origin, and rejection of all others. */
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { sourceConnectors } from '../connectors/index.ts';
import { readConfig } from '../connectors/kit/config/config-file.ts';
import { BARE_CONFIG, type BareHub, EVENTS_SUBSCRIPTION, startBareHub } from './bare-hub.ts';

const APP = 'https://app.example';
const OTHER = 'https://other.example';
const config = (origins: readonly string[]) =>
  readConfig(`${BARE_CONFIG}\norigins: ${JSON.stringify(origins)}\n`, 'isthmus.yaml', sourceConnectors, {});

let bareHub: BareHub;
beforeAll(async () => {
  bareHub = await startBareHub({ start: { config: config([APP]) } });
});
afterAll(() => bareHub?.close());

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** A request with headers that `fetch` does not allow. A stream is abandoned after its first bytes. */
function send(
  headers: Record<string, string>,
  { method = 'POST', path = '/graphql', body = '' }: { method?: string; path?: string; body?: string } = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const call = request({ port: new URL(bareHub.url).port, method, path, headers }, (answer) => {
      let text = '';
      const done = () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text });
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        if (!/json|html/.test(String(answer.headers['content-type']))) {
          done();
          call.destroy();
        }
      });
      answer.on('end', done);
    });
    call.on('error', reject);
    call.end(body);
  });
}
const JSON_TYPE = { 'content-type': 'application/json' };
/** A query that only the anonymous local role may run. */
const HISTORY = '{ events(last: 1) { nodes { id } } }';
const post = (headers: Record<string, string>, query = HISTORY) =>
  send({ ...JSON_TYPE, ...headers }, { body: JSON.stringify({ query }) });
const get = (headers: Record<string, string>, query = HISTORY) =>
  send(headers, { method: 'GET', path: `/graphql?query=${encodeURIComponent(query)}` });
const preflight = (origin: string, headers = 'authorization,content-type') =>
  send(
    { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': headers },
    { method: 'OPTIONS' },
  );
const crossOrigin = ({ headers }: Reply): string[] =>
  Object.keys(headers).filter((name) => name.startsWith('access-control-'));
const codeOf = (reply: Reply): unknown => JSON.parse(reply.text).errors?.[0]?.extensions?.code;

/** The status of the WebSocket upgrade: 101 if it was accepted. */
const socket = (origin: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const one = new WebSocket(bareHub.socketUrl, 'graphql-transport-ws', { origin });
    one.on('open', () => {
      one.terminate();
      resolve(101);
    });
    one.on('unexpected-response', (_request, answer) => resolve(answer.statusCode ?? 0));
    one.on('error', reject);
  });

describe('a listed origin', () => {
  test('gets a preflight response with exact origin, methods, headers and max-age', async () => {
    const answer = await preflight(APP);
    expect(answer.status).toBe(204);
    expect(answer.headers).toMatchObject({ 'access-control-allow-origin': APP, vary: 'Origin' });
    expect(answer.headers['access-control-allow-methods']).toBe('GET, POST');
    expect(Number(answer.headers['access-control-max-age'])).toBeGreaterThan(0);
    const allowed = String(answer.headers['access-control-allow-headers']).split(', ');
    const sent = 'accept authorization content-type last-event-id apollo-require-preflight x-apollo-operation-name';
    expect(allowed).toEqual(expect.arrayContaining(sent.split(' ')));
    // Pages send tokens themselves; there are no cookies that a browser could add.
    expect(answer.headers).not.toHaveProperty('access-control-allow-credentials');
  });

  test('may read every response: data, errors, streams, signing keys', async () => {
    const answers = await Promise.all([
      post({ origin: APP }),
      post({ origin: APP }, '{'),
      post({ origin: APP, authorization: 'Bearer wrong' }),
      post({ origin: APP, 'content-length': '9999999' }),
      post({ origin: APP, accept: 'text/event-stream' }, EVENTS_SUBSCRIPTION),
      post({ origin: APP, accept: 'multipart/mixed;subscriptionSpec=1.0' }, EVENTS_SUBSCRIPTION),
      get({ origin: APP }),
      send({ origin: APP }, { method: 'GET', path: '/.well-known/isthmus-keys.json' }),
    ]);
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 401, 413, 200, 200, 200, 200]);
    for (const { headers } of answers) {
      expect(headers).toMatchObject({ 'access-control-allow-origin': APP, vary: 'Origin' });
      expect(headers['access-control-expose-headers']).toContain('retry-after');
    }
  });

  test('may open WebSockets', async () => {
    expect(await socket(APP)).toBe(101);
  });

  test('is subject to CSRF prevention like the hub’s own pages', async () => {
    expect(
      (await send({ origin: APP, 'content-type': 'text/plain' }, { body: '{"query":"{ __typename }"}' })).status,
    ).toBe(400);
  });

  test('cannot read metrics, readiness or health', async () => {
    for (const path of ['/metrics', '/readyz', '/healthz'])
      expect(crossOrigin(await send({ origin: APP }, { method: 'GET', path }))).toEqual([]);
  });
});

describe('an origin that is not listed', () => {
  test.each([
    OTHER,
    'null',
    'http://app.example',
    'https://app.example.evil.example',
    'https://app.example:8443',
    'https://sub.app.example',
    'http://localhost:1',
  ])('gets no preflight, response, stream or WebSocket: %s', async (origin) => {
    const answers = await Promise.all([
      preflight(origin),
      post({ origin }),
      get({ origin }),
      get({ origin, 'apollo-require-preflight': '1' }),
      post({ origin, accept: 'text/event-stream' }, EVENTS_SUBSCRIPTION),
      get({ origin, accept: 'text/event-stream' }, EVENTS_SUBSCRIPTION),
      post({ origin, accept: 'multipart/mixed;subscriptionSpec=1.0' }, EVENTS_SUBSCRIPTION),
    ]);
    expect(answers.map((answer) => [answer.status, codeOf(answer)])).toEqual(answers.map(() => [403, 'FORBIDDEN']));
    expect(answers.flatMap(crossOrigin)).toEqual([]);
    // Prevents caches from serving the response to another origin.
    expect(answers.every(({ headers }) => headers['vary'] === 'Origin')).toBe(true);
    expect(await socket(origin)).toBe(403);
  });

  test('cannot embed a response or submit a form', async () => {
    const noCors = { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' };
    for (const site of ['cross-site', 'same-site']) {
      expect((await get({ ...noCors, 'sec-fetch-site': site })).status).toBe(403);
      expect(
        (await get({ ...noCors, 'sec-fetch-site': site, accept: 'text/event-stream' }, EVENTS_SUBSCRIPTION)).status,
      ).toBe(403);
    }
    const form = { 'content-type': 'application/x-www-form-urlencoded', origin: OTHER, 'sec-fetch-site': 'cross-site' };
    expect((await send(form, { body: 'query={__typename}' })).status).toBe(403);
    // A link that contains an operation is rejected by CSRF prevention.
    const link = { 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'cross-site', accept: 'text/html,*/*;q=0.8' };
    expect((await get(link)).status).toBe(400);
  });
});

test('origin check: accepts pages of the hub’s own origin, and programs, without a list', async () => {
  const own = new URL(bareHub.url).origin;
  expect((await post({ origin: own })).status).toBe(200);
  expect(await socket(own)).toBe(101);
  expect((await post({})).status).toBe(200);
  // Behind a proxy that does not pass on `Host`, Sec-Fetch-Site identifies the page's own origin.
  expect((await post({ origin: OTHER, 'sec-fetch-site': 'same-origin' })).status).toBe(200);
});

test('origin check: gives the anonymous local role only to callers on this machine and to listed origins', async () => {
  const seen = async (headers: Record<string, string>) => codeOf(await post(headers)) ?? 'data';
  expect(await seen({})).toBe('data');
  expect(await seen({ origin: APP })).toBe('data');
  expect(await seen({ host: 'rebound.example', origin: 'http://rebound.example' })).toBe('UNAUTHENTICATED');
  expect(await seen({ 'x-forwarded-for': '203.0.113.7' })).toBe('UNAUTHENTICATED');
  expect(await seen({ origin: OTHER, 'sec-fetch-site': 'same-origin' })).toBe('UNAUTHENTICATED');
});

test('origin check: does not treat HTTP/1.0, the default of nginx proxying, as a caller on this machine', async () => {
  const body = JSON.stringify({ query: HISTORY });
  const text = await new Promise<string>((resolve) => {
    const port = Number(new URL(bareHub.url).port);
    const one = connect(port, '127.0.0.1', () =>
      one.write(
        `POST /graphql HTTP/1.0\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      ),
    );
    let response = '';
    one.setEncoding('utf8').on('data', (part: string) => {
      response += part;
    });
    one.on('close', () => resolve(response));
  });
  expect(text).toContain('UNAUTHENTICATED');
});

test('origin check: applies changes of `origins` while the hub runs', async () => {
  const { changed } = await bareHub.hub.applyConfig(config([OTHER]));
  expect(changed).toContain('origins');
  expect((await preflight(OTHER)).headers['access-control-allow-origin']).toBe(OTHER);
  expect([(await preflight(APP)).status, await socket(APP)]).toEqual([403, 403]);
  await bareHub.hub.applyConfig(config([]));
  expect((await preflight(OTHER)).status).toBe(403);
  expect((await post({})).headers).not.toHaveProperty('vary');
  const { changed: back } = await bareHub.hub.applyConfig(config([APP]));
  expect(back).toContain('origins');
  expect((await bareHub.hub.applyConfig(config([APP]))).changed).not.toContain('origins');
});

test('origin check: reports an invalid origin in isthmus.yaml with its line and an example', () => {
  expect(() => config(['https://app.example/path'])).toThrow(
    /line \d+: origins: an origin is scheme, host and port, without a path, found "https:\/\/app\.example\/path"; example: origins: \[https:\/\/app\.example\]/,
  );
});
