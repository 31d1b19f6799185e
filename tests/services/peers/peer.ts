/** What a peer is: a program that nobody here wrote, started in a folder and on a loopback port of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

export interface Peer {
  readonly name: string;
  /** Debian's packages that it needs. */
  readonly packages: readonly string[];
  /** A program that is there when the packages are. */
  readonly program: string;
  /** Starts it below `directory`; answers what tests must know. */
  start(directory: string): Promise<Started>;
}

export interface Started {
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Programs that run now, also those of a peer that failed half-way. */
const running = new Set<() => Promise<void>>();

/** Ends every program that `run` started and nobody stopped. */
export const stopAll = async (): Promise<void> => {
  await Promise.all([...running].map((stop) => stop()));
};

/** Starts a program whose output goes to a file, and waits until its port answers. */
export async function run(
  directory: string,
  command: string,
  args: readonly string[],
  port: number,
  options: { uid?: number; gid?: number; cwd?: string; env?: Record<string, string> } = {},
): Promise<{ child: ChildProcess; stop(): Promise<void> }> {
  const { env, ...rest } = options;
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env }, ...rest });
  const log = createWriteStream(join(directory, 'log'));
  child.stdout?.pipe(log);
  child.stderr?.pipe(log);
  let gone = false;
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      if (gone) return resolve();
      child.once('exit', () => resolve());
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), 8_000).unref();
    });
  running.add(stop);
  const ended = () => {
    gone = true;
    running.delete(stop);
  };
  child.once('exit', ended).once('error', ended);
  const end = Date.now() + 30_000;
  while (!(await answers(port))) {
    if (gone || Date.now() > end)
      throw new Error(`${command} does not answer on port ${port}; see ${join(directory, 'log')}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { child, stop };
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
