/** Running PostgreSQL as a child process: waits until it is ready, stops it, reads and limits its log. */
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFile, open, stat, truncate } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { CLEAN_ENV } from './binaries.ts';
import { type ClusterLocation, codeOf } from './data-folder.ts';
import { onExit } from './on-exit.ts';

const MAX_LOG_BYTES = 4 * 1024 * 1024;

/** Address and user for a connection. */
export type PostgresAddress = { host: string; port: number; user: string };

/**
 * Resolves with null when PostgreSQL accepts connections; else with `ended` if it exited, `interrupted`, or another reason. Waits up to
 * two minutes, since recovery takes time.
 */
export async function waitUntilReady(
  child: ChildProcess,
  target: PostgresAddress,
  signal?: AbortSignal,
): Promise<string | null> {
  let failure: string | null = null;
  child.once('error', (error) => {
    failure = codeOf(error);
  });
  child.once('exit', () => {
    failure ??= 'ended';
  });
  for (const end = performance.now() + 120_000; performance.now() < end; await pause(15)) {
    if (failure !== null) return failure;
    if (signal?.aborted) return 'interrupted';
    const client = new pg.Client({ ...target, database: 'postgres' });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.end();
      return null;
    } catch {
      await client.end().catch(() => undefined);
    }
  }
  return 'no response within 2 minutes';
}

/** Stops PostgreSQL: fast shutdown, then immediate shutdown after 20 s, then SIGKILL after 10 s. `from`: the first signal. */
export async function stopPostgres(child: ChildProcess, from: 'SIGINT' | 'SIGQUIT' = 'SIGINT'): Promise<void> {
  // A child that could not be started has no pid.
  const hasExited = () => child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
  for (const [signal, seconds] of [
    ...(from === 'SIGINT' ? [['SIGINT', 20] as const] : []),
    ['SIGQUIT', 10] as const,
    ['SIGKILL', 5] as const,
  ]) {
    if (hasExited()) return;
    child.kill(signal);
    for (const until = performance.now() + seconds * 1000; performance.now() < until && !hasExited(); await pause(10));
  }
}

/** Runs a program. Resolves with null on success, else with its error message. Abort and exit of this process kill its process group. */
export function runProgram(
  location: ClusterLocation,
  command: readonly string[],
  signal?: AbortSignal,
): Promise<string | null> {
  const [program = '', ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      ...(location.runAs ?? {}),
      cwd: '/',
      env: CLEAN_ENV,
      // In its own process group, so that the group can be killed.
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const kill = () => killGroup(child);
    const cancel = onExit(kill);
    signal?.addEventListener('abort', kill);
    if (signal?.aborted) kill();
    const settle = () => {
      cancel();
      signal?.removeEventListener('abort', kill);
    };
    let stderr = '';
    child.stderr.on('data', (bytes: Buffer) => {
      stderr = (stderr + bytes.toString('utf8')).slice(-4000);
    });
    child.once('error', (error) => {
      settle();
      resolve(codeOf(error));
    });
    child.once('close', (code, killed) => {
      settle();
      const lines = stderr.split('\n').filter((line) => line.trim() !== '');
      const line = lines.find((line) => /error|fatal|panic/i.test(line)) ?? lines.at(-1);
      const message = line?.replace(/^.*?(error|FATAL|PANIC|initdb):\s*/, '').trim();
      resolve(code === 0 ? null : message || `it ended with ${killed ?? code}`);
    });
  });
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Already ended.
  }
}

/** PostgreSQL's last error message in its log after that offset. */
export async function lastLogMessage(log: string, from: number): Promise<string> {
  const file = await open(log);
  try {
    const { size } = await file.stat();
    const bytes = Buffer.alloc(Math.min(Math.max(size - from, 0), 64 * 1024));
    await file.read(bytes, 0, bytes.length, from);
    const lines = bytes.toString('utf8').split('\n');
    const line =
      lines.find((line) => /(FATAL|PANIC):/.test(line)) ?? lines.findLast((line) => line.trim() !== '') ?? '';
    return line.replace(/^.*?(FATAL|PANIC|LOG):\s*/, '').trim() || 'it ended without a message';
  } finally {
    await file.close();
  }
}

/** Keeps the log and one older part, of about 4 MiB each. PostgreSQL appends, so truncating is safe. */
export async function limitLogSize(log: string): Promise<void> {
  const size = (await stat(log).catch(() => null))?.size ?? 0;
  if (size <= MAX_LOG_BYTES) return;
  await copyFile(log, `${log}.1`);
  await truncate(log);
}
