import { join } from 'node:path';
import { freePort } from '../../../schema/database/embedded/free-port.ts';
import { type Peer, run } from './peer.ts';

const PROGRAM = '/usr/sbin/nats-server';

/** A NATS server with JetStream that keeps its port and its files over `kill -9`. Rejects when the program is not there. */
export async function natsServer(directory: string): Promise<{
  readonly url: string;
  readonly port: number;
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}> {
  const port = await freePort();
  const raise = () =>
    run(directory, PROGRAM, ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', join(directory, 'data')], port);
  let running = await raise();
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    kill: () =>
      new Promise((resolve) => {
        running.child.once('exit', () => resolve());
        running.child.kill('SIGKILL');
      }),
    start: async () => {
      running = await raise();
    },
    stop: () => running.stop(),
  };
}

/** NATS with JetStream: the tests start servers of their own, since they kill them. */
export const nats: Peer = {
  name: 'NATS',
  packages: ['nats-server'],
  program: PROGRAM,
  start: async (directory) => {
    const server = await natsServer(directory);
    await server.stop();
    return { env: {}, stop: async () => undefined };
  },
};
