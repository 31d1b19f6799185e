import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Chaos, chaosProxy, FAULTS } from './chaos-proxy.ts';

/** What comes back for `ping`, until the connection ends or `milliseconds` are over. */
async function ping(port: number, milliseconds = 150): Promise<{ said: Buffer; ended: string }> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let size = 0;
    const socket = connect(port, '127.0.0.1', () => socket.write('ping'));
    const finish = (ended: string) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ said: Buffer.concat(parts), ended });
    };
    const timer = setTimeout(() => finish('time'), milliseconds);
    socket.on('data', (bytes: Buffer) => {
      parts.push(bytes);
      size += bytes.length;
      if (size > 200_000) finish('much');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => finish(String(error.code)));
    socket.on('end', () => finish('end'));
  });
}

describe('the chaos proxy', () => {
  let server: Server;
  let chaos: Chaos;
  let heard = '';
  const sockets = new Set<Socket>();

  beforeAll(async () => {
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('data', (bytes: Buffer) => {
        heard += bytes.toString();
        socket.write('pong');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    chaos = await chaosProxy({ target: { host: '127.0.0.1', port }, latency: 300, drip: 60 });
  });
  afterAll(async () => {
    await chaos.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  const under = async (fault: Parameters<Chaos['set']>[0], milliseconds?: number) => {
    heard = '';
    await chaos.set(fault);
    const { said, ended } = await ping(chaos.port, milliseconds);
    return { said: said.toString('latin1'), ended, heard };
  };

  test('lets everything through, until it is told otherwise, and again afterwards', async () => {
    for (const fault of [null, 'reset', null, 'refused', null, 'half-open', null] as const) {
      const { said } = await under(fault);
      expect(said).toBe(fault === null ? 'pong' : '');
    }
  });

  test('each fault is what its name says', async () => {
    expect(await under('refused')).toEqual({ said: '', ended: 'ECONNREFUSED', heard: '' });
    expect(await under('reset')).toMatchObject({ said: '', ended: 'ECONNRESET' });
    expect(await under('half-open')).toEqual({ said: '', ended: 'time', heard: '' });
    expect(await under('black-hole')).toEqual({ said: '', ended: 'time', heard: 'ping' });
    expect((await under('latency')).said).toBe('');
    expect((await under('latency', 1_500)).said).toBe('pong');
    expect(['p', 'po', 'pon']).toContain((await under('drip')).said);
    expect((await under('duplicate')).said).toBe('pongpong');
    const garbage = await under('garbage');
    expect(garbage.said.length).toBeGreaterThanOrEqual(64);
    expect(garbage.said).not.toContain('pong');
    expect(await under('endless', 5_000)).toMatchObject({ ended: 'much' });
  });

  test('counts what each fault has done, and nothing while there is none', async () => {
    for (const fault of FAULTS) {
      await chaos.set(null);
      const socket = connect(chaos.port, '127.0.0.1');
      await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
      socket.on('error', () => undefined).write('ping');
      await new Promise((resolve) => socket.once('data', resolve));
      expect(chaos.hurt).toBe(0);
      await chaos.set(fault);
      if (!socket.destroyed) socket.write('ping');
      await expect.poll(() => chaos.hurt, { message: fault }).toBeGreaterThan(0);
      socket.destroy();
    }
    await chaos.set(null);
    expect(chaos.hurt).toBe(0);
  });

  test('a connection that stands is hurt, too', async () => {
    await chaos.set(null);
    const socket = connect(chaos.port, '127.0.0.1');
    await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
    const closed = new Promise<boolean>((resolve) => socket.once('close', resolve));
    socket.on('error', () => undefined);
    await chaos.set('refused');
    await closed;
    expect(socket.destroyed).toBe(true);
  });
});
