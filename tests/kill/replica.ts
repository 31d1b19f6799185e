/** A replica of the kill test, which keeps its port when its process is killed and restarted. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import { type HubSettings, type RunningHub, startKillTestHub } from './start-hub.ts';

export interface Replica {
  /** Address of /graphql without the scheme. */
  readonly address: string;
  /** Starts the hub; resolves when it is up. */
  start(): Promise<void>;
  /** Switches to another supergraph; rejects if that fails. */
  reload(): Promise<void>;
  /** Ends the process with SIGKILL. */
  kill(): Promise<void>;
  /** Ends the process with SIGTERM. */
  stop(): Promise<void>;
}

async function createSettings(directory: string, databaseUrl: string, natsUrl: string | null): Promise<HubSettings> {
  const port = await freePort();
  const data = join(directory, String(port));
  mkdirSync(data, { recursive: true });
  return { databaseUrl, data, port, natsUrl };
}

/** A replica in this process: starts faster, but cannot be killed. */
export async function inProcessReplica(
  directory: string,
  databaseUrl: string,
  natsUrl: string | null,
): Promise<Omit<Replica, 'kill'>> {
  const place = await createSettings(directory, databaseUrl, natsUrl);
  let hub: RunningHub | null = null;
  return {
    address: `127.0.0.1:${place.port}/graphql`,
    start: async () => {
      hub = await startKillTestHub(place);
    },
    reload: async () => hub?.reload(),
    stop: async () => {
      await hub?.stop();
      hub = null;
    },
  };
}

/** A replica in a separate process. */
export async function processReplica(directory: string, databaseUrl: string, natsUrl: string | null): Promise<Replica> {
  const place = await createSettings(directory, databaseUrl, natsUrl);
  let child: ChildProcess | null = null;
  const end = (signal: NodeJS.Signals): Promise<void> =>
    new Promise((resolve) => {
      const one = child;
      child = null;
      if (!one || one.exitCode !== null || one.signalCode !== null) return resolve();
      one.once('exit', () => resolve());
      one.kill(signal);
    });
  /** The child's next message with one of these fields. */
  const next = (...fields: string[]): Promise<Record<string, unknown>> =>
    new Promise((resolve, reject) => {
      const one = child;
      if (!one) return reject(new Error('The replica is down.'));
      const rejectExited = () => reject(new Error('The replica exited unexpectedly.'));
      const take = (message: unknown) => {
        if (!fields.some((field) => field in (message as object))) return;
        one.off('message', take).off('exit', rejectExited);
        resolve(message as Record<string, unknown>);
      };
      one.on('message', take).once('exit', rejectExited);
    });
  return {
    address: `127.0.0.1:${place.port}/graphql`,
    start: async () => {
      child = spawn(
        process.execPath,
        ['--import', 'tsx', join(import.meta.dirname, 'hub-process.ts'), JSON.stringify(place)],
        {
          stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        },
      );
      await next('up');
    },
    reload: async () => {
      const reloaded = next('reloaded', 'failed');
      child?.send('reload');
      const { failed } = await reloaded;
      if (failed !== undefined) throw new Error(String(failed));
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  };
}
