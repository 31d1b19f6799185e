/** The small steps of running PostgreSQL as a child: waiting for it, ending it, reading and bounding its log. */
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFile, open, stat, truncate } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { onExit } from '../on-exit.ts';
import { CLEAN_ENV } from './binaries.ts';
import { codeOf, type Place } from './data-folder.ts';

const LOG_BOUND = 4 * 1024 * 1024;

/** Where a cluster answers. */
export type Target = { host: string; port: number; user: string };

/** Null once it answers; `ended` when it stopped by itself; else why it was given up (recovery may take its time). */
export async function answers(child: ChildProcess, target: Target, signal?: AbortSignal): Promise<string | null> {
  let failed: string | null = null;
  child.once('error', (error) => {
    failed = codeOf(error);
  });
  child.once('exit', () => {
    failed ??= 'ended';
  });
  for (const end = performance.now() + 120_000; performance.now() < end; await pause(15)) {
    if (failed !== null) return failed;
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
  return 'no answer within two minutes';
}

/** Fast shutdown, or from a harder one on; harder when that takes too long. Resolves when it is gone. */
export async function end(child: ChildProcess, from: 'SIGINT' | 'SIGQUIT' = 'SIGINT'): Promise<void> {
  // What could not be started at all has no number.
  const gone = () => child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
  for (const [signal, seconds] of [
    ...(from === 'SIGINT' ? [['SIGINT', 20] as const] : []),
    ['SIGQUIT', 10] as const,
    ['SIGKILL', 5] as const,
  ]) {
    if (gone()) return;
    child.kill(signal);
    for (const until = performance.now() + seconds * 1000; performance.now() < until && !gone(); await pause(10));
  }
}

/** Null when the program ended well, else its last line of complaint. The signal, and the end of this process, kill it with all that it has started. */
export function run(place: Place, command: readonly string[], signal?: AbortSignal): Promise<string | null> {
  const [program = '', ...args] = command;
  return new Promise((answer) => {
    const child = spawn(program, args, {
      ...(place.runAs ?? {}),
      cwd: '/',
      env: CLEAN_ENV,
      // A process group of its own, so that it can be killed as a whole.
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const kill = () => killGroup(child);
    const forget = onExit(kill);
    signal?.addEventListener('abort', kill);
    if (signal?.aborted) kill();
    const settle = () => {
      forget();
      signal?.removeEventListener('abort', kill);
    };
    let complaint = '';
    child.stderr.on('data', (bytes: Buffer) => {
      complaint = (complaint + bytes.toString('utf8')).slice(-4000);
    });
    child.once('error', (error) => {
      settle();
      answer(codeOf(error));
    });
    child.once('close', (code, killed) => {
      settle();
      const lines = complaint.split('\n').filter((one) => one.trim() !== '');
      const line = lines.find((one) => /error|fatal|panic/i.test(one)) ?? lines.at(-1);
      const said = line?.replace(/^.*?(error|FATAL|PANIC|initdb):\s*/, '').trim();
      answer(code === 0 ? null : said || `it ended with ${killed ?? code}`);
    });
  });
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/** What PostgreSQL said of its end, from that place of its log on. */
export async function lastWords(log: string, from: number): Promise<string> {
  const file = await open(log);
  try {
    const { size } = await file.stat();
    const bytes = Buffer.alloc(Math.min(Math.max(size - from, 0), 64 * 1024));
    await file.read(bytes, 0, bytes.length, from);
    const lines = bytes.toString('utf8').split('\n');
    const line = lines.find((one) => /(FATAL|PANIC):/.test(one)) ?? lines.findLast((one) => one.trim() !== '') ?? '';
    return line.replace(/^.*?(FATAL|PANIC|LOG):\s*/, '').trim() || 'it ended without a word';
  } finally {
    await file.close();
  }
}

/** Keeps the log and one older part, each of at most about 4 MB. PostgreSQL appends, so emptying is safe. */
export async function boundLog(log: string): Promise<void> {
  const size = (await stat(log).catch(() => null))?.size ?? 0;
  if (size <= LOG_BOUND) return;
  await copyFile(log, `${log}.1`);
  await truncate(log);
}
