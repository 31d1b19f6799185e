/**
 * The PostgreSQL launcher: real PostgreSQL from an npm package, started as a child of the hub on a folder of its own. Nothing
 * else imports those binaries. Data is never destroyed here: what is not understood is refused in one sentence.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { endOnExit, onExit } from '../on-exit.ts';
import { prepareDatabase, writeAccess } from './access.ts';
import { type Binaries, CLEAN_ENV, findBinaries, leash } from './binaries.ts';
import { endOrphan, type Lock, takeLock } from './cluster-lock.ts';
import { choosePlace, codeOf, own, type Place, problem, socketFolder } from './data-folder.ts';
import { freePort } from './free-port.ts';
import { answers, boundLog, end, lastWords, run } from './postgres-process.ts';

export interface EmbeddedOptions {
  /** Where the cluster lives, such as .isthmus/database; made when absent. */
  directory: string;
  /** Its superuser; default isthmus. */
  user?: string;
  /** Made when absent; default isthmus. */
  database?: string;
  /** A TCP address beside the unix socket; port 0 takes a free one. Absent: unix socket only. */
  listen?: { host: '127.0.0.1'; port: number };
  /** Who may come in by TCP: everybody on this machine, or with this password. The socket's folder is 0700 and trusted. */
  auth?: 'trust' | { password: string };
  /** False: it outlives a killed hub until the next start. Default true, where the system can do it (Linux with setpriv). */
  bound?: boolean;
  /** False: for a test, or data that is made anew when it is lost: nothing waits for the disk, and a crash of the machine may lose the whole cluster. Default true. */
  durable?: boolean;
  /** PostgreSQL settings beyond the small defaults. */
  settings?: Record<string, string>;
  /** Interrupts the start: it then rejects with the signal's reason, and no process of it is left. */
  signal?: AbortSignal | undefined;
  /** Told what the start is about to do. */
  progress?: (text: string) => void;
}

/** A running cluster. */
export interface Embedded {
  /** For pg and as DATABASE_URL: by TCP when it listens there, else by unix socket (`?host=/folder`). */
  readonly url: string;
  /** Of the postmaster now running: a crashed one is started again. */
  readonly pid: number;
  /** PostgreSQL's data folder, wherever it had to be put. */
  readonly directory: string;
  /** Fast shutdown; resolves when no process of it is left. Idempotent. */
  stop(): Promise<void>;
}

/** What an answer, an acknowledgement and the audit log rely on: what is committed is on the disk. */
const DURABLE: Record<string, string> = { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' };
/** Written to the system at each commit all the same, so that a killed PostgreSQL has lost nothing. */
const FLEETING: Record<string, string> = { fsync: 'off', synchronous_commit: 'on', full_page_writes: 'off' };

/** Small: a hub shares the machine with the park's other programs. */
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
  // Statements and details hold the park's data; the log does not.
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
};
const OURS = /^(data|data\.making|data\.former|hub\.lock.*|postgres\.log(\.1)?|WHERE|OWNER|postgresql-.*)$/;

/**
 * Starts the cluster of a folder, making it first when the folder is new. Rejects with a `DatabaseError`, one sentence that
 * says what, where and what to do: in use by another hub, not a data folder, of another version, no binaries, no rights.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { signal } = options;
  const place = await choosePlace(options.directory);
  const binaries = await findBinaries(place);
  await inspect(place, binaries);
  signal?.throwIfAborted();
  const held = await takeLock(place);
  const forget = onExit(() => held.release());
  const lock: Lock = {
    release: () => {
      held.release();
      forget();
    },
  };
  try {
    await endOrphan(place);
    const bound = options.bound === false ? [] : await leash(binaries, place.runAs);
    signal?.throwIfAborted();
    await initialise(place, binaries, options, bound);
    signal?.throwIfAborted();
    options.progress?.(`starting PostgreSQL in ${options.directory}`);
    return await launch(place, binaries, options, { lock, bound });
  } catch (error) {
    lock.release();
    throw signal?.aborted ? signal.reason : error;
  }
}

/** Refuses, before anything is written, a folder that holds something that we did not make or cannot read. */
async function inspect(place: Place, binaries: Binaries): Promise<void> {
  const { data, home } = place;
  const strange = (await readdir(home)).filter((name) => !OURS.test(name));
  const found = await stat(data).catch(() => null);
  if (!found) {
    if (strange.length === 0) return;
    throw await problem(
      `The database folder ${home} holds something else (${strange.slice(0, 3).join(', ')}) and no database of the hub. Move it away or set ISTHMUS_DATA to another folder; nothing was changed.`,
    );
  }
  const remedy = 'Restore it from a backup, or move it away to begin with an empty database; nothing was changed.';
  let version: string;
  try {
    version = (await readFile(join(data, 'PG_VERSION'), 'utf8')).trim();
    await stat(join(data, 'global', 'pg_control'));
  } catch (error) {
    if (codeOf(error) === 'EACCES') {
      throw await problem(
        `The database in ${data} belongs to another user. Start as that user (or as root), or set ISTHMUS_DATA to another folder; nothing was changed.`,
        error,
      );
    }
    throw await problem(`The folder ${data} is not a whole PostgreSQL database. ${remedy}`, error);
  }
  if (version !== binaries.major) {
    const shown = /^\d{1,3}(\.\d{1,3})?$/.test(version) ? `version ${version}` : 'an unknown version';
    throw await problem(
      `The database in ${data} is of PostgreSQL ${shown}; this hub brings version ${binaries.major}. Convert it with pg_upgrade or pg_dump of that version, or move it away; nothing was changed.`,
    );
  }
}

/** Makes the cluster beside its place and moves it there whole, so that half a one is never taken for data. */
async function initialise(
  place: Place,
  binaries: Binaries,
  options: EmbeddedOptions,
  bound: readonly string[],
): Promise<void> {
  if (await stat(place.data).catch(() => null)) return;
  options.progress?.(`making a new PostgreSQL database in ${options.directory}`);
  const making = join(place.home, 'data.making');
  await rm(making, { recursive: true, force: true });
  await mkdir(making, { mode: 0o700 });
  await own(making, place.runAs);
  const command = [...bound, binaries.initdb, ...initdbArguments(making, options)];
  const complaint = await run(place, command, options.signal);
  if (complaint !== null) {
    await rm(making, { recursive: true, force: true }).catch(() => undefined);
    throw await problem(
      `The database cannot be made in ${place.home} (${complaint}). Check space and rights there, or set DATABASE_URL.`,
    );
  }
  await rename(making, place.data);
  // The new name is an entry of the folder, and as lasting as that.
  if (isDurable(options)) await syncFolder(place.home);
}

const isDurable = (options: Pick<EmbeddedOptions, 'durable'>): boolean => options.durable !== false;

/** What initdb is called with. It writes all its files to the disk before it ends, unless the cluster need not last. */
export function initdbArguments(folder: string, options: Pick<EmbeddedOptions, 'user' | 'durable'>): string[] {
  return [
    ...['-D', folder, '-U', options.user ?? 'isthmus', '--auth=trust', '--encoding=UTF8'],
    // The built-in C.UTF-8 is the same on every system; the system's own may be missing.
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

async function launch(
  place: Place,
  binaries: Binaries,
  options: EmbeddedOptions,
  { lock, bound }: { readonly lock: Lock; readonly bound: readonly string[] },
): Promise<Embedded> {
  const { signal } = options;
  const user = options.user ?? 'isthmus';
  const database = options.database ?? 'isthmus';
  const socket = await socketFolder(place);
  const port = options.listen ? options.listen.port || (await freePort()) : 5432;
  const auth = options.auth ?? 'trust';
  await writeAccess(place, auth);
  const log = join(place.home, 'postgres.log');
  const args = ['-D', place.data, '-k', socket, '-p', String(port)];
  const lasting = isDurable(options) ? DURABLE : FLEETING;
  const settings = { ...DEFAULTS, listen_addresses: options.listen?.host ?? '', ...lasting, ...options.settings };
  for (const [name, value] of Object.entries(settings)) args.push('-c', `${name}=${value}`);

  const [program = '', ...words] = [...bound, binaries.postgres, ...args];

  const start = (): ChildProcess => {
    const out = openSync(log, 'a', 0o600);
    try {
      // A session of its own: Ctrl-C at the terminal goes to the hub alone, which still needs its database to end well.
      return spawn(program, words, {
        ...(place.runAs ?? {}),
        cwd: '/',
        env: CLEAN_ENV,
        detached: true,
        stdio: ['ignore', out, out],
      });
    } finally {
      closeSync(out);
    }
  };
  /** Starts it and waits until it answers. A killed postmaster's last children may hold its memory for a moment. */
  const up = async (interrupt?: AbortSignal): Promise<ChildProcess> => {
    for (const until = performance.now() + 15_000; ; await pause(200)) {
      await boundLog(log);
      const written = (await stat(log).catch(() => null))?.size ?? 0;
      const child = start();
      // Whatever ends this process ends PostgreSQL too. After a `kill -9` the kernel tells it, or the next start ends it.
      endOnExit(child, 'SIGINT');
      const why = await answers(child, { host: socket, port, user }, interrupt);
      if (why === null) return child;
      await end(child, why === 'interrupted' ? 'SIGINT' : 'SIGQUIT');
      interrupt?.throwIfAborted();
      const told = why === 'ended' ? await lastWords(log, written) : why;
      if (/shared memory block|is another postmaster/i.test(told) && performance.now() < until) continue;
      throw await problem(
        `PostgreSQL does not start on ${place.data} (${told}). Its log is ${log}; the data was left as it is.`,
      );
    }
  };

  const held = {
    child: await up(signal).catch(async (error: unknown) => {
      await rm(socket, { recursive: true, force: true });
      throw error;
    }),
  };
  let stopping = false;
  const watch = (child: ChildProcess): void => {
    child.unref();
    child.once('exit', () => {
      // Only a crash or a kill comes here unasked; committed rows are in its log, so it simply starts again.
      if (!stopping) void again();
    });
  };
  const again = async (): Promise<void> => {
    for (let wait = 100; !stopping; wait = Math.min(wait * 2, 10_000)) {
      await pause(wait, undefined, { ref: false });
      if (stopping) return;
      try {
        const child = await up();
        held.child = child;
        if (stopping) return end(child);
        return watch(child);
      } catch {
        // The reason stands in its log; tried again after a longer pause.
      }
    }
  };
  watch(held.child);
  const keeper = setInterval(() => void boundLog(log), 60_000);
  keeper.unref();

  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      stopping = true;
      clearInterval(keeper);
      await end(held.child);
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
    throw await problem(
      `The database ${database} cannot be made in ${place.data} (${codeOf(error)}). The data was left as it is.`,
      error,
    );
  }
  const word = auth === 'trust' ? '' : `:${encodeURIComponent(auth.password)}`;
  const who = encodeURIComponent(user);
  return {
    url: options.listen
      ? `postgres://${who}${word}@${options.listen.host}:${port}/${encodeURIComponent(database)}`
      : `postgres://${who}@localhost/${encodeURIComponent(database)}?host=${encodeURIComponent(socket).replaceAll('%2F', '/')}`,
    get pid() {
      return held.child.pid ?? 0;
    },
    directory: place.data,
    stop,
  };
}
