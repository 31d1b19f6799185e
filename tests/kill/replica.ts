/** A replica of the kill test, seen from outside: always on the same port, whatever becomes of its process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../schema/database/port.ts';

export interface Replica {
  /** Of /graphql, without ws or http before it. */
  readonly address: string;
  /** Resolves when it answers. */
  raise(): Promise<void>;
  /** Goes over to another supergraph; rejects when that did not happen. */
  reload(): Promise<void>;
  /** SIGKILL: nothing is said to anybody. */
  kill(): Promise<void>;
  /** SIGTERM: an orderly end. */
  stop(): Promise<void>;
}

/** A replica on this database; `env` is added to its environment. */
export async function replica(
  databaseUrl: string,
  directory: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Replica> {
  const port = await freePort();
  const data = join(directory, String(port));
  mkdirSync(data, { recursive: true });
  let child: ChildProcess | null = null;
  const end = (signal: NodeJS.Signals): Promise<void> =>
    new Promise((resolve) => {
      const one = child;
      child = null;
      if (!one || one.exitCode !== null || one.signalCode !== null) return resolve();
      one.once('exit', () => resolve());
      one.kill(signal);
    });
  /** The child's next message that has one of these fields. */
  const next = (...fields: string[]): Promise<Record<string, unknown>> =>
    new Promise((resolve, reject) => {
      const one = child;
      if (!one) return reject(new Error('The replica is down.'));
      const gone = () => reject(new Error('The replica has ended by itself.'));
      const take = (message: unknown) => {
        if (!fields.some((field) => field in (message as object))) return;
        one.off('message', take).off('exit', gone);
        resolve(message as Record<string, unknown>);
      };
      one.on('message', take).once('exit', gone);
    });
  return {
    address: `127.0.0.1:${port}/graphql`,
    raise: async () => {
      child = spawn(
        process.execPath,
        ['--import', 'tsx', join(import.meta.dirname, 'hub.ts'), databaseUrl, data, String(port)],
        { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: { ...process.env, ...env } },
      );
      await next('up');
    },
    reload: async () => {
      const told = next('reloaded', 'failed');
      child?.send('reload');
      const answer = await told;
      if (answer['reloaded'] !== true) throw new Error(`No reload: ${answer['failed'] ?? 'the graph is the same'}.`);
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  };
}
