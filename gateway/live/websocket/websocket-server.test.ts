import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { type Log, makeLog } from '../../../connectors/kit/log.ts';
import { Pretend, QUERY, settle } from '../../../tests/pretend-hub.ts';
import { UnreadBytes } from '../../trust/limits/unread-bytes.ts';
import { Deliveries } from '../subscription-registry.ts';
import { openSockets } from './websocket-server.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of open.splice(0)) await end();
});

async function serve(
  hub: Pretend,
  log: Log = makeLog(() => undefined),
  unread = new UnreadBytes(),
): Promise<{ url: string; server: Server; deliveries: Deliveries }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const deliveries = new Deliveries(hub.parts);
  const sockets = openSockets({
    server,
    path: '/graphql',
    operations: hub.parts.operations,
    deliveries,
    log,
    unread,
    principal: async () => null,
    originAllowed: () => true,
  });
  open.push(async () => {
    hub.close();
    await sockets.close();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`, server, deliveries };
}

/** A client that subscribes; ids of the events it has got, and how far behind it was told that it is. */
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

test('a client that takes nothing leaves the others, is told Lagged when it wakes, and then gets all it has missed', async () => {
  const hub = new Pretend();
  hub.padding = 32_768;
  const { url, deliveries } = await serve(hub);
  const [quick, asleep] = [new Client(url), new Client(url)];
  await expect.poll(() => deliveries.size.listeners, { timeout: 20_000 }).toBe(2);
  asleep.socket.pause();
  const next = async () => {
    hub.write(4);
    while (quick.ids.length < Number(hub.head)) await settle(1);
  };
  await next();
  // Until both ends' kernels and the hub's own buffer are full, and it is read for the quick one alone.
  while (hub.asked.at(-1)?.readers?.length !== 1) await next();
  const held = asleep.ids.length;
  for (let i = 0; i < 10; i++) await next();
  expect(asleep.ids).toHaveLength(held);
  asleep.socket.resume();
  await expect.poll(() => asleep.ids.length, { timeout: 30_000 }).toBe(Number(hub.head));
  expect(asleep.ids).toEqual(upTo(hub.head));
  expect(quick.ids).toEqual(upTo(hub.head));
  expect(quick.behind).toEqual([]);
  expect(asleep.behind).toHaveLength(1);
  expect(asleep.behind[0]).toBeGreaterThanOrEqual(40);
}, 60_000);

test('the sockets of one caller together leave only so much unread; one that is read goes on, and the others miss nothing', async () => {
  const hub = new Pretend();
  hub.padding = 32_768;
  const unread = new UnreadBytes({ unread: 1, unreadBytes: 1_000_000_000 });
  const { url, deliveries } = await serve(hub, undefined, unread);
  const quick = new Client(url);
  const asleep = Array.from({ length: 8 }, () => new Client(url));
  await expect.poll(() => deliveries.size.listeners, { timeout: 20_000 }).toBe(9);
  for (const { socket } of asleep) socket.pause();
  const next = async () => {
    hub.write(4);
    while (quick.ids.length < Number(hub.head)) await settle(1);
  };
  do await next();
  while (hub.asked.at(-1)?.readers?.length !== 1);
  for (let i = 0; i < 10; i++) await next();
  // One delivery on each, where 256 KB and a delivery would wait on each without it.
  const delivery = 4 * 33_000;
  expect(unread.held).toBeGreaterThan(0);
  expect(unread.held).toBeLessThan(8 * delivery + 100_000);
  expect(quick.behind).toEqual([]);
  for (const { socket } of asleep) socket.resume();
  for (const one of asleep) {
    await expect.poll(() => one.ids.length, { timeout: 30_000 }).toBe(Number(hub.head));
    expect(one.ids).toEqual(upTo(hub.head));
    expect(one.behind.length).toBeGreaterThan(0);
  }
  await expect.poll(() => unread.held).toBe(0);
}, 60_000);

test('who asks on a socket and does not read the answers is not listened to, and gets no more than it may leave unread', async () => {
  const hub = new Pretend();
  const answer = 'x'.repeat(500_000);
  const unread = new UnreadBytes({ unread: 1_000_000, unreadBytes: 1_000_000_000 });
  let most = 0;
  let ran = 0;
  hub.run = async () => {
    ran++;
    await settle(5);
    most = Math.max(most, unread.held);
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
  // Until nothing more is run.
  while (before !== ran) {
    before = ran;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await settle(50);
  expect(most).toBeLessThanOrEqual(1_000_000 + 3 * 510_000);
  expect(unread.held).toBeLessThanOrEqual(1_000_000 + 3 * 510_000);
  for (const { socket } of open) socket.resume();
  // Each of them is answered, or told why not.
  for (const { got } of open) {
    await expect
      .poll(() => new Set(got.filter(({ type }) => type === 'complete' || type === 'error').map(({ id }) => id)).size, {
        timeout: 30_000,
      })
      .toBe(60);
    const refused = got.filter(({ type }) => type === 'error');
    expect(JSON.stringify(refused.map(({ payload }) => payload))).not.toMatch(/INTERNAL/);
  }
  await expect.poll(() => unread.held).toBe(0);
}, 60_000);

test('a client that pings and does not read the answers is not listened to until it reads', async () => {
  const unread = new UnreadBytes();
  const { url } = await serve(new Pretend(), undefined, unread);
  const socket = new WebSocket(url, 'graphql-transport-ws');
  let answered = -1;
  socket.on('message', () => answered++);
  await new Promise((resolve) => socket.on('open', resolve));
  socket.send('{"type":"connection_init"}');
  await expect.poll(() => answered).toBe(0);
  socket.pause();
  const ping = JSON.stringify({ type: 'ping', payload: { text: 'x'.repeat(200_000) } });
  for (let i = 0; i < 100; i++) socket.send(ping);
  await expect.poll(() => unread.held).toBeGreaterThan(0);
  let most = 0;
  for (let i = 0; i < 20; i++) {
    most = Math.max(most, unread.held);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  expect(most).toBeLessThan(1_000_000);
  socket.resume();
  await expect.poll(() => answered, { timeout: 20_000 }).toBe(100);
}, 30_000);

test('clients that break off are nobody’s fault: they are forgotten, and nothing is logged or printed', async () => {
  const lines: string[] = [];
  const printed = [vi.spyOn(console, 'error'), vi.spyOn(console, 'warn')];
  const hub = new Pretend();
  const { url, server, deliveries } = await serve(
    hub,
    makeLog((line) => lines.push(line), 'info'),
  );
  const raw: Socket[] = [];
  server.on('connection', (socket) => raw.push(socket));
  const clients = Array.from({ length: 20 }, () => new Client(url));
  for (const { socket } of clients) socket.on('error', () => undefined);
  await expect.poll(() => deliveries.size.listeners, { timeout: 20_000 }).toBe(20);
  // Half with a reset, half with what is no frame; both while deliveries are on the way.
  clients.forEach(({ socket }, i) => {
    const to = (socket as unknown as { _socket: Socket })._socket;
    if (i % 2 === 0) to.resetAndDestroy();
    else to.write('\xff\xff\xff\xff no frame', 'latin1');
    hub.write(1);
  });
  await expect.poll(() => deliveries.size.listeners, { timeout: 20_000 }).toBe(0);
  for (const one of printed) expect(one).not.toHaveBeenCalled();
  expect(lines).toEqual([]);
  expect(raw).toHaveLength(20);
});

test('an upgrade to what is no address is refused, and the next one is served', async () => {
  const { url, server } = await serve(new Pretend());
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
