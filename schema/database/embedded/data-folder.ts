/** Chooses and checks the folder of an embedded cluster, and its user: PostgreSQL does not run as root, and user `nobody` cannot access a 0700 home. */
import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { DatabaseError } from '../database-error.ts';

/** A user of the operating system; null: the user of this process. */
export type RunAs = { readonly uid: number; readonly gid: number } | null;

/** Folders and user of a cluster. */
export interface ClusterLocation {
  /** The folder that the caller requested, absolute. */
  readonly requested: string;
  /** The folder of lock, log and data: `requested`, or the folder named in `requested/WHERE`. */
  readonly home: string;
  /** PostgreSQL's own data folder. */
  readonly data: string;
  readonly runAs: RunAs;
}

/** A `DatabaseError` that tells the operator what to do. */
export const databaseError = (message: string, cause?: unknown): DatabaseError =>
  new DatabaseError(message, cause === undefined ? undefined : { cause });

/** Chooses the location; as root it creates folders that PostgreSQL's user can access. Rejects with a `DatabaseError`. */
export async function chooseLocation(directory: string): Promise<ClusterLocation> {
  const path = resolve(directory);
  const root = process.getuid?.() === 0;
  const there = await stat(path).catch(() => null);
  if (there && !there.isDirectory()) {
    throw databaseError(
      `The database folder ${path} is a file. Move it away or set ISTHMUS_DATA to another folder. Nothing was changed.`,
    );
  }
  try {
    if (!there) {
      await mkdir(path, { recursive: true, mode: root ? 0o755 : 0o700 });
      if (root) await chmod(path, 0o755);
    }
  } catch (error) {
    throw databaseError(
      `Cannot create the database folder ${path} (${codeOf(error)}). Give this user write permission there, or set ISTHMUS_DATA to another folder.`,
      error,
    );
  }
  const requested = await realpath(path);
  const at = (home: string, runAs: RunAs): ClusterLocation => ({
    requested: requested,
    home,
    data: join(home, 'data'),
    runAs,
  });
  if (!root) return at(requested, null);

  const existing = await findElsewhere(requested);
  if (existing) return at(existing, await nobodyUser());
  const data = await stat(join(requested, 'data')).catch(() => null);
  // Data that an ordinary user created remains that user's.
  if (data && data.uid !== 0) {
    const owner = { uid: data.uid, gid: data.gid };
    if (await isReachable(requested, owner)) return at(requested, owner);
  }
  const user = await nobodyUser();
  if (data || (await isReachable(requested, user))) return at(requested, user);
  // If only the folder itself is inaccessible and belongs to root, it is opened for traversal; its content has its own permissions.
  const own = await stat(requested);
  if (own.uid === 0 && (await isReachable(dirname(requested), user))) {
    await chmod(requested, (own.mode & 0o777) | 0o011);
    return at(requested, user);
  }
  return at(await createElsewhere(requested, user), user);
}

/** Files and folders that the hub creates beside the data. */
const OWN_FILES = /^(data|data\.making|data\.former|hub\.lock.*|postgres\.log(\.1)?|WHERE|OWNER|postgresql-.*)$/;

/**
 * Rejects with a `DatabaseError` if the folder contains foreign files, or a database that is not of this major version of PostgreSQL.
 * Changes nothing.
 */
export async function checkDataFolder(location: ClusterLocation, version: string): Promise<void> {
  const { data, home } = location;
  const foreign = (await readdir(home)).filter((name) => !OWN_FILES.test(name));
  const found = await stat(data).catch(() => null);
  if (!found) {
    if (foreign.length === 0) return;
    throw databaseError(
      `The database folder ${home} contains other files (${foreign.slice(0, 3).join(', ')}) and no database. Move it away or set ISTHMUS_DATA to another folder. Nothing was changed.`,
    );
  }
  const remedy = 'Restore it from a backup, or move it away to start with an empty database. Nothing was changed.';
  let dataVersion: string;
  try {
    dataVersion = (await readFile(join(data, 'PG_VERSION'), 'utf8')).trim();
    await stat(join(data, 'global', 'pg_control'));
  } catch (error) {
    if (codeOf(error) === 'EACCES') {
      throw databaseError(
        `The database in ${data} belongs to another user. Start as that user (or as root), or set ISTHMUS_DATA to another folder. Nothing was changed.`,
        error,
      );
    }
    throw databaseError(`The folder ${data} is not a complete PostgreSQL database. ${remedy}`, error);
  }
  if (dataVersion !== version) {
    const found = /^\d{1,3}(\.\d{1,3})?$/.test(dataVersion) ? `version ${dataVersion}` : 'an unknown version';
    throw databaseError(
      `The database in ${data} has PostgreSQL ${found}; this hub includes version ${version}. Convert it with pg_upgrade or pg_dump of that version, or move it away. Nothing was changed.`,
    );
  }
}

/** Whether a cluster exists for this folder, in it or in the folder named in WHERE. Creates nothing. */
export async function hasCluster(directory: string): Promise<boolean> {
  try {
    const requested = await realpath(directory);
    await stat(join((await findElsewhere(requested)) ?? requested, 'data'));
    return true;
  } catch (error) {
    // An inaccessible folder exists: opening it reports its owner.
    return !['ENOENT', 'ENOTDIR'].includes(codeOf(error));
  }
}

/** Creates the folder of the unix socket: mode 0700, owned by PostgreSQL's user, path within the limit of 107 bytes. */
export async function socketFolder(location: ClusterLocation): Promise<string> {
  const uid = location.runAs?.uid ?? process.getuid?.() ?? 0;
  const name = `isthmus-${digest(`${uid}:${location.data}`)}`;
  for (const base of [...new Set([tmpdir(), '/tmp', '/var/tmp'])]) {
    const folder = join(base, name);
    if (Buffer.byteLength(join(folder, '.s.PGSQL.65535.lock')) > 107) continue;
    if (location.runAs && !(await isReachable(base, location.runAs))) continue;
    try {
      await mkdir(folder, { mode: 0o700 });
      await makePrivate(folder, location.runAs);
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') continue;
    }
    const found = await lstat(folder);
    // A folder or link of another user with this name must not be used.
    if (found.isDirectory() && found.uid === uid && (found.mode & 0o077) === 0) return folder;
  }
  throw databaseError(
    `Cannot create a folder for the database's socket in ${tmpdir()}, /tmp or /var/tmp. Set TMPDIR to a short path that this user can write to.`,
  );
}

/** Makes a folder accessible to PostgreSQL's user only. */
export async function makePrivate(folder: string, runAs: RunAs): Promise<void> {
  const { chown } = await import('node:fs/promises');
  if (runAs) await chown(folder, runAs.uid, runAs.gid);
  await chmod(folder, 0o700);
}

/** Whether the modes of all folders down to `path` allow the user to traverse them. */
export async function isReachable(
  path: string,
  user: { readonly uid: number; readonly gid: number },
): Promise<boolean> {
  for (let folder = path; ; folder = dirname(folder)) {
    const stats = await stat(folder).catch(() => null);
    if (!stats) return false;
    const shift = stats.uid === user.uid ? 6 : stats.gid === user.gid ? 3 : 0;
    if (((stats.mode >> shift) & 1) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

/** The code of a system error, or its message. */
export const codeOf = (error: unknown): string =>
  String((error as { code?: unknown } | null)?.code ?? (error instanceof Error ? error.message : error));

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12);

async function nobodyUser(): Promise<{ uid: number; gid: number }> {
  const users = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const found = /^nobody:[^:]*:(\d+):(\d+):/m.exec(users);
  return found ? { uid: Number(found[1]), gid: Number(found[2]) } : { uid: 65534, gid: 65534 };
}

/** The folder named in WHERE, if its file OWNER names the requested folder; else null. */
async function findElsewhere(requested: string): Promise<string | null> {
  const home = (await readFile(join(requested, 'WHERE'), 'utf8').catch(() => '')).split('\n')[0]?.trim();
  if (!home) return null;
  const owner = await readFile(join(home, 'OWNER'), 'utf8').catch(() => '');
  return owner.trim() === requested ? home : null;
}

/** Whether the postmaster named in its pid file is alive. */
async function isServing(data: string): Promise<boolean> {
  const pid = Number.parseInt(await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => ''), 10);
  return pid > 0 && (await stat(`/proc/${pid}`).catch(() => null)) !== null;
}

/**
 * Creates the cluster's folder outside of `requested`. Existing data there belongs to a requested folder that the user has deleted to
 * start over: it is renamed.
 */
async function createElsewhere(requested: string, user: { uid: number; gid: number }): Promise<string> {
  const name = digest(requested);
  for (const home of [`/var/lib/isthmus/${name}`, `/var/tmp/isthmus-${name}`]) {
    try {
      await mkdir(home, { recursive: true, mode: 0o755 });
      const found = await lstat(home);
      if (!found.isDirectory() || found.uid !== 0) continue;
      await chmod(home, 0o755);
      if (!(await isReachable(home, user))) continue;
      const formerData = join(home, 'data.former');
      if ((await stat(join(home, 'data')).catch(() => null)) && !(await isServing(join(home, 'data')))) {
        await rm(formerData, { recursive: true, force: true });
        await rename(join(home, 'data'), formerData);
      }
      await writeFile(join(home, 'OWNER'), `${requested}\n`);
      await writeFile(
        join(requested, 'WHERE'),
        `${home}\nThe database of this folder is stored there: PostgreSQL does not run as root, and its user cannot access this folder.\n`,
      );
      return home;
    } catch {
      // Not writable: try the next one.
    }
  }
  throw databaseError(
    `No usable folder for the database: PostgreSQL does not run as root, user nobody cannot access ${requested}, and /var/lib/isthmus and /var/tmp are not writable. Start as an ordinary user, or set ISTHMUS_DATA to a folder that user nobody can access.`,
  );
}
