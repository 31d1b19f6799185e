/** Stops a PostgreSQL that a killed hub has left running. */
import { readFile, readlink, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { isProcessAlive } from './cluster-lock.ts';
import { type ClusterLocation, codeOf, databaseError } from './data-folder.ts';

/**
 * Stops a PostgreSQL that a killed hub has left running on this data, by a fast shutdown. Deletes a postmaster.pid whose process is not
 * PostgreSQL on this data, because PostgreSQL would not start. Rejects with a `DatabaseError` if it does not stop.
 */
export async function stopOrphan(location: ClusterLocation): Promise<void> {
  const pidFile = join(location.data, 'postmaster.pid');
  const pid = Number((await readFile(pidFile, 'utf8').catch(() => '')).split('\n')[0]);
  if (!Number.isInteger(pid) || pid <= 1) return;
  if (!isProcessAlive(pid) || !(await isPostgresOf(pid, location.data))) {
    await rm(pidFile, { force: true });
    return;
  }
  for (const [signal, seconds] of [
    ['SIGINT', 20],
    ['SIGQUIT', 10],
  ] as const) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (codeOf(error) === 'ESRCH') return;
      break;
    }
    for (const end = performance.now() + seconds * 1000; performance.now() < end; await pause(20))
      if (!isProcessAlive(pid)) return;
  }
  throw databaseError(
    `PostgreSQL of an earlier hub (process ${pid}) still runs on ${location.data} and does not stop. Stop it manually. Nothing was changed.`,
  );
}

async function isPostgresOf(pid: number, data: string): Promise<boolean> {
  const folder = await realpath(data);
  try {
    return (await readlink(`/proc/${pid}/cwd`)) === folder;
  } catch (error) {
    // Without /proc or without permission, assume that it is PostgreSQL: a second one must not start on the same data.
    return codeOf(error) !== 'ENOENT' || process.platform !== 'linux';
  }
}
