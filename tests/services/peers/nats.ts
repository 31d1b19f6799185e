import { join } from 'node:path';
import { freePort } from '../../../schema/database/embedded/free-port.ts';
import { type Peer, startProgram } from './peer.ts';

const PROGRAM = '/usr/sbin/nats-server';

/** Starts a NATS server with JetStream that keeps its port and files across `kill`. Rejects if the program is not installed. */
export async function startNatsServer(directory: string): Promise<{
  readonly url: string;
  readonly port: number;
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}> {
  const port = await freePort();
  const startServer = () =>
    startProgram(
      directory,
      PROGRAM,
      ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', join(directory, 'data')],
      port,
    );
  let running = await startServer();
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    kill: () =>
      new Promise((resolve) => {
        running.child.once('exit', () => resolve());
        running.child.kill('SIGKILL');
      }),
    start: async () => {
      running = await startServer();
    },
    stop: () => running.stop(),
  };
}

/** NATS with JetStream. Tests start their own servers, because they kill them. */
export const nats: Peer = {
  name: 'NATS',
  packages: ['nats-server'],
  program: PROGRAM,
  start: async (directory) => {
    const server = await startNatsServer(directory);
    await server.stop();
    return { env: {}, stop: async () => undefined };
  },
};
