/** A replica of the kill test, seen from outside: always on the same port, whatever becomes of its process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import { type Place, type Raised, raise } from './raise.ts';

export interface Replica {
  /** Of /graphql, without ws or http before it. */
  readonly address: string;
  /** Resolves when it answers. */
  raise(): Promise<void>;
  /** Goes over to another supergraph; rejects when that did not happen. */
  reload(): Promise<void>;
  /** SIGKILL: nothing is said to anybody. */
  kill(): Promise<void>;
  /** An orderly end. */
  stop(): Promise<void>;
}

async function placeIn(directory: string, databaseUrl: string, natsUrl: string | null): Promise<Place> {
  const port = await freePort();
  const data = join(directory, String(port));
  mkdirSync(data, { recursive: true });
  return { databaseUrl, data, port, natsUrl };
}

/** In this process: it starts faster, and cannot be killed. */
export async function replicaHere(
  directory: string,
  databaseUrl: string,
  natsUrl: string | null,
): Promise<Omit<Replica, 'kill'>> {
  const place = await placeIn(directory, databaseUrl, natsUrl);
  let hub: Raised | null = null;
  return {
    address: `127.0.0.1:${place.port}/graphql`,
    raise: async () => {
      hub = await raise(place);
    },
    reload: async () => hub?.reload(),
    stop: async () => {
      await hub?.stop();
      hub = null;
    },
  };
}

/** In a process of its own. */
export async function replica(directory: string, databaseUrl: string, natsUrl: string | null): Promise<Replica> {
  const place = await placeIn(directory, databaseUrl, natsUrl);
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
    address: `127.0.0.1:${place.port}/graphql`,
    raise: async () => {
      child = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'hub.ts'), JSON.stringify(place)], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      await next('up');
    },
    reload: async () => {
      const told = next('reloaded', 'failed');
      child?.send('reload');
      const { failed } = await told;
      if (failed !== undefined) throw new Error(String(failed));
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  };
}
