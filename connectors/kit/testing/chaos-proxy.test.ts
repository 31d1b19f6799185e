import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ChaosProxy, FAULTS, startChaosProxy } from './chaos-proxy.ts';

/** The response to `ping`, until the connection ends or `milliseconds` have elapsed. */
async function ping(port: number, milliseconds = 150): Promise<{ received: Buffer; ended: string }> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let size = 0;
    const socket = connect(port, '127.0.0.1', () => socket.write('ping'));
    const finish = (ended: string) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ received: Buffer.concat(parts), ended });
    };
    const timer = setTimeout(() => finish('timeout'), milliseconds);
    socket.on('data', (bytes: Buffer) => {
      parts.push(bytes);
      size += bytes.length;
      if (size > 200_000) finish('too much');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => finish(String(error.code)));
    socket.on('end', () => finish('end'));
  });
}

describe('the chaos proxy', () => {
  let server: Server;
  let chaos: ChaosProxy;
  let requests = '';
  const sockets = new Set<Socket>();

  beforeAll(async () => {
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('data', (bytes: Buffer) => {
        requests += bytes.toString();
        socket.write('pong');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    chaos = await startChaosProxy({ target: { host: '127.0.0.1', port }, latency: 300, drip: 60 });
  });
  afterAll(async () => {
    await chaos.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  const under = async (fault: Parameters<ChaosProxy['setFault']>[0], milliseconds?: number) => {
    requests = '';
    await chaos.setFault(fault);
    const { received, ended } = await ping(chaos.port, milliseconds);
    return { received: received.toString('latin1'), ended, requests };
  };

  test('passes traffic unchanged before a fault is set and after it is cleared', async () => {
    for (const fault of [null, 'reset', null, 'refused', null, 'half-open', null] as const) {
      const { received } = await under(fault);
      expect(received).toBe(fault === null ? 'pong' : '');
    }
  });

  test('each fault behaves as documented', async () => {
    expect(await under('refused')).toEqual({ received: '', ended: 'ECONNREFUSED', requests: '' });
    expect(await under('reset')).toMatchObject({ received: '', ended: 'ECONNRESET' });
    expect(await under('half-open')).toEqual({ received: '', ended: 'timeout', requests: '' });
    expect(await under('black-hole')).toEqual({ received: '', ended: 'timeout', requests: 'ping' });
    expect((await under('latency')).received).toBe('');
    expect((await under('latency', 1_500)).received).toBe('pong');
    expect(['p', 'po', 'pon']).toContain((await under('drip')).received);
    expect((await under('duplicate')).received).toBe('pongpong');
    const garbage = await under('garbage');
    expect(garbage.received.length).toBeGreaterThanOrEqual(64);
    expect(garbage.received).not.toContain('pong');
    expect(await under('endless', 5_000)).toMatchObject({ ended: 'too much' });
  });

  test('counts the effects of each fault, and nothing while no fault is set', async () => {
    for (const fault of FAULTS) {
      await chaos.setFault(null);
      const socket = connect(chaos.port, '127.0.0.1');
      await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
      socket.on('error', () => undefined).write('ping');
      await new Promise((resolve) => socket.once('data', resolve));
      expect(chaos.affected).toBe(0);
      await chaos.setFault(fault);
      if (!socket.destroyed) socket.write('ping');
      await expect.poll(() => chaos.affected, { message: fault }).toBeGreaterThan(0);
      socket.destroy();
    }
    await chaos.setFault(null);
    expect(chaos.affected).toBe(0);
  });

  test('a fault applies to connections that are already open', async () => {
    await chaos.setFault(null);
    const socket = connect(chaos.port, '127.0.0.1');
    await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
    const closed = new Promise<boolean>((resolve) => socket.once('close', resolve));
    socket.on('error', () => undefined);
    await chaos.setFault('refused');
    await closed;
    expect(socket.destroyed).toBe(true);
  });
});
