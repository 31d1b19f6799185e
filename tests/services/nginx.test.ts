/** The configuration of docs/nginx.md, and what becomes of callers behind it and behind a proxy that is set up carelessly. */
import { type ClientRequest, request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { HEARTBEAT } from '../../gateway/live/heartbeat.ts';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import { until } from '../hub.ts';
import { EVENTS, type LiveHub, liveHub, logged, write } from '../live-hub.ts';
import { documented, documentedNginx, type Nginx, put, startNginx } from './nginx.ts';

const portOf = (live: LiveHub): string => new URL(live.url).port;
const HISTORY = JSON.stringify({ query: '{ events(last: 1) { nodes { id } } }' });
const JSON_TYPE = { 'content-type': 'application/json' };

interface Sent {
  readonly call: ClientRequest;
  status: number;
  text: string;
  ended: boolean;
}
/** A request as it goes on while the test looks at it. */
function send(
  url: string,
  {
    method = 'POST',
    headers = {},
    body = '',
  }: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Sent {
  const options = { method, headers, rejectUnauthorized: false, agent: false as const };
  const call = url.startsWith('https:') ? secureRequest(url, options) : plainRequest(url, options);
  const sent: Sent = { call, status: 0, text: '', ended: false };
  call.on('response', (answer) => {
    sent.status = answer.statusCode ?? 0;
    answer.setEncoding('utf8').on('data', (part: string) => {
      sent.text += part;
    });
    answer.on('close', () => {
      sent.ended = true;
    });
    answer.on('error', () => undefined);
  });
  call.on('error', () => {
    sent.ended = true;
  });
  call.end(body);
  return sent;
}
async function whole(...given: Parameters<typeof send>): Promise<Sent> {
  const sent = send(...given);
  await until(`an answer of ${given[0]}`, 20, () => sent.ended);
  return sent;
}
const subscribe = (url: string, headers: Record<string, string> = {}): Sent =>
  send(url, {
    headers: { ...JSON_TYPE, accept: 'text/event-stream', ...headers },
    body: JSON.stringify({ query: EVENTS }),
  });
const idsIn = (text: string): string[] => [...text.matchAll(/"id":"([0-9a-f-]{36})"/g)].map((one) => one[1] as string);

describe('the configuration of docs/nginx.md', () => {
  let live: LiveHub;
  let nginx: Nginx;
  beforeAll(async () => {
    live = await liveHub();
    nginx = await documentedNginx(portOf(live));
  });
  afterAll(async () => {
    await nginx?.stop();
    await live?.close();
  });

  test('passes operations and public keys, and keeps all else inside', async () => {
    const asked = await whole(`${nginx.url}/graphql`, { headers: JSON_TYPE, body: '{"query":"{ parks { id } }"}' });
    expect([asked.status, asked.text]).toEqual([200, '{"data":{"parks":[{"id":"lakeside"}]}}\n'.trimEnd()]);
    const get = async (path: string) => (await whole(nginx.url + path, { method: 'GET' })).status;
    expect(await get('/.well-known/isthmus-keys.json')).toBe(200);
    for (const path of ['/', '/metrics', '/readyz', '/healthz', '/explorer/', '/graphql/x', '//metrics'])
      expect([path, await get(path)]).toEqual([path, 404]);
  });

  test('passes bodies as large as the hub takes', async () => {
    const large = (size: number) => JSON.stringify({ query: '{ __typename }', x: 'x'.repeat(size) });
    const ask = (size: number) => whole(`${nginx.url}/graphql`, { headers: JSON_TYPE, body: large(size) });
    expect((await ask(500 * 1024)).status).toBe(200);
    expect((await ask(513 * 1024)).status).toBe(413);
    const hook = await whole(`${nginx.url}/webhooks/nobody`, { headers: JSON_TYPE, body: large(7 * 1024 * 1024) });
    expect(hook.text).toContain('No such installation');
  });

  test('its callers are not taken for callers of this machine, which direct ones are', async () => {
    const ask = (url: string) => whole(`${url}/graphql`, { headers: JSON_TYPE, body: HISTORY });
    expect((await ask(live.url.replace('/graphql', ''))).text).toContain('"data"');
    const behind = await ask(nginx.url);
    expect(behind.text).toContain('UNAUTHENTICATED');
  });

  test('events leave at once, and Last-Event-ID goes on behind the one that it names', async () => {
    const own = await documentedNginx(portOf(live), asLocal);
    try {
      const first = subscribe(`${own.url}/graphql`);
      await until('the stream begins', 20, () => first.text.startsWith(':'));
      await write(live.database, ['one']);
      const cursor = await until('an id', 20, () => /\nid: (\S+)\n/.exec(first.text)?.[1]);
      await own.restart();
      await until('the break', 20, () => first.ended);
      await write(live.database, ['two', 'three']);
      const again = subscribe(`${own.url}/graphql`, { 'last-event-id': cursor });
      await until('what was missed', 20, () => idsIn(again.text).length === 2);
      expect(idsIn(again.text)).toEqual((await logged(live.database)).slice(-2));
      again.call.destroy();
    } finally {
      await own.stop();
    }
  });

  test('waits longer for a byte than the hub is ever silent, and ends idle connections to the hub before the hub does', async () => {
    const seconds = (pattern: RegExp): number => Number(pattern.exec(documented())?.[1]);
    // Two heartbeats may be late.
    expect(seconds(/proxy_read_timeout (\d+)s;/) * 1_000).toBeGreaterThan(3 * HEARTBEAT);
    const answer = await fetch(live.url.replace('/graphql', '/healthz'));
    await answer.text();
    const kept = Number(/timeout=(\d+)/.exec(answer.headers.get('keep-alive') ?? '')?.[1]);
    expect(kept).toBeGreaterThan(seconds(/keepalive_timeout (\d+)s;/));
  });
});

/** Without the header that tells of the proxy, so that these callers may follow events without a token. */
const asLocal = (config: string): string =>
  put(
    put(
      put(config, 'proxy_set_header X-Forwarded-For   $proxy_add_x_forwarded_for;', ''),
      'proxy_set_header X-Forwarded-Proto $scheme;',
      '',
    ),
    '$http_host;',
    'localhost;',
  );

test.each([
  ['goes on', 1_000],
  ['is cut off where the hub is silent', 60_000],
])('an idle stream or socket through a proxy that waits 4 s %s', async (_, heartbeat) => {
  const live = await liveHub({ start: { heartbeat } });
  const nginx = await documentedNginx(portOf(live), (config) =>
    put(asLocal(config), 'proxy_read_timeout 60s;', 'proxy_read_timeout 4s;'),
  );
  try {
    const began = Date.now();
    const multipart = { accept: 'multipart/mixed;subscriptionSpec=1.0' };
    const streams = [subscribe(`${nginx.url}/graphql`), subscribe(`${nginx.url}/graphql`, multipart)];
    const socket = new WebSocket(`${nginx.url.replace('https', 'wss')}/graphql`, 'graphql-transport-ws', {
      rejectUnauthorized: false,
    });
    let open = true;
    socket.on('open', () => socket.send('{"type":"connection_init"}'));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      open = false;
    });
    await until('both streams begin', 20, () => streams.every((one) => one.text !== ''));
    const alive = () => [...streams.map((one) => !one.ended), open];
    if (heartbeat === 1_000) {
      await until('twice the time that the proxy waits', 20, () => Date.now() - began > 8_000);
      expect(alive()).toEqual([true, true, true]);
    } else await until('the cut', 20, () => !alive().includes(true));
    for (const one of streams) one.call.destroy();
    socket.terminate();
  } finally {
    await nginx.stop();
    await live.close();
  }
});

test.each([
  ['nothing but proxy_pass', ''],
  [
    'the lines for WebSockets alone',
    'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";',
  ],
  ['the host passed on', 'proxy_http_version 1.1; proxy_set_header Host hub.example;'],
])('callers behind an nginx with %s are not taken for callers of this machine', async (_, lines) => {
  const live = await liveHub();
  const port = await freePort();
  const nginx = await startNginx(
    `server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${portOf(live)}; ${lines} } }`,
    port,
  );
  try {
    const behind = await whole(`${nginx.url}/graphql`, { headers: JSON_TYPE, body: HISTORY });
    expect(behind.text).toContain('UNAUTHENTICATED');
    const socket = new WebSocket(`${nginx.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    const told: string[] = [];
    socket.on('error', (error) => told.push(String(error)));
    socket.on('open', () => socket.send('{"type":"connection_init"}'));
    socket.on('message', (message) => {
      told.push(String(message));
      if (/ack/.test(String(message)))
        socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: JSON.parse(HISTORY) }));
    });
    await until('a refusal', 20, () => /UNAUTHENTICATED|Unexpected server response/.test(told.join()));
    socket.terminate();
  } finally {
    await nginx.stop();
    await live.close();
  }
});
