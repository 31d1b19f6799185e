/**
 * The only file that knows drivers. Statements are written once: names in double quotes, `?` for values, LIMIT as `{limit n}`;
 * each dialect says it in its own words. Dates come as texts: they carry no zone.
 */
import { malformed, rejected, SourceError, timeout, unavailable } from '../errors.ts';
import { soundSocket } from './safe-socket.ts';

/** One row by column, values as the driver gives them. */
export type Row = Readonly<Record<string, unknown>>;

/** A vendor's database, read only. */
export interface VendorDatabase {
  /** Rows of one SELECT. A signal that aborts ends the connection, so that nothing waits for a frozen server. Rejects with `SourceError`. */
  select(sql: string, values: readonly (string | number)[], signal: AbortSignal): Promise<readonly Row[]>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Connections at once: door systems are small. */
const MOST = 4;

/**
 * By the address's scheme. Opens no connection. `wait` is the time for connecting, in milliseconds. PostgreSQL and MySQL sessions
 * are set read only before their first statement; a server that refuses that is not asked anything.
 */
export async function openVendorDatabase(url: string, wait: number): Promise<VendorDatabase> {
  if (/^(mysql|mariadb):/.test(url)) return openMysql(url.replace(/^mariadb:/, 'mysql:'), wait);
  if (url.startsWith('mssql:')) return openMssql(url, wait);
  return openPostgres(url, wait);
}

async function openPostgres(url: string, wait: number): Promise<VendorDatabase> {
  const { default: pg } = await import('pg');
  const asText = (value: string) => value;
  const types = {
    // Every kind of date and time stays the text that the server wrote.
    getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
      [1082, 1114, 1184].includes(oid)
        ? asText
        : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
  };
  const pool = new pg.Pool({
    connectionString: url,
    max: MOST,
    connectionTimeoutMillis: wait,
    idleTimeoutMillis: 30_000,
    application_name: 'isthmus',
    statement_timeout: Math.max(wait * 2, 10_000),
    allowExitOnIdle: true,
    stream: soundSocket,
    types,
  });
  // A lost idle connection is replaced at the next question.
  pool.on('error', () => undefined);
  const readOnly = new WeakSet<object>();
  let closing: Promise<void> | undefined;
  return {
    async select(sql, values, signal) {
      let n = 0;
      const text = limits(sql, (count) => `LIMIT ${count}`).replaceAll('?', () => `$${++n}`);
      return guarded(async () => {
        const client = await untilAborted(pool.connect(), signal, (late) => late.release(true));
        client.on('error', swallow);
        let broken = true;
        const abort = () => {
          if (broken) client.release(true);
          broken = false;
        };
        signal.addEventListener('abort', abort, { once: true });
        try {
          if (!readOnly.has(client)) await client.query('SET default_transaction_read_only = on');
          readOnly.add(client);
          const { rows } = await client.query(text, [...values]);
          if (broken) {
            broken = false;
            client.release();
          }
          return rows as Row[];
        } catch (error) {
          // A refused statement leaves the connection whole; anything else does not.
          if (broken) client.release(!(error as { code?: string }).code);
          broken = false;
          throw error;
        } finally {
          client.removeListener('error', swallow);
          signal.removeEventListener('abort', abort);
        }
      });
    },
    close: () => {
      closing ??= pool.end();
      return closing;
    },
  };
}

async function openMysql(url: string, wait: number): Promise<VendorDatabase> {
  const { createPool } = await import('mysql2/promise');
  const pool = createPool({
    uri: url,
    connectionLimit: MOST,
    maxIdle: MOST,
    idleTimeout: 30_000,
    connectTimeout: wait,
    dateStrings: true,
    supportBigNumbers: true,
    charset: 'utf8mb4',
    stream: ({
      config: { socketPath, port, host },
    }: {
      config: { socketPath?: string; port: number; host: string };
    }) => {
      const socket = soundSocket().setNoDelay(true).setKeepAlive(true);
      return socketPath ? socket.connect(socketPath) : socket.connect(Number(port), host);
    },
  });
  const readOnly = new WeakSet<object>();
  let closing: Promise<void> | undefined;
  return {
    async select(sql, values, signal) {
      const text = limits(sql, (count) => `LIMIT ${count}`).replaceAll('"', '`');
      return guarded(async () => {
        const connection = await untilAborted(pool.getConnection(), signal, (late) => late.destroy());
        let held = true;
        const abort = () => {
          if (held) connection.destroy();
          held = false;
        };
        signal.addEventListener('abort', abort, { once: true });
        try {
          if (!readOnly.has(connection.connection)) await connection.query('SET SESSION TRANSACTION READ ONLY');
          readOnly.add(connection.connection);
          const [rows] = await connection.query(text, [...values]);
          return rows as Row[];
        } finally {
          signal.removeEventListener('abort', abort);
          if (held) connection.release();
          held = false;
        }
      });
    },
    close: () => {
      closing ??= pool.end();
      return closing;
    },
  };
}

/** Untested: there was no SQL Server to try it with. The package is optional and loaded only for such an address. */
interface MssqlModule {
  ConnectionPool: new (
    url: string,
  ) => {
    connect(): Promise<unknown>;
    request(): {
      input(name: string, value: unknown): unknown;
      query(text: string): Promise<{ recordset: Row[] }>;
      cancel(): void;
    };
    close(): Promise<void>;
  };
}

async function openMssql(url: string, wait: number): Promise<VendorDatabase> {
  const name: string = 'mssql';
  const { default: mssql } = (await import(name)) as { default: MssqlModule };
  const address = new URL(url);
  address.protocol = 'mssql:';
  address.searchParams.set('Connection Timeout', String(Math.ceil(wait / 1000)));
  const pool = new mssql.ConnectionPool(address.toString());
  let connected: Promise<unknown> | undefined;
  let closing: Promise<void> | undefined;
  return {
    select: (sql, values, signal) =>
      guarded(async () => {
        connected ??= pool.connect().catch((error: unknown) => {
          connected = undefined;
          throw error;
        });
        await connected;
        const request = pool.request();
        let n = 0;
        // Dates as texts, like the other dialects; paging needs an ORDER BY, which every limited statement here has.
        const text = limits(sql, (count) => `OFFSET 0 ROWS FETCH NEXT ${count} ROWS ONLY`)
          .replaceAll('?', () => `@v${++n}`)
          .replaceAll('l."time" AS "time"', 'CONVERT(varchar(23), l."time", 121) AS "time"');
        values.forEach((value, i) => void request.input(`v${i + 1}`, value));
        const abort = () => request.cancel();
        signal.addEventListener('abort', abort, { once: true });
        try {
          return (await request.query(text)).recordset;
        } finally {
          signal.removeEventListener('abort', abort);
        }
      }),
    close: () => {
      closing ??= pool.close();
      return closing;
    },
  };
}

const swallow = (): void => undefined;
const limits = (sql: string, say: (count: string) => string): string =>
  sql.replace(/\{limit (\d+)\}/g, (_all, count: string) => say(count));

/** The connection, unless the signal aborts first; one that comes too late is given to `late`. */
async function untilAborted<T>(connecting: Promise<T>, signal: AbortSignal, late: (connection: T) => void): Promise<T> {
  if (signal.aborted) {
    connecting.then(late, swallow);
    throw timeout('the call was ended');
  }
  let abort: () => void = swallow;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => {
      connecting.then(late, swallow);
      reject(timeout('the call was ended'));
    };
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([connecting, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

async function guarded<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw fault(error);
  }
}

/** A driver's error as one of four kinds. Its text goes to the log only. */
function fault(error: unknown): unknown {
  if (error instanceof SourceError || !(error instanceof Error)) return error;
  const code = String((error as { code?: unknown }).code ?? '');
  const text = error.message;
  if (/^(28|3D|42501)|^ER_\w*ACCESS_DENIED|^ER_BAD_DB|^ELOGIN/.test(code)) return rejected(`${code}: ${text}`, error);
  // No such table or column: this is another vendor's database, or another version of it.
  if (/^42(P01|703)|^ER_NO_SUCH_TABLE|^ER_BAD_FIELD|^EREQUEST/.test(code)) return malformed(text, error);
  if (
    /^57014|^ETIME|^ER_QUERY_TIMEOUT/.test(code) ||
    /timeout expired|timeout exceeded|connection timeout/i.test(text)
  ) {
    return timeout(text, error);
  }
  if (/^(08|53|57P)|^PROTOCOL_|^E(CONN|PIPE|HOST|NET|SOCKET)|^ER_CON_COUNT|^ER_SERVER_SHUTDOWN/.test(code)) {
    return unavailable(`${code}: ${text}`, error);
  }
  if (/terminated|closed state|closing|not queryable|connection (was )?(lost|ended)/i.test(text)) {
    return unavailable(text, error);
  }
  // A driver that gives no code, or read beyond the end, could not make sense of what it heard, from its greeting to its rows.
  return code && !/^ERR_(OUT_OF_RANGE|BUFFER)/.test(code)
    ? rejected(`${code}: ${text}`, error)
    : malformed(text, error);
}
