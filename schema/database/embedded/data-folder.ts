/** Where an embedded cluster lives and as whom it runs: PostgreSQL refuses root, and `nobody` cannot enter a 0700 home. */
import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/** A user of the operating system; null means: as this process itself. */
export type RunAs = { readonly uid: number; readonly gid: number } | null;

export interface Place {
  /** The folder that the caller named, absolute. */
  readonly asked: string;
  /** Lock, log and data stand here: `asked`, or a folder elsewhere that `asked/WHERE` names. */
  readonly home: string;
  /** PostgreSQL's own data folder. */
  readonly data: string;
  readonly runAs: RunAs;
}

/** A fault that the operator can mend, as the house's `DatabaseError`. open.ts brings TypeORM, so it is loaded only to throw. */
export async function problem(sentence: string, cause?: unknown): Promise<Error> {
  const { DatabaseError } = await import('../database.ts');
  return new DatabaseError(sentence, cause === undefined ? undefined : { cause });
}

/** Chooses the place; as root it makes folders that the running user can reach. Rejects with a `DatabaseError`. */
export async function choosePlace(directory: string): Promise<Place> {
  const path = resolve(directory);
  const root = process.getuid?.() === 0;
  const there = await stat(path).catch(() => null);
  if (there && !there.isDirectory()) {
    throw await problem(
      `The database folder ${path} is a file. Move it away or set ISTHMUS_DATA to another folder; nothing was changed.`,
    );
  }
  try {
    if (!there) {
      await mkdir(path, { recursive: true, mode: root ? 0o755 : 0o700 });
      if (root) await chmod(path, 0o755);
    }
  } catch (error) {
    throw await problem(
      `The database folder ${path} cannot be made (${codeOf(error)}). Give this user the right to write there, or set ISTHMUS_DATA to another folder.`,
      error,
    );
  }
  const asked = await realpath(path);
  const at = (home: string, runAs: RunAs): Place => ({ asked, home, data: join(home, 'data'), runAs });
  if (!root) return at(asked, null);

  const known = await knownElsewhere(asked);
  if (known) return at(known, await nobody());
  const data = await stat(join(asked, 'data')).catch(() => null);
  // Data that an ordinary user made stays that user's.
  if (data && data.uid !== 0) {
    const owner = { uid: data.uid, gid: data.gid };
    if (await reachable(asked, owner)) return at(asked, owner);
  }
  const user = await nobody();
  if (data || (await reachable(asked, user))) return at(asked, user);
  // Where only the folder itself is shut, and it is root's, it is opened for passing through: what lies in it is guarded by itself.
  const own = await stat(asked);
  if (own.uid === 0 && (await reachable(dirname(asked), user))) {
    await chmod(asked, (own.mode & 0o777) | 0o011);
    return at(asked, user);
  }
  return at(await elsewhere(asked, user), user);
}

/** Whether a cluster was ever made for this folder, there or where the folder says. Makes nothing. */
export async function hasCluster(directory: string): Promise<boolean> {
  try {
    const asked = await realpath(directory);
    await stat(join((await knownElsewhere(asked)) ?? asked, 'data'));
    return true;
  } catch (error) {
    // What may not be looked at is there: opening it says whose it is.
    return !['ENOENT', 'ENOTDIR'].includes(codeOf(error));
  }
}

/** A folder for the unix socket, 0700, short enough for its limit of 107 bytes, and the running user's own. */
export async function socketFolder(place: Place): Promise<string> {
  const uid = place.runAs?.uid ?? process.getuid?.() ?? 0;
  const name = `isthmus-${digest(`${uid}:${place.data}`)}`;
  for (const base of [...new Set([tmpdir(), '/tmp', '/var/tmp'])]) {
    const folder = join(base, name);
    if (Buffer.byteLength(join(folder, '.s.PGSQL.65535.lock')) > 107) continue;
    if (place.runAs && !(await reachable(base, place.runAs))) continue;
    try {
      await mkdir(folder, { mode: 0o700 });
      await own(folder, place.runAs);
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') continue;
    }
    const found = await lstat(folder);
    // Somebody else's folder or link under our name is not to be trusted.
    if (found.isDirectory() && found.uid === uid && (found.mode & 0o077) === 0) return folder;
  }
  throw await problem(
    `No folder for the database's socket can be made under ${tmpdir()}, /tmp or /var/tmp. Set TMPDIR to a short path that this user can write to.`,
  );
}

/** Gives a folder to the running user, and to it alone. */
export async function own(folder: string, runAs: RunAs): Promise<void> {
  const { chown } = await import('node:fs/promises');
  if (runAs) await chown(folder, runAs.uid, runAs.gid);
  await chmod(folder, 0o700);
}

/** Whether the user may go through every folder down to `path`, by the folders' modes. */
export async function reachable(path: string, user: { readonly uid: number; readonly gid: number }): Promise<boolean> {
  for (let folder = path; ; folder = dirname(folder)) {
    const one = await stat(folder).catch(() => null);
    if (!one) return false;
    const shift = one.uid === user.uid ? 6 : one.gid === user.gid ? 3 : 0;
    if (((one.mode >> shift) & 1) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

/** The code of a system error, or its message. */
export const codeOf = (error: unknown): string =>
  String((error as { code?: unknown } | null)?.code ?? (error instanceof Error ? error.message : error));

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12);

async function nobody(): Promise<{ uid: number; gid: number }> {
  const users = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const found = /^nobody:[^:]*:(\d+):(\d+):/m.exec(users);
  return found ? { uid: Number(found[1]), gid: Number(found[2]) } : { uid: 65534, gid: 65534 };
}

/** The folder that `WHERE` names, when it says itself that it belongs to `asked`. */
async function knownElsewhere(asked: string): Promise<string | null> {
  const home = (await readFile(join(asked, 'WHERE'), 'utf8').catch(() => '')).split('\n')[0]?.trim();
  if (!home) return null;
  const owner = await readFile(join(home, 'OWNER'), 'utf8').catch(() => '');
  return owner.trim() === asked ? home : null;
}

/** Whether a postmaster that its pid file names is alive. */
async function serving(data: string): Promise<boolean> {
  const pid = Number.parseInt(await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => ''), 10);
  return pid > 0 && (await stat(`/proc/${pid}`).catch(() => null)) !== null;
}

/** Data that stands there from a folder `asked` that was deleted since is set aside: deleting it is how one begins anew. */
async function elsewhere(asked: string, user: { uid: number; gid: number }): Promise<string> {
  const name = digest(asked);
  for (const home of [`/var/lib/isthmus/${name}`, `/var/tmp/isthmus-${name}`]) {
    try {
      await mkdir(home, { recursive: true, mode: 0o755 });
      const found = await lstat(home);
      if (!found.isDirectory() || found.uid !== 0) continue;
      await chmod(home, 0o755);
      if (!(await reachable(home, user))) continue;
      const former = join(home, 'data.former');
      if ((await stat(join(home, 'data')).catch(() => null)) && !(await serving(join(home, 'data')))) {
        await rm(former, { recursive: true, force: true });
        await rename(join(home, 'data'), former);
      }
      await writeFile(join(home, 'OWNER'), `${asked}\n`);
      await writeFile(
        join(asked, 'WHERE'),
        `${home}\nThe database of this folder lives there: PostgreSQL does not run as root, and the user it runs as cannot enter this folder.\n`,
      );
      return home;
    } catch {
      // Not writable: the next one.
    }
  }
  throw await problem(
    `No place for the database was found: PostgreSQL does not run as root, user nobody cannot enter ${asked}, and neither /var/lib/isthmus nor /var/tmp can be written. Start as an ordinary user, or set ISTHMUS_DATA to a folder that nobody can enter.`,
  );
}
