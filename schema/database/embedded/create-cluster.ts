/** Creates the data folder of an embedded cluster with initdb. */
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Binaries } from './binaries.ts';
import { type ClusterLocation, databaseError, makePrivate } from './data-folder.ts';
import { runProgram } from './postgres-process.ts';

/** Options of a new cluster. */
export interface ClusterOptions {
  /** Folder of the cluster, such as .isthmus/database; created if it does not exist. */
  directory: string;
  /** Superuser; default isthmus. */
  user?: string;
  /**
   * False: nothing waits for the disk, and a crash of the machine may lose the whole cluster. For tests and for data that can be
   * recreated. Default true.
   */
  durable?: boolean;
  /** Aborts the start: it then rejects with the signal's reason, and leaves no process. */
  signal?: AbortSignal | undefined;
  /** Gets a message before each step. */
  onProgress?: (text: string) => void;
}

/** Creates the cluster in a temporary folder and renames it, so that an incomplete one is never used. Does nothing if it exists. */
export async function createCluster(
  location: ClusterLocation,
  binaries: Binaries,
  options: ClusterOptions,
  commandPrefix: readonly string[],
): Promise<void> {
  if (await stat(location.data).catch(() => null)) return;
  options.onProgress?.(`creating a PostgreSQL database in ${options.directory}`);
  const temporary = join(location.home, 'data.making');
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { mode: 0o700 });
  await makePrivate(temporary, location.runAs);
  const command = [...commandPrefix, binaries.initdb, ...initdbArguments(temporary, options)];
  const error = await runProgram(location, command, options.signal);
  if (error !== null) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    throw databaseError(
      `Cannot create the database in ${location.home} (${error}). Check free space and permissions there, or set DATABASE_URL.`,
    );
  }
  await rename(temporary, location.data);
  // The rename is durable only after a sync of the folder.
  if (isDurable(options)) await syncFolder(location.home);
}

export const isDurable = (options: Pick<ClusterOptions, 'durable'>): boolean => options.durable !== false;

/** The arguments of initdb, which syncs its files to disk unless the cluster is not durable. */
export function initdbArguments(folder: string, options: Pick<ClusterOptions, 'user' | 'durable'>): string[] {
  return [
    ...['-D', folder, '-U', options.user ?? 'isthmus', '--auth=trust', '--encoding=UTF8'],
    // The builtin C.UTF-8 is the same on every system; the system's own may be missing.
    ...['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--no-instructions'],
    ...(isDurable(options) ? [] : ['--no-sync']),
  ];
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
