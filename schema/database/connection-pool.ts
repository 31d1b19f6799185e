/** The hub's connections to its database: a bounded number, for which whoever needs one waits its turn. */
import { AsyncLocalStorage } from 'node:async_hooks';
import pg from 'pg';

/** How long things may take, in milliseconds. */
export interface PoolTimes {
  /** For the server to accept a connection; during a start twice as long. */
  readonly connect: number;
  /** For a connection to become free, once the start is over. Operations have less time themselves. */
  readonly wait: number;
  /** After so long a wait it is said what is waited for, and then each time again. */
  readonly say: number;
}
const TIMES: PoolTimes = { connect: 5_000, wait: 30_000, say: 5_000 };

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

/** @param waiting told in a sentence what is waited for */
export function poolControl(waiting: (text: string) => void, times: PoolTimes = TIMES): PoolControl {
  const clients = new Set<pg.Client>();
  let starting = true;
  /** Whether the server has ever accepted a connection: one that never did is not waited for. */
  let reached = false;
  let cut = false;
  let said = Number.NEGATIVE_INFINITY;
  const say = (text: string): void => {
    if (performance.now() - said < times.say * 0.9) return;
    said = performance.now();
    waiting(text);
  };

  class Client extends pg.Client {
    constructor(options: pg.ClientConfig = {}) {
      super({
        ...options,
        // The package hides the password from copies.
        password: options.password,
        connectionTimeoutMillis: starting ? times.connect * 2 : times.connect,
      } as pg.ClientConfig);
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
      const began = performance.now();
      const unlimited = patient.getStore() === true;
      const state = () => `${this.totalCount} are in use, ${this.waitingCount} more are wanted`;
      let over = false;
      const end = () => {
        over = true;
        clearInterval(timer);
      };
      const timer = setInterval(() => {
        const waited = performance.now() - began;
        if (!starting && !unlimited && waited >= times.wait) {
          end();
          const text = `No connection to the database was free within ${times.wait / 1_000} s: ${state()}.`;
          return done(new DatabaseBusy(text), undefined, () => undefined);
        }
        if (!starting && waited < times.wait) return;
        say(`Waiting for a free connection since ${(waited / 1_000).toFixed(0)} s: ${state()}. The work goes on.`);
      }, times.say);
      timer.unref();
      const attempt = (): void =>
        super.connect((error, client, release) => {
          // Who has waited too long is gone: the connection goes to the next.
          if (over) return client ? release() : undefined;
          if (error && starting && reached && !cut && isLate(error)) {
            say(`The database did not accept a connection within ${(times.connect * 2) / 1_000} s. Trying again.`);
            return attempt();
          }
          reached ||= !error;
          end();
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
