/** The hub's connections to its database: a bounded number, for which whoever needs one waits its turn. */
import { AsyncLocalStorage } from 'node:async_hooks';
import pg from 'pg';

/** How long the server may take to accept a connection, in milliseconds. */
const CONNECT = 5_000;
/** How long one waits for a connection once the hub is up, in milliseconds; an operation's own time is over before. */
const LONGEST_WAIT = 30_000;
/** After so long a wait the log says what is waited for, and then each time again, in milliseconds. */
const SAY = 5_000;

/** No connection was free in time; the message is a sentence for people. */
export class DatabaseBusy extends Error {
  override name = 'DatabaseError';
}

const patient = new AsyncLocalStorage<true>();

/** For the hub's own work, for which nobody waits: it waits for connections as long as it takes. */
export const patiently = <T>(work: () => T): T => patient.run(true, work);

type Done = (error: Error | undefined, client: pg.PoolClient | undefined, release: (error?: unknown) => void) => void;

/** How the pool of one database waits, and how it is cut off. */
export interface PoolControl {
  /** As TypeORM takes it for the package `pg`. */
  readonly driver: { readonly Pool: new (options: pg.PoolConfig) => pg.Pool };
  /** From now on a wait has an end. Before that, while the hub starts, whatever takes long is waited for. */
  settle(): void;
  /** Ends all connections at once, whatever they do: who waits for an answer gets an error. */
  cut(): void;
  /** The same, unless the start is over. */
  cutStart(): void;
}

/** @param waiting told in a sentence what a start waits for, each five seconds */
export function poolControl(waiting: (text: string) => void): PoolControl {
  const clients = new Set<pg.Client>();
  let starting = true;
  let cut = false;
  let said = 0;
  const say = (text: string): void => {
    if (Date.now() - said < SAY) return;
    said = Date.now();
    waiting(text);
  };

  class Client extends pg.Client {
    constructor(options: pg.ClientConfig = {}) {
      // The package hides the password from copies.
      super({ ...options, password: options.password, connectionTimeoutMillis: CONNECT } as pg.ClientConfig);
      clients.add(this as pg.Client);
      this.once('end', () => clients.delete(this as pg.Client));
    }
  }

  /** The wait for a place and the time to connect are two things; the package counts them together. */
  class Pool extends pg.Pool {
    constructor(options: pg.PoolConfig) {
      super({ ...options, connectionTimeoutMillis: 0, Client } as pg.PoolConfig);
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
      const began = Date.now();
      let given = false;
      const unlimited = patient.getStore() === true;
      const timer = setInterval(() => {
        const waited = Date.now() - began;
        if (!cut && (starting || (unlimited && waited >= LONGEST_WAIT))) {
          return say(
            `Waiting for a database connection since ${Math.round(waited / 1_000)} s: ${this.totalCount} are in use, ${this.waitingCount} more are wanted. This takes as long as the machine and the database are busy.`,
          );
        }
        if (waited < LONGEST_WAIT || (unlimited && !cut)) return;
        settle();
        done(
          new DatabaseBusy(
            `No database connection was free within ${LONGEST_WAIT / 1_000} s: ${this.totalCount} are in use, ${this.waitingCount} more are wanted.`,
          ),
          undefined,
          () => undefined,
        );
      }, SAY);
      timer.unref();
      const settle = () => {
        given = true;
        clearInterval(timer);
      };
      const attempt = (): void =>
        super.connect((error, client, release) => {
          // Who has waited too long is gone: the connection goes to the next.
          if (given) return client ? release() : undefined;
          if (error && starting && !cut && isLate(error)) {
            say(`The database did not accept a connection within ${CONNECT / 1_000} s; trying again.`);
            return attempt();
          }
          settle();
          done(error, client, release);
        });
      attempt();
    }
  }

  const cutAll = (): void => {
    cut = true;
    for (const client of clients) void client.end().catch(() => undefined);
  };
  return {
    driver: { Pool },
    settle: () => {
      starting = false;
    },
    cut: cutAll,
    cutStart: () => {
      if (starting) cutAll();
    },
  };
}

const isLate = (error: Error): boolean => /timeout expired|connection timeout/i.test(error.message);
