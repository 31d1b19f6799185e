/** The hub's database: one pool, transactions, and a listener of its own. Table files hold the queries. */
import type { Client as PgClient } from 'pg';
import pg from 'pg';
import { DataSource, type EntityManager } from 'typeorm';
import { poolControl } from './connection-pool.ts';
import { entities } from './entities.ts';

/** A transaction, or a plain connection for reads. Table files take it as their first argument. */
export type Tx = EntityManager;

/** The hub's database is not as this version needs it; the message is a sentence for people. */
export class DatabaseError extends Error {
  override name = 'DatabaseError';
}

export interface Database {
  readonly url: string;
  /** TypeORM's view; only `migrations` and table files use it. */
  readonly source: DataSource;
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Without a transaction: one connection per query. */
  readonly plain: Tx;
  /** Calls `heard` for each NOTIFY on the channel, and `heard(null)` after each (re)connection, since some may be lost. */
  listen(channel: string, heard: (payload: string | null) => void): Promise<{ close(): Promise<void> }>;
  /** The start is over: nobody waits for a connection for longer than half a minute from now on. */
  settle(): void;
  close(): Promise<void>;
}

/** How long a step of a start may take once the start is interrupted, in milliseconds. */
const STEP = 4_000;

export interface OpenOptions {
  /** Connections at most, besides one per listener; default 10. */
  readonly pool?: number;
  readonly name?: string;
  /** Interrupts a start: the opening rejects with the signal's reason, and until `settle` what then takes long is cut off. */
  readonly signal?: AbortSignal | undefined;
  /** Told in a sentence what is waited for, until `settle`. */
  readonly waiting?: (text: string) => void;
}

/** Opens the pool. Rejects with `DatabaseError` when the server cannot be reached. */
export async function openDatabase(url: string, options: OpenOptions = {}): Promise<Database> {
  const { signal } = options;
  const pool = poolControl(options.waiting ?? (() => undefined));
  const source = new DataSource({
    type: 'postgres',
    ...placeOf(url),
    applicationName: options.name ?? 'isthmus',
    entities,
    synchronize: false,
    migrationsRun: false,
    installExtensions: false,
    logging: false,
    poolSize: options.pool ?? 10,
    extra: { idle_in_transaction_session_timeout: 60_000 },
    driver: pool.driver,
    // A lost idle connection is replaced by the pool; without a handler it would end the process.
    poolErrorHandler: () => undefined,
  });
  const opening = source.initialize();
  try {
    await unless(signal, opening);
  } catch (error) {
    if (signal?.aborted) {
      // Whatever comes of it later is put away.
      pool.cut();
      opening.then(() => source.destroy()).catch(() => undefined);
      throw signal.reason;
    }
    const code = (error as { code?: string }).code ?? '';
    const why = REASONS[code] ?? (code || 'no answer');
    throw new DatabaseError(
      `The database at ${shownUrl(url)} cannot be opened (${why}). Check DATABASE_URL, such as postgres://isthmus:password@127.0.0.1:5432/isthmus.`,
      { cause: error },
    );
  }
  signal?.addEventListener('abort', () => setTimeout(pool.cutStart, STEP).unref());
  return {
    url,
    source,
    plain: source.manager,
    transaction: (work) => source.transaction(work),
    listen: (channel, heard) => listen(url, channel, heard),
    settle: pool.settle,
    close: async () => {
      if (source.isInitialized) await source.destroy();
    },
  };
}

/** Why a database cannot be opened, by the code of the system or of PostgreSQL. */
const REASONS: Readonly<Record<string, string>> = {
  '28P01': 'it refuses the password',
  '28000': 'it refuses this user',
  '3D000': 'it has no such database',
  '53300': 'it has no connection left',
  '57P03': 'it is starting or stopping',
  ERR_INVALID_URL: 'it is no address',
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name of the host cannot be looked up',
  EHOSTUNREACH: 'there is no way to that host',
  ENETUNREACH: 'there is no way to that network',
  ETIMEDOUT: 'no answer',
};

/** As `work`, or rejects at once when the signal interrupts it. */
function unless<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const interrupted = () => reject(signal.reason);
    signal.addEventListener('abort', interrupted);
    if (signal.aborted) interrupted();
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', interrupted));
  });
}

/** The pg client behind a transaction, for COPY. */
export async function clientOf(tx: Tx): Promise<PgClient> {
  const runner = tx.queryRunner;
  if (!runner) throw new Error('COPY needs a transaction.');
  return (await runner.connect()) as PgClient;
}

/** The address without its password. */
export function shownUrl(url: string): string {
  try {
    const parsed = new URL(url);
    parsed.password = '';
    return parsed.toString();
  } catch {
    return 'DATABASE_URL';
  }
}

/** `postgres://user@localhost/name?host=/socket/folder`: TypeORM does not read the folder from the address. */
function placeOf(
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

async function listen(url: string, channel: string, heard: (payload: string | null) => void) {
  let closed = false;
  let client: PgClient | undefined;
  let again: NodeJS.Timeout | undefined;
  const connect = async (): Promise<void> => {
    if (closed) return;
    const next = new pg.Client({
      connectionString: url,
      application_name: `isthmus listen ${channel}`,
      keepAlive: true,
    });
    client = next;
    const lost = () => {
      if (client !== next || closed) return;
      client = undefined;
      again = setTimeout(() => void connect(), 500);
    };
    next.on('error', lost);
    next.on('end', lost);
    next.on('notification', (message) => {
      if (message.channel === channel) heard(message.payload ?? '');
    });
    try {
      await next.connect();
      await next.query(`LISTEN "${channel}"`);
      heard(null);
    } catch {
      lost();
    }
  };
  await connect();
  return {
    close: async () => {
      closed = true;
      clearTimeout(again);
      await client?.end().catch(() => undefined);
    },
  };
}
