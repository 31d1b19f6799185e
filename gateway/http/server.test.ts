import { connect, createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { HEALTH, takePort } from '../../bin/port.js';
import { HubError } from '../../connectors/kit/errors.ts';
import type { ClientConnection } from '../../connectors/kit/guard/client-disconnect.ts';
import { silentLog } from '../../connectors/kit/log.ts';
import { UnreadBytes } from '../trust/limits/unread-bytes.ts';
import type { GraphqlRequest, HttpHandlers } from './handlers.ts';
import { CorsPolicy } from './security/cors.ts';
import { SECURITY_HEADERS } from './security/security-headers.ts';
import { type HttpServer, listen } from './server.ts';

const APP = 'https://app.example';
let http: HttpServer | null = null;
afterEach(async () => {
  await http?.close(0);
  http = null;
});

/** A server whose handlers do what the header `x-do` names. */
async function serve(
  onRequest: (request: GraphqlRequest) => void = () => undefined,
  overrides: Partial<HttpHandlers> = {},
): Promise<string> {
  http = await listen({ host: '127.0.0.1', port: 0, log: silentLog, cors: new CorsPolicy([APP]) });
  const handlers: HttpHandlers = {
    ...overrides,
    graphql: {
      handle: async (request) => {
        if (request.headers['x-do'] === 'fail') throw new Error('failed');
        onRequest(request);
        if (request.headers['x-do'] === 'wait') await new Promise((resolve) => setTimeout(resolve, 60_000).unref());
        return { status: 200, headers: { 'content-type': 'application/json' }, body: '{"data":{"name":"雪"}}' };
      },
      stop: async () => undefined,
    },
    stream: (request) =>
      request.headers['x-do'] === 'stream'
        ? { endless: true, write: async (response) => void response.end('data') }
        : null,
    overBudget: () => null,
    ready: async () => ({ ready: true, body: {} }),
    metrics: async () => ({ type: 'text/plain', body: 'none' }),
    authenticate: async (request) => {
      if (request.headers['x-do'] === 'refuse') throw new HubError('UNAUTHENTICATED', 'no');
      return null;
    },
  };
  if (onRequest.name !== 'closed') http.open(handlers);
  return `http://127.0.0.1:${http.port}`;
}

const post = (action: string, body: string, accept = 'application/json'): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', accept, 'x-do': action },
  body,
});

test('sets the security headers on every response', async () => {
  const url = await serve();
  const all: [string, RequestInit, number][] = [
    ['/graphql', post('answer', '{}'), 200],
    ['/graphql?query=x', post('answer', '{}'), 200],
    ['/graphql', post('answer', '{}', 'text/event-stream'), 200],
    ['/graphql', post('stream', '{}', 'text/event-stream'), 200],
    ['/graphql', post('refuse', '{}'), 401],
    ['/graphql', post('answer', 'x'.repeat(600_000)), 413],
    ['/graphql', post('fail', '{}'), 500],
    ['/healthz', {}, 200],
    ['/metrics', {}, 200],
    ['/nowhere', {}, 404],
  ];
  for (const [path, request, status] of all) {
    const response = await fetch(url + path, request);
    const body = await response.text();
    expect([path, response.status]).toEqual([path, status]);
    expect(Object.fromEntries(response.headers)).toMatchObject(SECURITY_HEADERS);
    if (path === '/graphql' && body.startsWith('{"data"')) {
      expect(body).toBe('{"data":{"name":"雪"}}');
      expect(response.headers.get('content-length')).toBe(String(Buffer.byteLength(body)));
    }
  }
});

test('HTTP server: responds 503 with Retry-After and the security headers until handlers are set', async () => {
  const url = await serve(function closed() {});
  const response = await fetch(`${url}/graphql`, post('answer', '{}'));
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '2']);
  expect(Object.fromEntries(response.headers)).toMatchObject(SECURITY_HEADERS);
});

test('lets a page of a listed origin read the 503 of a starting server', async () => {
  const url = await serve(function closed() {});
  const response = await fetch(`${url}/graphql`, { headers: { origin: APP } });
  expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([503, APP]);
});

test('redirects a browser at /graphql to the explorer, or sends a page when the explorer is off', async () => {
  const accept = 'text/html,application/xhtml+xml,*/*;q=0.8';
  const look = async (url: string) => {
    const response = await fetch(`${url}/graphql`, { headers: { accept }, redirect: 'manual' });
    return [response.status, response.headers.get('location'), (await response.text()).slice(0, 15)];
  };
  expect(await look(await serve(undefined, { explorer: { handle: async () => false } }))).toEqual([
    302,
    '/explorer/',
    '',
  ]);
  await http?.close(0);
  expect(await look(await serve())).toEqual([200, null, '<!doctype html>']);
});

test('HTTP server: aborts the signal when the client disconnects before the response', async () => {
  let tell: (client: ClientConnection) => void = () => undefined;
  const asked = new Promise<ClientConnection>((resolve) => {
    tell = resolve;
  });
  const url = await serve((request) => tell(request.signal as ClientConnection));
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(
    'POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nx-do: wait\r\ncontent-length: 2\r\n\r\n{}',
  );
  const client = await asked;
  expect(client.isClosed).toBe(false);
  const { signal } = client;
  const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  socket.destroy();
  await aborted;
  expect([client.isClosed, client.signal.aborted]).toEqual([true, true]);
});

test('rejects further requests of a client with too many unread bytes and closes its idle connection', async () => {
  http = await listen({ host: '127.0.0.1', port: 0, log: silentLog, idleTimeout: 400 });
  const unread = new UnreadBytes({ unread: 1_000_000, unreadBytes: 10_000_000 });
  let ran = 0;
  http.open({
    graphql: {
      handle: async () => {
        ran++;
        return { status: 200, headers: {}, body: 'x'.repeat(30_000_000) };
      },
      stop: async () => undefined,
    },
    ready: async () => ({ ready: true, body: {} }),
    metrics: async () => ({ type: 'text/plain', body: '' }),
    authenticate: async () => null,
    unread,
  });
  const socket = connect(http.port, '127.0.0.1');
  socket.pause();
  socket.write('POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}');
  await expect.poll(() => unread.used).toBeGreaterThan(1_000_000);
  const url = `http://127.0.0.1:${http.port}/graphql`;
  const refused = await fetch(url, { method: 'POST', body: '{}' });
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
  expect(await refused.json()).toMatchObject({ errors: [{ extensions: { code: 'LIMIT_RATE', limit: 1_000_000 } }] });
  expect(ran).toBe(1);
  await expect.poll(() => unread.used, { timeout: 5_000 }).toBe(0);
  expect((await (await fetch(url, { method: 'POST', body: '{}' })).text()).length).toBe(30_000_000);
  socket.destroy();
});

test('port: responds 503 while it is held and accepts every connection while the server takes it over', async () => {
  const heldPort = await takePort({ host: '127.0.0.1', port: 0 });
  const { port } = heldPort.address() as { port: number };
  const url = `http://127.0.0.1:${port}`;
  const before = await fetch(`${url}/graphql`, { method: 'POST', body: '{}' });
  expect([before.status, await before.json()]).toEqual([
    503,
    { errors: [{ message: 'Server is starting. Retry in 2 s.' }] },
  ]);
  expect(await (await fetch(`${url}/healthz`)).json()).toEqual(HEALTH);
  let asking = true;
  const outcomes: (number | string)[] = [];
  const asker = (async () => {
    while (asking)
      outcomes.push(
        await fetch(`${url}/nowhere`).then(
          (one) => one.status,
          (error: Error) => String(error.cause ?? error),
        ),
      );
  })();
  await expect.poll(() => outcomes.length, { interval: 5 }).toBeGreaterThan(5);
  http = await listen({ host: '127.0.0.1', port, heldPort, log: silentLog });
  expect(http.port).toBe(port);
  const seen = outcomes.length;
  await expect.poll(() => outcomes.length, { interval: 5 }).toBeGreaterThan(seen + 5);
  asking = false;
  await asker;
  expect(new Set(outcomes)).toEqual(new Set([503]));
});

test('port: names the program that uses it: another Isthmus process or another program', async () => {
  http = await listen({ host: '127.0.0.1', port: 0, log: silentLog });
  const { port } = http;
  await expect(takePort({ host: '127.0.0.1', port, command: 'isthmus gateway' })).rejects.toMatchObject({
    name: 'PortError',
    message: `Port ${port} is in use by another Isthmus process. Stop that one, or choose another port: PORT=${port + 1} isthmus gateway`,
  });
  const other = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const taken = (other.address() as { port: number }).port;
  await expect(listen({ host: '127.0.0.1', port: taken, log: silentLog })).rejects.toThrow(
    `Port ${taken} is in use by another program. Stop that program, or choose another port:`,
  );
  other.close();
});
