/** Webhooks over real connections: rejection before the body is read, limits, and timeouts. */
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { WebhookRequest } from '../../connectors/kit/connector.ts';
import { silentLog } from '../../connectors/kit/log.ts';
import { type IntakeTimeouts, WebhookIntake } from '../../connectors/kit/webhooks/webhook-intake.ts';
import { respondToWebhook, type WebhookTarget } from '../../connectors/kit/webhooks/webhook-response.ts';
import { type HttpServer, listen } from './server.ts';
import { forwardWebhooks } from './webhook-routing.ts';

const LIMITS = { webhook: 300_000, webhooks: 8, webhookBytes: 1_000_000 };
let intake: WebhookIntake;
let http: HttpServer;
let taken: WebhookRequest[] = [];
const sockets: Socket[] = [];
const servers: Server[] = [];

const here: WebhookTarget = {
  requirements: {
    headers: { 'X-Signature': (value) => /^v1=[0-9a-f]{8}$/.test(value) },
    mediaTypes: ['application/json'],
    maxBytes: 250_000,
  },
  handle: async (call) => {
    taken.push(call);
    return { status: 200, headers: { 'content-type': 'text/plain' }, body: `took ${call.body.length}` };
  },
};

async function serve(
  options: { times?: Partial<IntakeTimeouts>; target?: WebhookTarget; limits?: typeof LIMITS } = {},
) {
  intake = new WebhookIntake(options.limits ?? LIMITS, options.times);
  http = await listen({ host: '127.0.0.1', port: 0, log: silentLog });
  http.open({
    graphql: { handle: async () => ({ status: 200, headers: {}, body: '' }), stop: async () => undefined },
    ready: async () => ({ ready: true, body: {} }),
    metrics: async () => ({ type: 'text/plain', body: '' }),
    authenticate: async () => null,
    webhooks: (installation) => (installation === 'gate' ? (options.target ?? here) : null),
    intake,
  });
}
beforeEach(() => {
  taken = [];
});
afterEach(async () => {
  for (const one of sockets.splice(0)) one.destroy();
  await http.close(0);
  for (const one of servers.splice(0)) {
    one.closeAllConnections();
    await new Promise((resolve) => one.close(resolve));
  }
});

const GOOD = { 'x-signature': 'v1=0123abcd', 'content-type': 'application/json' };

/** A call whose body the test sends itself. */
class Call {
  readonly socket: Socket;
  text = '';
  readonly ended: Promise<string>;
  constructor(headers: Record<string, string>, path = '/webhooks/gate', method = 'POST') {
    this.socket = connect(http.port, '127.0.0.1');
    sockets.push(this.socket);
    this.socket.on('data', (data) => {
      this.text += String(data);
    });
    this.socket.on('error', () => undefined);
    this.ended = new Promise((resolve) => this.socket.on('close', () => resolve(this.text)));
    const lines = Object.entries({ host: 'hub', ...headers }).map(([name, value]) => `${name}: ${value}`);
    this.socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
  }
  send(bytes: number): this {
    this.socket.write('x'.repeat(bytes));
    return this;
  }
  chunk(bytes: number): this {
    this.socket.write(`${bytes.toString(16)}\r\n${'x'.repeat(bytes)}\r\n`);
    return this;
  }
  /** The status and the headers, once they have come. */
  async head(): Promise<string> {
    await expect.poll(() => this.text, { timeout: 5_000 }).toContain('\r\n\r\n');
    return this.text;
  }
  status = async (): Promise<number> => Number((await this.head()).split(' ')[1]);
}

const length = (bytes: number) => ({ ...GOOD, 'content-length': String(bytes) });
const CHUNKED = { ...GOOD, 'transfer-encoding': 'chunked' };

describe('webhooks before the body is read', () => {
  test.each<[string, number, Record<string, string>, (string | undefined)?, string?]>([
    ['an unknown installation', 404, length(100), '/webhooks/nobody'],
    ['another method', 405, length(100), undefined, 'PUT'],
    ['no signature', 401, { ...length(100), 'x-signature': '' }],
    ['a signature of another form', 401, { ...length(100), 'x-signature': 'v1=zz' }],
    ['another content type', 415, { ...length(100), 'content-type': 'text/xml' }],
    ['a compressed body', 415, { ...length(100), 'content-encoding': 'gzip' }],
    ['more than the installation takes', 413, length(250_001)],
    ['a wrong signature, chunked', 401, { ...CHUNKED, 'x-signature': 'v1=zz' }],
  ])(
    '%s is refused with %i: nothing is asked of the client, and its connection ends',
    async (_, status, headers, path, method) => {
      await serve();
      const call = new Call(headers, path, method);
      // Not a byte of the body has been sent.
      expect(await call.status()).toBe(status);
      expect(call.text.toLowerCase()).toContain('connection: close');
      call.socket.end();
      await call.ended;
      expect(taken).toEqual([]);
      expect([intake.slots.used, intake.bytes.used]).toEqual([0, 0]);
    },
  );

  test('webhook response: sends 100 Continue only when the headers are accepted', async () => {
    await serve();
    const refused = new Call({ ...length(3), 'x-signature': 'no', expect: '100-continue' });
    expect(await refused.status()).toBe(401);
    const wanted = new Call({ ...length(3), expect: '100-continue' });
    expect(await wanted.status()).toBe(100);
    wanted.send(3);
    await expect.poll(() => wanted.text).toContain('took 3');
  });

  test('delivers the rejection to a client that keeps sending, without reading its body', async () => {
    await serve();
    let read = 0;
    http.server.on('connection', (socket) =>
      socket.on('close', () => {
        read += socket.bytesRead;
      }),
    );
    const call = new Call({ ...length(200_000_000), 'x-signature': 'v1=zz' });
    const pour = (): void => {
      if (call.socket.writable) call.socket.write(Buffer.alloc(65_536), pour);
    };
    pour();
    expect(await call.status()).toBe(401);
    await call.ended;
    await expect.poll(() => read).toBeGreaterThan(0);
    expect(read).toBeLessThan(2_000_000);
  });
});

describe('webhooks while the body is read', () => {
  test('reads bodies with a length, in chunks, and empty ones', async () => {
    await serve();
    const [whole, pieces, none] = [new Call(length(20_000)).send(20_000), new Call(CHUNKED), new Call(length(0))];
    for (let i = 0; i < 10; i++) pieces.chunk(20_000);
    pieces.socket.write('0\r\n\r\n');
    for (const [call, size] of [
      [whole, 20_000],
      [pieces, 200_000],
      [none, 0],
    ] as const)
      await expect.poll(() => call.text).toContain(`took ${size}`);
    expect(taken.map((one) => one.body.length).sort()).toEqual([0, 20_000, 200_000].sort());
    expect([intake.slots.used, intake.bytes.used]).toEqual([0, 0]);
  });

  test('limits a body of undeclared length', async () => {
    await serve();
    const call = new Call(CHUNKED);
    for (let i = 0; i < 10; i++) call.chunk(50_000);
    expect(await call.status()).toBe(413);
    expect(intake.bytes.used).toBe(0);
  });

  test('limits webhooks and bytes in progress, reserves some for small bodies, and responds 503 with Retry-After', async () => {
    await serve({ times: { grace: 60_000 } });
    // Half of the places are for one installation; of them large bodies leave one.
    const large = [1, 2, 3].map(() => new Call(length(240_000)).send(239_000));
    await expect.poll(() => intake.slots.used).toBe(3);
    expect(intake.bytes.used).toBe(3 * 240_000);
    const more = [new Call(length(240_000)), new Call(CHUNKED).chunk(100_000)];
    for (const one of more) {
      expect(await one.status()).toBe(503);
      expect(one.text.toLowerCase()).toContain('retry-after: 2');
    }
    await expect.poll(() => new Call(length(10)).send(10).status()).toBe(200);
    const small = new Call(length(10));
    await expect.poll(() => intake.slots.used).toBe(4);
    expect(await new Call(length(10)).status()).toBe(503);
    small.socket.write('x'.repeat(10));
    expect(await small.status()).toBe(200);
    for (const one of large) one.send(1_000);
    for (const one of large) expect(await one.status()).toBe(200);
    expect([intake.slots.used, intake.bytes.used]).toEqual([0, 0]);
    expect(intake.slots.rejections + intake.bytes.rejections).toBe(3);
  });

  test('gives the place of a stalled body to the next webhook and responds 503 to the stalled one', async () => {
    await serve({ times: { grace: 50 } });
    const slow = Array.from({ length: 4 }, () => new Call(length(10)).send(9));
    await expect.poll(() => intake.slots.used).toBe(4);
    await new Promise((resolve) => setTimeout(resolve, 80));
    for (let i = 0; i < 4; i++) expect(await new Call(length(10)).send(10).status()).toBe(200);
    expect(await (slow[0] as Call).status()).toBe(503);
    expect(intake.slots.used).toBe(3);
  });

  test.each([
    ['stalls', { idle: 300 }, 0],
    ['arrives too slowly', { total: 700 }, 20_000],
  ])('responds 408 to a body that %s', async (_, times, drip) => {
    await serve({ times });
    const call = new Call(length(240_000)).send(100);
    const drips = setInterval(() => call.send(drip), 100);
    expect(await call.status()).toBe(408);
    clearInterval(drips);
    expect([intake.slots.used, intake.bytes.used]).toEqual([0, 0]);
  });

  test('frees the place of a client that disconnects', async () => {
    await serve();
    const call = new Call(length(1_000)).send(10);
    await expect.poll(() => intake.slots.used).toBe(1);
    call.socket.destroy();
    await expect.poll(() => [intake.slots.used, intake.bytes.used]).toEqual([0, 0]);
  });
});

describe('webhooks forwarded to the connector process', () => {
  let over: WebhookIntake;
  /** The connector's process: the same checks there. */
  async function process(): Promise<WebhookTarget> {
    over = new WebhookIntake(LIMITS);
    const server = createServer((request, response) => {
      const at = { installation: 'gate', path: '/webhooks/gate', target: here, intake: over };
      respondToWebhook(request, response, at).catch(() => response.destroy());
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return forwardWebhooks(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, 'gate');
  }

  test('forwards a body as it arrives and buffers it in one process only', async () => {
    await serve({ target: await process() });
    const calls = [1, 2, 3].map(() => new Call(length(240_000)).send(239_000));
    await expect.poll(() => over.bytes.used).toBe(3 * 240_000);
    expect(intake.bytes.used).toBe(3 * 16_384);
    for (const one of calls) one.send(1_000);
    for (const one of calls) await expect.poll(() => one.text).toContain('took 240000');
    const pieces = new Call(CHUNKED).chunk(100_000).chunk(10);
    pieces.socket.write('0\r\n\r\n');
    await expect.poll(() => pieces.text).toContain('took 100010');
    expect([intake.slots.used, intake.bytes.used, over.bytes.used]).toEqual([0, 0, 0]);
  });

  test('passes on a rejection of the connector process before the body is sent', async () => {
    await serve({ target: await process() });
    for (const [headers, status] of [
      [{ ...length(1_000), 'x-signature': 'v1=zz' }, 401],
      [length(250_001), 413],
      [{ ...CHUNKED, 'content-type': 'text/xml' }, 415],
    ] as const) {
      const call = new Call(headers);
      expect(await call.status()).toBe(status);
    }
    const busy = [1, 2, 3, 4].map(() => new Call(length(10)).send(9));
    await expect.poll(() => over.slots.used + intake.slots.used).toBe(8);
    const late = new Call(length(10));
    expect(await late.status()).toBe(503);
    for (const one of busy) one.socket.destroy();
    await expect.poll(() => [intake.slots.used, over.slots.used]).toEqual([0, 0]);
  });

  test('responds 503 with Retry-After when the connector process is down', async () => {
    await serve({ target: forwardWebhooks('http://127.0.0.1:9', 'gate') });
    for (const call of [new Call(length(10)).send(10), new Call(length(10))]) {
      expect(await call.status()).toBe(503);
      expect(call.text.toLowerCase()).toContain('retry-after: 2');
    }
    await expect.poll(() => intake.slots.used).toBe(0);
  });

  test('responds 408 to a stalled body', async () => {
    await serve({ target: await process(), times: { idle: 300 } });
    expect(await new Call(length(1_000)).send(10).status()).toBe(408);
    await expect.poll(() => [intake.slots.used, over.slots.used]).toEqual([0, 0]);
  });
});
