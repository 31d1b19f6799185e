/** The configuration of docs/nginx.md, and the treatment of callers behind it and behind incomplete proxy configurations. */
import { type ClientRequest, request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { HEARTBEAT_INTERVAL } from '../../gateway/live/heartbeat.ts';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import { appendTestEvents, type BareHub, EVENTS_SUBSCRIPTION, loggedEventIds, startBareHub } from '../bare-hub.ts';
import { waitFor } from '../test-hub.ts';
import { documentedConfig, documentedNginx, type Nginx, replaceOnce, startNginx } from './nginx.ts';

const portOf = (bareHub: BareHub): string => new URL(bareHub.url).port;
const HISTORY = JSON.stringify({ query: '{ events(last: 1) { nodes { id } } }' });
const JSON_TYPE = { 'content-type': 'application/json' };

interface Sent {
  readonly call: ClientRequest;
  status: number;
  text: string;
  ended: boolean;
}
/** A request in progress. */
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
async function sendAndWait(...given: Parameters<typeof send>): Promise<Sent> {
  const sent = send(...given);
  await waitFor(`an answer of ${given[0]}`, 20, () => sent.ended);
  return sent;
}
const subscribe = (url: string, headers: Record<string, string> = {}): Sent =>
  send(url, {
    headers: { ...JSON_TYPE, accept: 'text/event-stream', ...headers },
    body: JSON.stringify({ query: EVENTS_SUBSCRIPTION }),
  });
const idsIn = (text: string): string[] => [...text.matchAll(/"id":"([0-9a-f-]{36})"/g)].map((one) => one[1] as string);

describe('the configuration of docs/nginx.md', () => {
  let bareHub: BareHub;
  let nginx: Nginx;
  beforeAll(async () => {
    bareHub = await startBareHub();
    nginx = await documentedNginx(portOf(bareHub));
  });
  afterAll(async () => {
    await nginx?.stop();
    await bareHub?.close();
  });

  test('forwards operations and public keys, and nothing else', async () => {
    const response = await sendAndWait(`${nginx.url}/graphql`, {
      headers: JSON_TYPE,
      body: '{"query":"{ parks { id } }"}',
    });
    expect([response.status, response.text]).toEqual([200, '{"data":{"parks":[{"id":"lakeside"}]}}\n'.trimEnd()]);
    const get = async (path: string) => (await sendAndWait(nginx.url + path, { method: 'GET' })).status;
    expect(await get('/.well-known/isthmus-keys.json')).toBe(200);
    for (const path of ['/', '/metrics', '/readyz', '/healthz', '/explorer/', '/graphql/x', '//metrics'])
      expect([path, await get(path)]).toEqual([path, 404]);
  });

  test('forwards bodies up to the hub’s own limits', async () => {
    const large = (size: number) => JSON.stringify({ query: '{ __typename }', x: 'x'.repeat(size) });
    const post = (size: number) => sendAndWait(`${nginx.url}/graphql`, { headers: JSON_TYPE, body: large(size) });
    expect((await post(500 * 1024)).status).toBe(200);
    expect((await post(513 * 1024)).status).toBe(413);
    const hook = await sendAndWait(`${nginx.url}/webhooks/nobody`, {
      headers: JSON_TYPE,
      body: large(7 * 1024 * 1024),
    });
    expect(hook.text).toContain('No installation of this name');
  });

  test('does not make its callers appear to be on this machine, as direct callers are', async () => {
    const post = (url: string) => sendAndWait(`${url}/graphql`, { headers: JSON_TYPE, body: HISTORY });
    expect((await post(bareHub.url.replace('/graphql', ''))).text).toContain('"data"');
    const behind = await post(nginx.url);
    expect(behind.text).toContain('UNAUTHENTICATED');
  });

  test('forwards events without buffering; Last-Event-ID resumes after the named event', async () => {
    const own = await documentedNginx(portOf(bareHub), asLocal);
    try {
      const first = subscribe(`${own.url}/graphql`);
      await waitFor('the stream begins', 20, () => first.text.startsWith(':'));
      await appendTestEvents(bareHub.database, ['one']);
      const cursor = await waitFor('an id', 20, () => /\nid: (\S+)\n/.exec(first.text)?.[1]);
      await own.restart();
      await waitFor('the break', 20, () => first.ended);
      await appendTestEvents(bareHub.database, ['two', 'three']);
      const again = subscribe(`${own.url}/graphql`, { 'last-event-id': cursor });
      await waitFor('what was missed', 20, () => idsIn(again.text).length === 2);
      expect(idsIn(again.text)).toEqual((await loggedEventIds(bareHub.database)).slice(-2));
      again.call.destroy();
    } finally {
      await own.stop();
    }
  });

  test('has a read timeout above the heartbeat interval, and a keep-alive timeout below the hub’s', async () => {
    const seconds = (pattern: RegExp): number => Number(pattern.exec(documentedConfig())?.[1]);
    // Tolerates two missed heartbeats.
    expect(seconds(/proxy_read_timeout (\d+)s;/) * 1_000).toBeGreaterThan(3 * HEARTBEAT_INTERVAL);
    const answer = await fetch(bareHub.url.replace('/graphql', '/healthz'));
    await answer.text();
    const keepAlive = Number(/timeout=(\d+)/.exec(answer.headers.get('keep-alive') ?? '')?.[1]);
    expect(keepAlive).toBeGreaterThan(seconds(/keepalive_timeout (\d+)s;/));
  });
});

/** Removes the forwarding headers, so that callers count as local and may subscribe without a token. */
const asLocal = (config: string): string =>
  replaceOnce(
    replaceOnce(
      replaceOnce(config, 'proxy_set_header X-Forwarded-For   $proxy_add_x_forwarded_for;', ''),
      'proxy_set_header X-Forwarded-Proto $scheme;',
      '',
    ),
    '$http_host;',
    'localhost;',
  );

test.each([
  ['stays open with heartbeats', 1_000],
  ['is closed without heartbeats', 60_000],
])('an idle stream or WebSocket through a proxy with a 4 s timeout %s', async (_, heartbeat) => {
  const bareHub = await startBareHub({ start: { heartbeat } });
  const nginx = await documentedNginx(portOf(bareHub), (config) =>
    replaceOnce(asLocal(config), 'proxy_read_timeout 60s;', 'proxy_read_timeout 4s;'),
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
    await waitFor('both streams begin', 20, () => streams.every((stream) => stream.text !== ''));
    const alive = () => [...streams.map((stream) => !stream.ended), open];
    if (heartbeat === 1_000) {
      await waitFor('twice the timeout of the proxy', 20, () => Date.now() - began > 8_000);
      expect(alive()).toEqual([true, true, true]);
    } else await waitFor('the cut', 20, () => !alive().includes(true));
    for (const stream of streams) stream.call.destroy();
    socket.terminate();
  } finally {
    await nginx.stop();
    await bareHub.close();
  }
});

test.each([
  ['only proxy_pass', ''],
  [
    'only the lines for WebSockets',
    'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";',
  ],
  ['the Host header forwarded', 'proxy_http_version 1.1; proxy_set_header Host hub.example;'],
])('callers behind an nginx with %s do not count as callers on this machine', async (_, lines) => {
  const bareHub = await startBareHub();
  const port = await freePort();
  const nginx = await startNginx(
    `server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${portOf(bareHub)}; ${lines} } }`,
    port,
  );
  try {
    const behind = await sendAndWait(`${nginx.url}/graphql`, { headers: JSON_TYPE, body: HISTORY });
    expect(behind.text).toContain('UNAUTHENTICATED');
    const socket = new WebSocket(`${nginx.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    const received: string[] = [];
    socket.on('error', (error) => received.push(String(error)));
    socket.on('open', () => socket.send('{"type":"connection_init"}'));
    socket.on('message', (message) => {
      received.push(String(message));
      if (/ack/.test(String(message)))
        socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: JSON.parse(HISTORY) }));
    });
    await waitFor('a rejection', 20, () => /UNAUTHENTICATED|Unexpected server response/.test(received.join()));
    socket.terminate();
  } finally {
    await nginx.stop();
    await bareHub.close();
  }
});
