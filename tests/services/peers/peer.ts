/** A peer: an independent program of another project, started in its own folder and on its own loopback port. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

export interface Peer {
  readonly name: string;
  /** Required Debian packages. */
  readonly packages: readonly string[];
  /** A program or file that exists if the packages are installed. */
  readonly program: string;
  /** Starts it in `directory`; returns the environment variables for the tests. */
  start(directory: string): Promise<Started>;
}

export interface Started {
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Stop functions of all running programs, including those of a peer that failed to start completely. */
const running = new Set<() => Promise<void>>();

/** Stops every program that `run` started and that still runs. */
export const stopAll = async (): Promise<void> => {
  await Promise.all([...running].map((stop) => stop()));
};

/** Starts a program with its output in a file, and waits until its port accepts connections (at most 30 s). */
export async function startProgram(
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
  let hasExited = false;
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      if (hasExited) return resolve();
      child.once('exit', () => resolve());
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), 8_000).unref();
    });
  running.add(stop);
  const ended = () => {
    hasExited = true;
    running.delete(stop);
  };
  child.once('exit', ended).once('error', ended);
  const end = Date.now() + 30_000;
  while (!(await answers(port))) {
    if (hasExited || Date.now() > end)
      throw new Error(`${command} does not accept connections on port ${port}; see ${join(directory, 'log')}`);
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
