import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { createLog, type Log } from '../../../connectors/kit/log.ts';
import { FakeHub, QUERY, settle } from '../../../tests/fake-hub.ts';
import { UnreadBytes } from '../../trust/limits/unread-bytes.ts';
import { SubscriptionRegistry } from '../subscription-registry.ts';
import { openWebSockets } from './websocket-server.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of open.splice(0)) await end();
});

async function serve(
  hub: FakeHub,
  log: Log = createLog(() => undefined),
  unread = new UnreadBytes(),
): Promise<{ url: string; server: Server; registry: SubscriptionRegistry }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const registry = new SubscriptionRegistry(hub.parts);
  const sockets = openWebSockets({
    server,
    path: '/graphql',
    operations: hub.parts.operations,
    subscriptions: registry,
    log,
    unread,
    authenticate: async () => null,
    isOriginAllowed: () => true,
  });
  open.push(async () => {
    hub.close();
    await sockets.close();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`, server, registry };
}

/** A client that subscribes, with the event ids and the `behind` of each Lagged it received. */
class Client {
  readonly ids: number[] = [];
  readonly behind: number[] = [];
  readonly socket: WebSocket;
  constructor(url: string) {
    this.socket = new WebSocket(url, 'graphql-transport-ws', { perMessageDeflate: false });
    this.socket.on('open', () => this.socket.send('{"type":"connection_init"}'));
    this.socket.on('message', (data) => {
      const message = JSON.parse(String(data));
      const payload = { query: QUERY };
      if (message.type === 'connection_ack')
        this.socket.send(JSON.stringify({ id: 'ein "ö"', type: 'subscribe', payload }));
      if (message.type !== 'next') return;
      expect(message.id).toBe('ein "ö"');
      const { events, behind } = message.payload.data.events;
      if (behind !== undefined) this.behind.push(behind);
      for (const { id } of events ?? []) this.ids.push(Number(id));
    });
  }
}

const upTo = (count: bigint): number[] => Array.from({ length: Number(count) }, (_, i) => i + 1);

test('subscription group over WebSocket: sends Lagged and then all missed events to a client that had stopped reading, without delaying others', async () => {
  const hub = new FakeHub();
  hub.padding = 32_768;
  const { url, registry } = await serve(hub);
  const [quick, blocked] = [new Client(url), new Client(url)];
  await expect.poll(() => registry.size.subscribers, { timeout: 20_000 }).toBe(2);
  blocked.socket.pause();
  const next = async () => {
    hub.write(4);
    while (quick.ids.length < Number(hub.head)) await settle(1);
  };
  await next();
  // Until the buffers of both kernels and of the hub are full, and the log is read for the quick client alone.
  while (hub.requests.at(-1)?.readers?.length !== 1) await next();
  const held = blocked.ids.length;
  for (let i = 0; i < 10; i++) await next();
  expect(blocked.ids).toHaveLength(held);
  blocked.socket.resume();
  await expect.poll(() => blocked.ids.length, { timeout: 30_000 }).toBe(Number(hub.head));
  expect(blocked.ids).toEqual(upTo(hub.head));
  expect(quick.ids).toEqual(upTo(hub.head));
  expect(quick.behind).toEqual([]);
  expect(blocked.behind).toHaveLength(1);
  expect(blocked.behind[0]).toBeGreaterThanOrEqual(40);
}, 60_000);

test('WebSocket: limits the unread bytes of all sockets of a caller; a socket that is read continues and the others miss nothing', async () => {
  const hub = new FakeHub();
  hub.padding = 32_768;
  const unread = new UnreadBytes({ unread: 1, unreadBytes: 1_000_000_000 });
  const { url, registry } = await serve(hub, undefined, unread);
  const quick = new Client(url);
  const blocked = Array.from({ length: 8 }, () => new Client(url));
  await expect.poll(() => registry.size.subscribers, { timeout: 20_000 }).toBe(9);
  for (const { socket } of blocked) socket.pause();
  const next = async () => {
    hub.write(4);
    while (quick.ids.length < Number(hub.head)) await settle(1);
  };
  do await next();
  while (hub.requests.at(-1)?.readers?.length !== 1);
  for (let i = 0; i < 10; i++) await next();
  // One delivery on each; without the limit 256 KB and a delivery on each.
  const delivery = 4 * 33_000;
  expect(unread.used).toBeGreaterThan(0);
  expect(unread.used).toBeLessThan(8 * delivery + 100_000);
  expect(quick.behind).toEqual([]);
  for (const { socket } of blocked) socket.resume();
  for (const one of blocked) {
    await expect.poll(() => one.ids.length, { timeout: 30_000 }).toBe(Number(hub.head));
    expect(one.ids).toEqual(upTo(hub.head));
    expect(one.behind.length).toBeGreaterThan(0);
  }
  await expect.poll(() => unread.used).toBe(0);
}, 60_000);

test('WebSocket: stops reading from a client that does not read its responses, and limits its unread bytes', async () => {
  const hub = new FakeHub();
  const answer = 'x'.repeat(500_000);
  const unread = new UnreadBytes({ unread: 1_000_000, unreadBytes: 1_000_000_000 });
  let most = 0;
  let ran = 0;
  hub.run = async () => {
    ran++;
    await settle(5);
    most = Math.max(most, unread.used);
    return { data: { a: answer } };
  };
  const { url } = await serve(hub, undefined, unread);
  const open = await Promise.all(
    [1, 2, 3].map(async () => {
      const socket = new WebSocket(url, 'graphql-transport-ws');
      const got: { type: string; id?: string; payload?: unknown }[] = [];
      socket.on('message', (data) => got.push(JSON.parse(String(data))));
      await new Promise((resolve) => socket.on('open', resolve));
      socket.send('{"type":"connection_init"}');
      await expect.poll(() => got.length).toBe(1);
      return { socket, got };
    }),
  );
  for (const { socket } of open) {
    socket.pause();
    for (let id = 0; id < 60; id++)
      socket.send(JSON.stringify({ id: String(id), type: 'subscribe', payload: { query: '{ a }' } }));
  }
  let before = -1;
  // Until no further operation runs.
  while (before !== ran) {
    before = ran;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await settle(50);
  expect(most).toBeLessThanOrEqual(1_000_000 + 3 * 510_000);
  expect(unread.used).toBeLessThanOrEqual(1_000_000 + 3 * 510_000);
  for (const { socket } of open) socket.resume();
  // Each operation has a response or an error.
  for (const { got } of open) {
    await expect
      .poll(() => new Set(got.filter(({ type }) => type === 'complete' || type === 'error').map(({ id }) => id)).size, {
        timeout: 30_000,
      })
      .toBe(60);
    const refused = got.filter(({ type }) => type === 'error');
    expect(JSON.stringify(refused.map(({ payload }) => payload))).not.toMatch(/INTERNAL/);
  }
  await expect.poll(() => unread.used).toBe(0);
}, 60_000);

test('WebSocket: stops reading from a client that sends pings and does not read the pongs', async () => {
  const unread = new UnreadBytes();
  const { url } = await serve(new FakeHub(), undefined, unread);
  const socket = new WebSocket(url, 'graphql-transport-ws');
  let answered = -1;
  socket.on('message', () => answered++);
  await new Promise((resolve) => socket.on('open', resolve));
  socket.send('{"type":"connection_init"}');
  await expect.poll(() => answered).toBe(0);
  socket.pause();
  const ping = JSON.stringify({ type: 'ping', payload: { text: 'x'.repeat(200_000) } });
  for (let i = 0; i < 100; i++) socket.send(ping);
  await expect.poll(() => unread.used).toBeGreaterThan(0);
  let most = 0;
  for (let i = 0; i < 20; i++) {
    most = Math.max(most, unread.used);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  expect(most).toBeLessThan(1_000_000);
  socket.resume();
  await expect.poll(() => answered, { timeout: 20_000 }).toBe(100);
}, 30_000);

test('WebSocket: forgets clients that disconnect abruptly without logging or printing anything', async () => {
  const lines: string[] = [];
  const printed = [vi.spyOn(console, 'error'), vi.spyOn(console, 'warn')];
  const hub = new FakeHub();
  const { url, server, registry } = await serve(
    hub,
    createLog((line) => lines.push(line), 'info'),
  );
  const raw: Socket[] = [];
  server.on('connection', (socket) => raw.push(socket));
  const clients = Array.from({ length: 20 }, () => new Client(url));
  for (const { socket } of clients) socket.on('error', () => undefined);
  await expect.poll(() => registry.size.subscribers, { timeout: 20_000 }).toBe(20);
  // Half by a reset, half by an invalid frame, both during deliveries.
  clients.forEach(({ socket }, i) => {
    const to = (socket as unknown as { _socket: Socket })._socket;
    if (i % 2 === 0) to.resetAndDestroy();
    else to.write('\xff\xff\xff\xff no frame', 'latin1');
    hub.write(1);
  });
  await expect.poll(() => registry.size.subscribers, { timeout: 20_000 }).toBe(0);
  for (const one of printed) expect(one).not.toHaveBeenCalled();
  expect(lines).toEqual([]);
  expect(raw).toHaveLength(20);
});

test('WebSocket: rejects an upgrade of an invalid path and serves the next one', async () => {
  const { url, server } = await serve(new FakeHub());
  const { port } = server.address() as AddressInfo;
  for (const path of ['//', '/elsewhere', '*']) {
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.on('data', (data) => resolve(String(data)));
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
  }
  const client = new Client(url);
  await new Promise((resolve) => client.socket.on('open', resolve));
});
