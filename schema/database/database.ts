/** The hub's database: connection pool, transactions and LISTEN. The queries are in one file per group of tables. */
import type { Client as PgClient } from 'pg';
import pg from 'pg';
import { DataSource } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';
import { PostgresNaming } from './column-names.ts';
import { DatabaseError } from './database-error.ts';
import { entities } from './entities/index.ts';
import { createPoolControl } from './pool/connection-pool.ts';
import { PreparedStatements } from './pool/prepared-statements.ts';
import { type StatementPools, singleStatements } from './pool/single-statements.ts';
import { readWithin } from './reads/read-deadline.ts';
import type { Tx } from './transaction.ts';

export { DatabaseError, type Tx };

/** Opened by `openDatabase`. */
export interface Database {
  readonly url: string;
  /** For migrations and table files only. */
  readonly source: DataSource;
  /** Commits when `work` resolves, rolls back when it rejects. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Runs statements outside of a transaction, each on any connection. */
  readonly plain: Tx;
  /** The same with less CPU time, for the statements of requests; those marked by `genericPlan` have connections of their own. */
  readonly requests: Tx;
  /**
   * Runs reads like `requests`. After `milliseconds` the running statements are cancelled in PostgreSQL, no further one begins, and the
   * result rejects with `ReadDeadlineError`.
   */
  readWithin<T>(milliseconds: number, work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Calls `onNotify` for each NOTIFY on the channel, and with null after each (re)connection, since notifications may have been lost. */
  listen(channel: string, onNotify: (payload: string | null) => void): Promise<{ close(): Promise<void> }>;
  /** Ends the startup phase: from now on a wait for a connection fails after 30 s. */
  endStartup(): void;
  close(): Promise<void>;
}

/** Share of the connections that plan statements once. Their statements are short; transactions hold the others for longer. */
const GENERIC_SHARE = 3 / 8;
/** Milliseconds that a startup step may go on after an abort. */
const STARTUP_STEP_LIMIT = 4_000;

/** Options of `openDatabase`. */
export interface OpenOptions {
  /** Maximum number of connections, besides one per listener; default 10. `GENERIC_SHARE` of them execute only statements with a generic plan. */
  readonly poolSize?: number;
  /** `application_name` of the connections; default isthmus. */
  readonly name?: string;
  /** Aborts the startup: opening rejects with the signal's reason; until `endStartup`, connections are closed 4 s after the abort. */
  readonly signal?: AbortSignal | undefined;
  /** Gets messages about long waits until `endStartup`. */
  readonly onWaiting?: (text: string) => void;
  /** Gets a message when the server turns out not to keep prepared statements. */
  readonly onUnprepared?: (text: string) => void;
}

/** Opens the pool. Rejects with `DatabaseError` if the database cannot be used. */
export async function openDatabase(url: string, options: OpenOptions = {}): Promise<Database> {
  const { signal } = options;
  const statements = new PreparedStatements({ isEnabled: mayPrepare(url) }, options.onUnprepared);
  const pool = createPoolControl(options.onWaiting ?? (() => undefined), undefined, statements);
  const size = options.poolSize ?? 10;
  const genericSize = statements.isEnabled && size > 1 ? Math.ceil(size * GENERIC_SHARE) : 0;
  const extra = { idle_in_transaction_session_timeout: 60_000 };
  const application = options.name ?? 'isthmus';
  const source = new DataSource({
    type: 'postgres',
    ...connectionOptions(url),
    applicationName: application,
    entities,
    namingStrategy: new PostgresNaming(),
    synchronize: false,
    migrationsRun: false,
    installExtensions: false,
    logging: false,
    poolSize: size - genericSize,
    extra,
    driver: pool.driver,
    // The pool replaces a lost idle connection; without a handler its error would end the process.
    poolErrorHandler: () => undefined,
  });
  const opening = source.initialize();
  try {
    await orAbort(signal, opening);
  } catch (error) {
    if (signal?.aborted) {
      // If the pool is opened later after all, it is closed.
      pool.closeAll();
      opening.then(() => source.destroy()).catch(() => undefined);
      throw signal.reason;
    }
    const code = (error as { code?: string }).code ?? '';
    const reason = ERROR_REASONS[code] ?? (code || 'no response');
    throw new DatabaseError(
      `Cannot connect to the database ${withoutPassword(url)} (${reason}). Check DATABASE_URL, such as postgres://isthmus:password@127.0.0.1:5432/isthmus.`,
      { cause: error },
    );
  }
  signal?.addEventListener('abort', () => setTimeout(pool.interruptStartup, STARTUP_STEP_LIMIT).unref());
  const main = (source.driver as PostgresDriver).master as pg.Pool;
  const generic =
    genericSize === 0
      ? null
      : new pool.GenericPlanPool({
          ...extra,
          connectionString: url,
          application_name: application,
          max: genericSize,
          // Idle ones are kept: a new connection plans its statements again.
          idleTimeoutMillis: 0,
          keepAlive: true,
        });
  generic?.on('error', () => undefined);
  const pools: StatementPools = {
    other: main,
    generic: () => (generic !== null && statements.isEnabled ? generic : main),
  };
  return {
    url,
    source,
    plain: source.manager,
    requests: singleStatements(source.manager, pools),
    readWithin: (milliseconds, work) => readWithin({ source, pools }, milliseconds, work),
    transaction: (work) => source.transaction(work),
    listen: (channel, onNotify) => listen(url, channel, onNotify),
    endStartup: pool.endStartup,
    close: async () => {
      if (!source.isInitialized) return;
      await Promise.all([source.destroy(), generic?.end()]);
    },
  };
}

/** Causes of failed connections, by error code of the system or of PostgreSQL. */
const ERROR_REASONS: Readonly<Record<string, string>> = {
  '28P01': 'wrong password',
  '28000': 'user is not allowed to connect',
  '3D000': 'database does not exist',
  '53300': 'too many connections',
  '57P03': 'server is starting or stopping',
  ERR_INVALID_URL: 'invalid URL',
  ECONNREFUSED: 'connection refused',
  ENOTFOUND: 'host not found',
  EAI_AGAIN: 'DNS lookup failed',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ETIMEDOUT: 'no response',
};

/** Settles like `work`, or rejects at once with the signal's reason. */
function orAbort<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** The pg client of a transaction, for COPY. */
export async function pgClient(tx: Tx): Promise<PgClient> {
  const runner = tx.queryRunner;
  if (!runner) throw new Error('COPY requires a transaction.');
  return (await runner.connect()) as PgClient;
}

/** The URL without its password; `DATABASE_URL` for an invalid one. */
export function withoutPassword(url: string): string {
  try {
    const parsed = new URL(url);
    parsed.password = '';
    return parsed.toString();
  } catch {
    return 'DATABASE_URL';
  }
}

/** Reads the parameter `prepared` of the URL. Throws `DatabaseError` unless it is on, off or absent. */
function mayPrepare(url: string): boolean {
  const given = /[?&]prepared=([^&]*)/.exec(url)?.[1] ?? 'on';
  if (given === 'on' || given === 'off') return given === 'on';
  throw new DatabaseError(
    `Invalid DATABASE_URL: prepared must be on or off, found ${given}; example: postgres://isthmus:password@127.0.0.1:5432/isthmus?prepared=off`,
  );
}

/** TypeORM's options for a URL. It does not support `postgres://user@localhost/name?host=/socket/folder`. */
function connectionOptions(
  url: string,
): { url: string } | { host: string; port: number; username: string; password?: string; database: string } {
  const folder = /[?&]host=([^&]+)/.exec(url)?.[1];
  if (!folder) return { url };
  const parsed = new URL(url);
  return {
    host: decodeURIComponent(folder),
    port: Number(parsed.port || 5432),
    username: decodeURIComponent(parsed.username),
    ...(parsed.password ? { password: decodeURIComponent(parsed.password) } : {}),
    database: parsed.pathname.slice(1),
  };
}

async function listen(url: string, channel: string, onNotify: (payload: string | null) => void) {
  let closed = false;
  let client: PgClient | undefined;
  let retryTimer: NodeJS.Timeout | undefined;
  const connect = async (): Promise<void> => {
    if (closed) return;
    const next = new pg.Client({
      connectionString: url,
      application_name: `isthmus listen ${channel}`,
      keepAlive: true,
    });
    client = next;
    const reconnect = () => {
      if (client !== next || closed) return;
      client = undefined;
      retryTimer = setTimeout(() => void connect(), 500);
    };
    next.on('error', reconnect);
    next.on('end', reconnect);
    next.on('notification', (message) => {
      if (message.channel === channel) onNotify(message.payload ?? '');
    });
    try {
      await next.connect();
      await next.query(`LISTEN "${channel}"`);
      onNotify(null);
    } catch {
      reconnect();
    }
  };
  await connect();
  return {
    close: async () => {
      closed = true;
      clearTimeout(retryTimer);
      await client?.end().catch(() => undefined);
    },
  };
}
