/** The connection pool of the hub's database: bounded, with a limited wait for a free connection. */
import { AsyncLocalStorage } from 'node:async_hooks';
import pg from 'pg';
import { PreparedStatements, PreparingClient } from './prepared-statements.ts';

/** Milliseconds. */
export interface PoolTimeouts {
  /** For the server to accept a connection; twice as long during startup. */
  readonly connect: number;
  /** For a connection to become free, after startup. Operations have shorter deadlines of their own. */
  readonly acquire: number;
  /** Between reports of a long wait. */
  readonly report: number;
}
const TIMEOUTS: PoolTimeouts = { connect: 5_000, acquire: 30_000, report: 5_000 };

/** No connection was free in time. */
export class DatabaseBusyError extends Error {
  override name = 'DatabaseBusyError';
}

const unlimitedWait = new AsyncLocalStorage<true>();

/** Runs background work of the hub that waits for a connection without limit. */
export const withoutPoolTimeout = <T>(work: () => T): T => unlimitedWait.run(true, work);

type Done = (error: Error | undefined, client: pg.PoolClient | undefined, release: (error?: unknown) => void) => void;

/** The pool implementation for one database, and its switches. */
export interface PoolControl {
  /** TypeORM uses it in place of the package `pg`. */
  readonly driver: { readonly Pool: new (options: pg.PoolConfig) => pg.Pool };
  /** A pool whose connections plan each statement once, see `genericPlan`. */
  readonly GenericPlanPool: new (
    options: pg.PoolConfig,
  ) => pg.Pool;
  /** From now on `PoolTimeouts.acquire` applies; during startup a wait has no limit. */
  endStartup(): void;
  /** Closes all connections at once; running queries fail. */
  closeAll(): void;
  /** The same during startup; does nothing afterwards. */
  interruptStartup(): void;
}

/** @param onWaiting gets a message about each long wait */
export function createPoolControl(
  onWaiting: (text: string) => void,
  timeouts: PoolTimeouts = TIMEOUTS,
  statements = new PreparedStatements({ isEnabled: true }),
): PoolControl {
  const clients = new Set<pg.Client>();
  let starting = true;
  /** Whether the server has accepted a connection before; if not, a timeout is final. */
  let reached = false;
  let isClosed = false;
  let reportedAt = Number.NEGATIVE_INFINITY;
  const report = (text: string): void => {
    if (performance.now() - reportedAt < timeouts.report * 0.9) return;
    reportedAt = performance.now();
    onWaiting(text);
  };

  class Client extends PreparingClient {
    constructor(options: pg.ClientConfig = {}, genericPlans = false) {
      super(
        {
          ...options,
          // pg makes the password non-enumerable, so the spread does not copy it.
          password: options.password,
          connectionTimeoutMillis: starting ? timeouts.connect * 2 : timeouts.connect,
        } as pg.ClientConfig,
        statements,
        genericPlans,
      );
      clients.add(this as pg.Client);
      this.once('end', () => clients.delete(this as pg.Client));
    }
  }

  class GenericPlanClient extends Client {
    constructor(options: pg.ClientConfig = {}) {
      super(options, true);
    }
  }

  /** Has separate timeouts for a free place and for connecting, which pg counts together. */
  class Pool extends pg.Pool {
    constructor(options: pg.PoolConfig, ClientClass: typeof Client = Client) {
      super({ ...options, connectionTimeoutMillis: 0, Client: ClientClass } as pg.PoolConfig);
    }

    override connect(): Promise<pg.PoolClient>;
    override connect(done: Done): void;
    override connect(done?: Done): Promise<pg.PoolClient> | undefined {
      if (done) {
        this.#wait(done);
        return undefined;
      }
      return new Promise((resolve, reject) => {
        this.#wait((error, client) => (error ? reject(error) : resolve(client as pg.PoolClient)));
      });
    }

    #wait(done: Done): void {
      const startedAt = performance.now();
      const unlimited = unlimitedWait.getStore() === true;
      const state = () => `${this.totalCount} in use, ${this.waitingCount} requests waiting`;
      let isDone = false;
      const end = () => {
        isDone = true;
        clearInterval(timer);
      };
      const timer = setInterval(() => {
        const waited = performance.now() - startedAt;
        if (!starting && !unlimited && waited >= timeouts.acquire) {
          end();
          const text = `No free database connection within ${timeouts.acquire / 1_000} s: ${state()}.`;
          return done(new DatabaseBusyError(text), undefined, () => undefined);
        }
        if (!starting && waited < timeouts.acquire) return;
        report(
          `Waiting for a free database connection for ${(waited / 1_000).toFixed(0)} s: ${state()}. Still waiting.`,
        );
      }, timeouts.report);
      timer.unref();
      const attempt = (): void =>
        super.connect((error, client, release) => {
          // The request has timed out: the connection is for the next one.
          if (isDone) return client ? release() : undefined;
          if (error && starting && reached && !isClosed && isConnectTimeout(error)) {
            report(`The database did not accept a connection within ${(timeouts.connect * 2) / 1_000} s. Retrying.`);
            return attempt();
          }
          reached ||= !error;
          end();
          done(error, client, release);
        });
      try {
        attempt();
      } catch (error) {
        // pg throws for a URL that it cannot parse.
        end();
        done(error as Error, undefined, () => undefined);
      }
    }
  }

  class GenericPlanPool extends Pool {
    constructor(options: pg.PoolConfig) {
      super(options, GenericPlanClient);
    }
  }

  const closeAll = (): void => {
    isClosed = true;
    for (const client of clients) void client.end().catch(() => undefined);
  };
  return {
    driver: { Pool },
    GenericPlanPool,
    endStartup: () => {
      starting = false;
    },
    closeAll,
    interruptStartup: () => {
      if (starting) closeAll();
    },
  };
}

const isConnectTimeout = (error: Error): boolean => /timeout expired|connection timeout/i.test(error.message);
