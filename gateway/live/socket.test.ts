import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { type Log, makeLog } from '../../connectors/kit/log.ts';
import { Pretend, QUERY, settle } from '../../tests/pretend-hub.ts';
import { Deliveries } from './deliveries.ts';
import { openSockets } from './socket.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of open.splice(0)) await end();
});

async function serve(
  hub: Pretend,
  log: Log = makeLog(() => undefined),
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
