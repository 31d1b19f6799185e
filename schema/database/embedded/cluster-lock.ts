/** Who owns an embedded cluster: one living hub at a time, and no PostgreSQL left over from a dead one. */
import { randomUUID } from 'node:crypto';
import { readFileSync, unlinkSync } from 'node:fs';
import { link, readFile, readlink, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { codeOf, type Place, problem } from './data-folder.ts';

interface Owner {
  readonly pid: number;
  /** Start of the process in the kernel's own ticks, so that a reused number is told apart; null where unknown. */
  readonly started: string | null;
  readonly token: string;
}

export interface Lock {
  /** Idempotent, and synchronous: it also runs while the process exits. */
  release(): void;
}

/** Takes the lock; a dead owner's is taken over. Rejects with a `DatabaseError` when a living process holds it. */
export async function takeLock(place: Place): Promise<Lock> {
  const file = join(place.home, 'hub.lock');
  const mine: Owner = { pid: process.pid, started: startOf(process.pid), token: randomUUID() };
  for (let n = 0; n < 20; n++) {
    try {
      await writeFile(file, JSON.stringify(mine), { flag: 'wx', mode: 0o644 });
      return { release: () => release(file, mine) };
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') {
        throw await problem(
          `The database folder ${place.home} cannot be written (${codeOf(error)}). Start as the user that made it, or set ISTHMUS_DATA to another folder.`,
          error,
        );
      }
    }
    const other = await readOwner(file);
    if (other && lives(other)) {
      throw await problem(
        `The database in ${place.home} is in use by another hub (process ${other.pid}). Stop that one first, or set ISTHMUS_DATA to another folder.`,
      );
    }
    // Two may find the same dead owner: only who moved away that very file goes on; a living one's is put back.
    const aside = `${file}.${mine.token}`;
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
  throw await problem(`The lock ${file} cannot be taken. Remove that file when no hub is running.`);
}

/**
 * Ends a PostgreSQL that a killed hub left running on this data, by a fast shutdown: committed rows stay. A note of a process
 * that is none of ours is put away, since PostgreSQL would mistake it for a running one.
 */
export async function endOrphan(place: Place): Promise<void> {
  const note = join(place.data, 'postmaster.pid');
  const pid = Number((await readFile(note, 'utf8').catch(() => '')).split('\n')[0]);
  if (!Number.isInteger(pid) || pid <= 1) return;
  if (!alive(pid) || !(await isPostgresOf(pid, place.data))) {
    await rm(note, { force: true });
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
      if (!alive(pid)) return;
  }
  throw await problem(
    `A PostgreSQL left by a former hub (process ${pid}) still runs on ${place.data} and does not stop. Stop it by hand; nothing was changed.`,
  );
}

/** Whether a process of that number runs. A dead one that nobody has waited for does not count. */
export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return statOf(pid)?.[0] !== 'Z';
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

async function isPostgresOf(pid: number, data: string): Promise<boolean> {
  const folder = await realpath(data);
  try {
    return (await readlink(`/proc/${pid}/cwd`)) === folder;
  } catch (error) {
    // Without /proc, or not allowed to look: rather ask it to stop than start a second one on the same data.
    return codeOf(error) !== 'ENOENT' || process.platform !== 'linux';
  }
}

const lives = (owner: Owner): boolean =>
  alive(owner.pid) && (owner.started === null || owner.started === startOf(owner.pid));

async function readOwner(file: string): Promise<Owner | null> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Owner;
  } catch {
    return null;
  }
}

const startOf = (pid: number): string | null => statOf(pid)?.[19] ?? null;

/** The kernel's fields of a process from its state on; null without /proc. */
function statOf(pid: number): string[] | null {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Counted from behind the name, which may hold anything.
    return line.slice(line.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

function release(file: string, mine: Owner): void {
  try {
    const found = JSON.parse(readFileSync(file, 'utf8')) as Owner;
    if (found.token === mine.token) unlinkSync(file);
  } catch {
    // Gone already.
  }
}
