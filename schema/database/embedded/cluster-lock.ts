/** Ensures that one hub at a time uses an embedded cluster. */
import { randomUUID } from 'node:crypto';
import { readFileSync, unlinkSync } from 'node:fs';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type ClusterLocation, codeOf, databaseError } from './data-folder.ts';

/** Content of the lock file. */
interface Owner {
  readonly pid: number;
  /** Start time of the process in kernel ticks, which distinguishes reused process ids; null if unknown. */
  readonly started: string | null;
  readonly token: string;
}

/** An acquired lock. */
export interface Lock {
  /** Idempotent and synchronous, since it also runs when the process exits. */
  release(): void;
}

/** Acquires the lock, also from a dead owner. Rejects with a `DatabaseError` if a live process holds it. */
export async function acquireLock(location: ClusterLocation): Promise<Lock> {
  const file = join(location.home, 'hub.lock');
  const own: Owner = { pid: process.pid, started: processStart(process.pid), token: randomUUID() };
  for (let attempt = 0; attempt < 20; attempt++) {
    try {
      await writeFile(file, JSON.stringify(own), { flag: 'wx', mode: 0o644 });
      return { release: () => release(file, own) };
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') {
        throw databaseError(
          `Cannot write to the database folder ${location.home} (${codeOf(error)}). Start as the user that created it, or set ISTHMUS_DATA to another folder.`,
          error,
        );
      }
    }
    const other = await readOwner(file);
    if (other && isOwnerAlive(other)) {
      throw databaseError(
        `The database in ${location.home} is in use by another hub (process ${other.pid}). Stop that hub, or set ISTHMUS_DATA to another folder.`,
      );
    }
    // Several processes may find the same dead owner: only the one that moves its file away continues; a live owner's file is put back.
    const aside = `${file}.${own.token}`;
    try {
      await rename(file, aside);
    } catch {
      continue;
    }
    const moved = await readOwner(aside);
    if (moved && moved.token !== other?.token) await link(aside, file).catch(() => undefined);
    await rm(aside, { force: true });
    await pause(10);
  }
  throw databaseError(`Cannot acquire the lock ${file}. Delete that file if no hub is running.`);
}

/** Whether a process with that id runs; zombies do not count. */
export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return processStat(pid)?.[0] !== 'Z';
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

const isOwnerAlive = (owner: Owner): boolean =>
  isProcessAlive(owner.pid) && (owner.started === null || owner.started === processStart(owner.pid));

async function readOwner(file: string): Promise<Owner | null> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Owner;
  } catch {
    return null;
  }
}

const processStart = (pid: number): string | null => processStat(pid)?.[19] ?? null;

/** The fields of /proc/PID/stat from the state on; null without /proc. */
function processStat(pid: number): string[] | null {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // After the program's name, which may contain any character.
    return line.slice(line.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

function release(file: string, own: Owner): void {
  try {
    const found = JSON.parse(readFileSync(file, 'utf8')) as Owner;
    if (found.token === own.token) unlinkSync(file);
  } catch {
    // Already deleted.
  }
}
