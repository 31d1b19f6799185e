/**
 * Starts and stops the embedded PostgreSQL: a server from an npm package as a child process, on a data folder of its own. Existing data
 * is never deleted; a folder that the hub cannot use is rejected with a message.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { prepareDatabase, writeClientAccess } from './access.ts';
import { type Binaries, CLEAN_ENV, findBinaries, parentDeathCommand } from './binaries.ts';
import { acquireLock, type Lock } from './cluster-lock.ts';
import { type ClusterOptions, createCluster, isDurable } from './create-cluster.ts';
import {
  type ClusterLocation,
  checkDataFolder,
  chooseLocation,
  codeOf,
  databaseError,
  socketFolder,
} from './data-folder.ts';
import { freePort } from './free-port.ts';
import { killOnExit, onExit } from './on-exit.ts';
import { stopOrphan } from './orphan-process.ts';
import { lastLogMessage, limitLogSize, stopPostgres, waitUntilReady } from './postgres-process.ts';

export interface EmbeddedOptions extends ClusterOptions {
  /** Created if it does not exist; default isthmus. */
  database?: string;
  /** A TCP address in addition to the unix socket; port 0: any free one. Default: unix socket only. */
  listen?: { host: '127.0.0.1'; port: number };
  /** Authentication over TCP: none, or this password. The unix socket needs none; its folder has mode 0700. */
  auth?: 'trust' | { password: string };
  /** Stops PostgreSQL when the hub is killed. False: it runs until the next start. Default true where supported (Linux with setpriv). */
  stopWithHub?: boolean;
  /** PostgreSQL settings in addition to the defaults. */
  settings?: Record<string, string>;
}

/** A running cluster. */
export interface EmbeddedCluster {
  /** DATABASE_URL: over TCP if it listens there, else over the unix socket (`?host=/folder`). */
  readonly url: string;
  /** Process id of the current postmaster; a crashed one is restarted. */
  readonly pid: number;
  /** PostgreSQL's data folder, which may be outside of the requested folder. */
  readonly directory: string;
  /** Fast shutdown; resolves when all processes have ended. Idempotent. */
  stop(): Promise<void>;
}

/** Responses, acknowledgements and the audit log rely on it: committed data is on disk. */
const DURABLE: Record<string, string> = { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' };
/** Commits are still passed to the operating system, so that a killed PostgreSQL loses nothing. */
const NOT_DURABLE: Record<string, string> = { fsync: 'off', synchronous_commit: 'on', full_page_writes: 'off' };

/** Small: the hub shares the machine with other programs. */
const DEFAULTS: Record<string, string> = {
  shared_buffers: '32MB',
  max_connections: '60',
  work_mem: '8MB',
  maintenance_work_mem: '48MB',
  max_wal_size: '256MB',
  autovacuum_max_workers: '1',
  max_logical_replication_workers: '0',
  max_parallel_workers_per_gather: '0',
  io_method: 'sync',
  jit: 'off',
  huge_pages: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // Statements and details contain the park's data, which must not be in the log.
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
};

/**
 * Starts the cluster of a folder and creates it if the folder is new. Rejects with a `DatabaseError` if the folder is in use by another
 * hub, is not a data folder or one of another version, or if binaries or permissions are missing.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedCluster> {
  const { signal } = options;
  const location = await chooseLocation(options.directory);
  const binaries = await findBinaries(location);
  await checkDataFolder(location, binaries.major);
  signal?.throwIfAborted();
  const acquired = await acquireLock(location);
  const cancelRelease = onExit(() => acquired.release());
  const lock: Lock = {
    release: () => {
      acquired.release();
      cancelRelease();
    },
  };
  try {
    await stopOrphan(location);
    const commandPrefix = options.stopWithHub === false ? [] : await parentDeathCommand(binaries, location.runAs);
    signal?.throwIfAborted();
    await createCluster(location, binaries, options, commandPrefix);
    signal?.throwIfAborted();
    options.onProgress?.(`starting PostgreSQL in ${options.directory}`);
    return await launch(location, binaries, options, { lock, commandPrefix });
  } catch (error) {
    lock.release();
    throw signal?.aborted ? signal.reason : error;
  }
}

async function launch(
  location: ClusterLocation,
  binaries: Binaries,
  options: EmbeddedOptions,
  { lock, commandPrefix }: { readonly lock: Lock; readonly commandPrefix: readonly string[] },
): Promise<EmbeddedCluster> {
  const { signal } = options;
  const user = options.user ?? 'isthmus';
  const database = options.database ?? 'isthmus';
  const socket = await socketFolder(location);
  const port = options.listen ? options.listen.port || (await freePort()) : 5432;
  const auth = options.auth ?? 'trust';
  await writeClientAccess(location, auth);
  const log = join(location.home, 'postgres.log');
  const args = ['-D', location.data, '-k', socket, '-p', String(port)];
  const durability = isDurable(options) ? DURABLE : NOT_DURABLE;
  const settings = { ...DEFAULTS, listen_addresses: options.listen?.host ?? '', ...durability, ...options.settings };
  for (const [name, value] of Object.entries(settings)) args.push('-c', `${name}=${value}`);

  const [program = '', ...programArgs] = [...commandPrefix, binaries.postgres, ...args];

  const spawnPostgres = (): ChildProcess => {
    const out = openSync(log, 'a', 0o600);
    try {
      // In its own session, so that Ctrl-C in the terminal reaches only the hub, which needs the database for its shutdown.
      return spawn(program, programArgs, {
        ...(location.runAs ?? {}),
        cwd: '/',
        env: CLEAN_ENV,
        detached: true,
        stdio: ['ignore', out, out],
      });
    } finally {
      closeSync(out);
    }
  };
  /** Starts PostgreSQL and waits until it is ready. Retries for 15 s while children of a killed postmaster hold its shared memory. */
  const start = async (abort?: AbortSignal): Promise<ChildProcess> => {
    for (const deadline = performance.now() + 15_000; ; await pause(200)) {
      await limitLogSize(log);
      const logOffset = (await stat(log).catch(() => null))?.size ?? 0;
      const child = spawnPostgres();
      // PostgreSQL stops with this process. After `kill -9` the kernel stops it, or the next start does.
      killOnExit(child, 'SIGINT');
      const failure = await waitUntilReady(child, { host: socket, port, user }, abort);
      if (failure === null) return child;
      await stopPostgres(child, failure === 'interrupted' ? 'SIGINT' : 'SIGQUIT');
      abort?.throwIfAborted();
      const reason = failure === 'ended' ? await lastLogMessage(log, logOffset) : failure;
      if (/shared memory block|is another postmaster/i.test(reason) && performance.now() < deadline) continue;
      throw databaseError(`PostgreSQL does not start on ${location.data} (${reason}). Check its log ${log}.`);
    }
  };

  const current = {
    child: await start(signal).catch(async (error: unknown) => {
      await rm(socket, { recursive: true, force: true });
      throw error;
    }),
  };
  let isStopping = false;
  const watch = (child: ChildProcess): void => {
    child.unref();
    child.once('exit', () => {
      // A crash or a kill: PostgreSQL recovers committed rows from its write-ahead log.
      if (!isStopping) void restart();
    });
  };
  const restart = async (): Promise<void> => {
    for (let wait = 100; !isStopping; wait = Math.min(wait * 2, 10_000)) {
      await pause(wait, undefined, { ref: false });
      if (isStopping) return;
      try {
        const child = await start();
        current.child = child;
        if (isStopping) return stopPostgres(child);
        return watch(child);
      } catch {
        // The reason is in PostgreSQL's log. Retried after a longer pause.
      }
    }
  };
  watch(current.child);
  const logTimer = setInterval(() => void limitLogSize(log), 60_000);
  logTimer.unref();

  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      isStopping = true;
      clearInterval(logTimer);
      await stopPostgres(current.child);
      await rm(socket, { recursive: true, force: true });
      lock.release();
    })();
    return stopped;
  };
  try {
    await prepareDatabase({ host: socket, port, user }, database, auth === 'trust' ? null : auth.password);
    signal?.throwIfAborted();
  } catch (error) {
    await stop();
    signal?.throwIfAborted();
    throw databaseError(
      `Cannot create the database ${database} in ${location.data} (${codeOf(error)}). Existing data was not changed.`,
      error,
    );
  }
  const password = auth === 'trust' ? '' : `:${encodeURIComponent(auth.password)}`;
  const encodedUser = encodeURIComponent(user);
  return {
    url: options.listen
      ? `postgres://${encodedUser}${password}@${options.listen.host}:${port}/${encodeURIComponent(database)}`
      : `postgres://${encodedUser}@localhost/${encodeURIComponent(database)}?host=${encodeURIComponent(socket).replaceAll('%2F', '/')}`,
    get pid() {
      return current.child.pid ?? 0;
    },
    directory: location.data,
    stop,
  };
}
