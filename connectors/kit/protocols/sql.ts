/**
 * Read-only access to vendors' databases; the only file that uses their drivers. Statements are written once, with names in double quotes,
 * `?` for values and `{limit n}` for LIMIT, and translated to each dialect. Dates are returned as text, because they have no time zone.
 */
import { malformed, rejected, SourceError, timeout, unavailable } from '../errors.ts';
import { createSafeSocket } from './safe-socket.ts';

/** One row by column, with the values of the driver. */
export type Row = Readonly<Record<string, unknown>>;

/** A read-only connection pool to a vendor's database. */
export interface VendorDatabase {
  /** Rows of one SELECT. When the signal aborts, the connection is closed, so that nothing waits for a frozen server. Rejects with `SourceError`. */
  select(sql: string, values: readonly (string | number)[], signal: AbortSignal): Promise<readonly Row[]>;
  /** Closes all connections. Idempotent. */
  close(): Promise<void>;
}

/** Connections of one pool; access control systems are small. */
const MAX_CONNECTIONS = 4;

/**
 * Creates the pool for the scheme of the address, without connecting. `connectTimeout` in milliseconds. Sessions of PostgreSQL and MySQL
 * are set to read-only before their first statement; if the server rejects that, no statement is sent.
 */
export async function openVendorDatabase(url: string, connectTimeout: number): Promise<VendorDatabase> {
  if (/^(mysql|mariadb):/.test(url)) return openMysql(url.replace(/^mariadb:/, 'mysql:'), connectTimeout);
  if (url.startsWith('mssql:')) return openMssql(url, connectTimeout);
  return openPostgres(url, connectTimeout);
}

async function openPostgres(url: string, connectTimeout: number): Promise<VendorDatabase> {
  const { default: pg } = await import('pg');
  const asText = (value: string) => value;
  const types = {
    // Dates and times stay the text of the server.
    getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
      [1082, 1114, 1184].includes(oid)
        ? asText
        : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
  };
  const pool = new pg.Pool({
    connectionString: url,
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: connectTimeout,
    idleTimeoutMillis: 30_000,
    application_name: 'isthmus',
    statement_timeout: Math.max(connectTimeout * 2, 10_000),
    allowExitOnIdle: true,
    stream: createSafeSocket,
    types,
  });
  // A lost idle connection is replaced by the next statement.
  pool.on('error', () => undefined);
  const readOnly = new WeakSet<object>();
  let closing: Promise<void> | undefined;
  return {
    async select(sql, values, signal) {
      let parameter = 0;
      const text = replaceLimit(sql, (count) => `LIMIT ${count}`).replaceAll('?', () => `$${++parameter}`);
      return withSourceErrors(async () => {
        const client = await untilAborted(pool.connect(), signal, (late) => late.release(true));
        client.on('error', ignore);
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
          // After a rejected statement the connection can be used again; after other errors it cannot.
          if (broken) client.release(!(error as { code?: string }).code);
          broken = false;
          throw error;
        } finally {
          client.removeListener('error', ignore);
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

async function openMysql(url: string, connectTimeout: number): Promise<VendorDatabase> {
  const { createPool } = await import('mysql2/promise');
  const pool = createPool({
    uri: url,
    connectionLimit: MAX_CONNECTIONS,
    maxIdle: MAX_CONNECTIONS,
    idleTimeout: 30_000,
    connectTimeout: connectTimeout,
    dateStrings: true,
    supportBigNumbers: true,
    charset: 'utf8mb4',
    stream: ({
      config: { socketPath, port, host },
    }: {
      config: { socketPath?: string; port: number; host: string };
    }) => {
      const socket = createSafeSocket().setNoDelay(true).setKeepAlive(true);
      return socketPath ? socket.connect(socketPath) : socket.connect(Number(port), host);
    },
  });
  const readOnly = new WeakSet<object>();
  let closing: Promise<void> | undefined;
  return {
    async select(sql, values, signal) {
      const text = replaceLimit(sql, (count) => `LIMIT ${count}`).replaceAll('"', '`');
      return withSourceErrors(async () => {
        const connection = await untilAborted(pool.getConnection(), signal, (late) => late.destroy());
        let inUse = true;
        const abort = () => {
          if (inUse) connection.destroy();
          inUse = false;
        };
        signal.addEventListener('abort', abort, { once: true });
        try {
          if (!readOnly.has(connection.connection)) await connection.query('SET SESSION TRANSACTION READ ONLY');
          readOnly.add(connection.connection);
          const [rows] = await connection.query(text, [...values]);
          return rows as Row[];
        } finally {
          signal.removeEventListener('abort', abort);
          if (inUse) connection.release();
          inUse = false;
        }
      });
    },
    close: () => {
      closing ??= pool.end();
      return closing;
    },
  };
}

/** Untested: no SQL Server was available. The package is optional and loaded only for such an address. */
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

async function openMssql(url: string, connectTimeout: number): Promise<VendorDatabase> {
  const name: string = 'mssql';
  const { default: mssql } = (await import(name)) as { default: MssqlModule };
  const address = new URL(url);
  address.protocol = 'mssql:';
  address.searchParams.set('Connection Timeout', String(Math.ceil(connectTimeout / 1000)));
  const pool = new mssql.ConnectionPool(address.toString());
  let connected: Promise<unknown> | undefined;
  let closing: Promise<void> | undefined;
  return {
    select: (sql, values, signal) =>
      withSourceErrors(async () => {
        connected ??= pool.connect().catch((error: unknown) => {
          connected = undefined;
          throw error;
        });
        await connected;
        const request = pool.request();
        let parameter = 0;
        // Dates as text, like the other dialects. OFFSET requires an ORDER BY, which every limited statement has.
        const text = replaceLimit(sql, (count) => `OFFSET 0 ROWS FETCH NEXT ${count} ROWS ONLY`)
          .replaceAll('?', () => `@v${++parameter}`)
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

const ignore = (): void => undefined;
const replaceLimit = (sql: string, limitClause: (count: string) => string): string =>
  sql.replace(/\{limit (\d+)\}/g, (_match, count: string) => limitClause(count));

/** The connection. Rejects if the signal aborts first; a connection that opens later is passed to `onLate`. */
async function untilAborted<T>(
  connecting: Promise<T>,
  signal: AbortSignal,
  onLate: (connection: T) => void,
): Promise<T> {
  if (signal.aborted) {
    connecting.then(onLate, ignore);
    throw timeout('call cancelled before a connection was available');
  }
  let abort: () => void = ignore;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => {
      connecting.then(onLate, ignore);
      reject(timeout('call cancelled before a connection was available'));
    };
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([connecting, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

async function withSourceErrors<T>(query: () => Promise<T>): Promise<T> {
  try {
    return await query();
  } catch (error) {
    throw toDatabaseError(error);
  }
}

/** The error of a driver as a `SourceError`. Its text is for the log only. */
function toDatabaseError(error: unknown): unknown {
  if (error instanceof SourceError || !(error instanceof Error)) return error;
  const code = String((error as { code?: unknown }).code ?? '');
  const text = error.message;
  if (/^(28|3D|42501)|^ER_\w*ACCESS_DENIED|^ER_BAD_DB|^ELOGIN/.test(code)) return rejected(`${code}: ${text}`, error);
  // A missing table or column: a database of another vendor or version.
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
  // An error without a code, or for reading out of range: the driver failed to parse what the server sent.
  return code && !/^ERR_(OUT_OF_RANGE|BUFFER)/.test(code)
    ? rejected(`${code}: ${text}`, error)
    : malformed(text, error);
}
