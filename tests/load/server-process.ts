/** A measured server in a separate process, pinned to one core; CPU and memory are read from /proc (Linux only). */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../schema/database/embedded/free-port.ts';

export interface ServerProcess {
  readonly port: number;
  readonly child: ChildProcess;
  /** CPU time in milliseconds, RSS in MB, and peak RSS since `resetPeak`. */
  usage(): { cpu: number; rss: number; peak: number };
  /** Resets the peak RSS. */
  resetPeak(): void;
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const root = join(import.meta.dirname, '..', '..');

/** Runs `node ...args` on one core, with PORT in its environment, until it listens there. */
export async function serve(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ServerProcess> {
  const port = await freePort();
  const child = spawn('taskset', ['-c', '0', process.execPath, ...args], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, ...env, PORT: String(port), HOST: '127.0.0.1' },
  });
  for (let i = 0; ; i++) {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null);
    await answer?.text();
    // The plain `ws` server responds 426 to HTTP requests.
    if (answer?.ok || answer?.status === 426) break;
    if (i > 300 || child.exitCode !== null) throw new Error(`${args.join(' ')} did not respond within 30 s.`);
    await sleep(100);
  }
  const proc = `/proc/${child.pid}`;
  return {
    port,
    child,
    usage: () => {
      const status = readFileSync(`${proc}/status`, 'utf8');
      const fields = readFileSync(`${proc}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
      const megabytes = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1_024;
      return {
        cpu: (Number(fields[11]) + Number(fields[12])) * 10,
        rss: megabytes('VmRSS'),
        peak: megabytes('VmHWM'),
      };
    },
    resetPeak: () => writeFileSync(`${proc}/clear_refs`, '5'),
  };
}

/** The hub as users run it: built, started by its own command, with a park but no sources. */
export function serveHub(directory: string, databaseUrl: string): Promise<ServerProcess> {
  const config = join(directory, 'load.yaml');
  writeFileSync(
    config,
    'parks: [ { id: load, name: Load, region: "500112" } ]\ninstallations: []\nanonymous: developer\n',
  );
  return serve([join(root, 'bin', 'isthmus.js'), 'start', '--config', config], {
    DATABASE_URL: databaseUrl,
    ISTHMUS_DATA: directory,
    ISTHMUS_LOG: 'warn',
  });
}

/** The plain `ws` broadcast server. */
export const serveWsBroadcast = (): Promise<ServerProcess> =>
  serve(['--import', 'tsx', join(import.meta.dirname, 'ws-broadcast.ts')]);
