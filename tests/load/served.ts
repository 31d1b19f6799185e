/** What the load runs measure: a server in a process of its own, held to one core, looked at through /proc (Linux). */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../schema/database/embedded/free-port.ts';

export interface Served {
  readonly port: number;
  readonly child: ChildProcess;
  /** CPU used in milliseconds, memory held in MB, and the most since `forget`. */
  usage(): { cpu: number; rss: number; peak: number };
  /** The most memory is counted from now on. */
  forget(): void;
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const root = join(import.meta.dirname, '..', '..');

/** Runs `node ...args` on one core, with PORT in its environment, until it listens there. */
export async function serve(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Served> {
  const port = await freePort();
  const child = spawn('taskset', ['-c', '0', process.execPath, ...args], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, ...env, PORT: String(port), HOST: '127.0.0.1' },
  });
  for (let i = 0; ; i++) {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null);
    await answer?.text();
    // A bare `ws` has nothing but sockets there.
    if (answer?.ok || answer?.status === 426) break;
    if (i > 300 || child.exitCode !== null) throw new Error(`${args.join(' ')} does not answer.`);
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
    forget: () => writeFileSync(`${proc}/clear_refs`, '5'),
  };
}

/** The hub as its users run it: built, by its own command. It has a park and no islands. */
export function serveHub(directory: string, databaseUrl: string): Promise<Served> {
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

/** A bare `ws` that sends what it is told to all. */
export const serveBare = (): Promise<Served> => serve(['--import', 'tsx', join(import.meta.dirname, 'bare.ts')]);
