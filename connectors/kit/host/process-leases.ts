/**
 * The leases of this process: one statement per interval renews all of them, however many installations it has. The same heartbeat shows
 * that the status rows which this process has written are current.
 */

import type { Database } from '../../../schema/database/database.ts';
import { withoutPoolTimeout } from '../../../schema/database/pool/connection-pool.ts';
import {
  endHeartbeat,
  findLeases,
  type Lease,
  releaseLeases,
  renewHeartbeat,
  takeLeases,
  type WantedLease,
} from '../../../schema/database/processes/leases.ts';
import { type Clock, systemClock } from '../clock.ts';
import { type Log, silentLog } from '../log.ts';
import { createLeaseOwner, isDeadOwner } from './lease-owner.ts';

/** Milliseconds. A heartbeat expires without renewal; three renewals fit into its duration. */
const LEASE_DURATION = 10_000;
const RENEW_INTERVAL = 3_000;

/** Is notified about one lease. */
export interface LeaseHolder {
  onAcquired(lease: Lease): void;
  onLost(): void;
}

/** A lease that an installation wants or holds. */
export interface LeaseRequest {
  /** Tries to acquire it now. Resolves with whether it is held; rejects if the database fails. */
  acquire(): Promise<boolean>;
  /** Gives it up: the holder must have lost it, or the caller knows that another process has it. It is wanted again at the next renewal. */
  drop(): void;
  /** Ends the request and the lease. Never rejects. */
  release(): Promise<void>;
}

interface Entry {
  readonly name: string;
  readonly holder: LeaseHolder;
  lease: Lease | null;
}

export interface ProcessLeasesOptions {
  readonly database: Database;
  readonly log?: Log;
  /** Default: a new owner. */
  readonly owner?: string;
  /** Default: the system clock. */
  readonly clock?: Clock;
}

const byDatabase = new WeakMap<Database, ProcessLeases>();

/** The leases of this process in that database; one instance per opened database. */
export function processLeasesOf(database: Database, log: Log): ProcessLeases {
  let leases = byDatabase.get(database);
  if (!leases) {
    leases = new ProcessLeases({ database, log });
    byDatabase.set(database, leases);
  }
  return leases;
}

export class ProcessLeases {
  /** Of all leases of this process, and of the status rows that it writes. */
  readonly owner: string;
  readonly #database: Database;
  readonly #log: Log;
  readonly #clock: Clock;
  /** By name; the first entry of a list wants or holds the lease, the others wait in this process. */
  readonly #entries = new Map<string, Entry[]>();
  /** Other holders' leases, when first seen unchanged. By our clock, so that a database clock set back cannot block us. */
  readonly #others = new Map<string, { readonly mark: string; readonly since: number }>();
  #users = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Time of the last renewal, by the clock's `monotonic()`. */
  #renewedAt = Number.NEGATIVE_INFINITY;
  #work: Promise<void> = Promise.resolve();
  #released: Lease[] = [];
  #releasing: Promise<void> | null = null;

  constructor({ database, log = silentLog, owner = createLeaseOwner(), clock = systemClock }: ProcessLeasesOptions) {
    this.#database = database;
    this.#log = log;
    this.owner = owner;
    this.#clock = clock;
  }

  /** Renews the heartbeat until the returned function is called. */
  keepAlive(): () => Promise<void> {
    if (this.#users++ === 0) this.#schedule(0);
    let isUsed = true;
    return async () => {
      if (!isUsed) return;
      isUsed = false;
      if (--this.#users > 0) return;
      clearTimeout(this.#timer);
      // Another user may begin meanwhile.
      await this.#enqueue(async () => (this.#users === 0 ? this.#end() : undefined)).catch(() => undefined);
    };
  }

  /** Acquires the lease when it is free, again whenever it was lost, and calls the holder. */
  request(name: string, holder: LeaseHolder): LeaseRequest {
    const entry: Entry = { name, holder, lease: null };
    const leave = this.keepAlive();
    this.#entries.set(name, [...(this.#entries.get(name) ?? []), entry]);
    void this.#acquire().catch(() => undefined);
    return {
      acquire: async () => {
        await this.#acquire();
        return entry.lease !== null;
      },
      drop: () => {
        entry.lease = null;
      },
      release: async () => {
        const others = (this.#entries.get(name) ?? []).filter((other) => other !== entry);
        if (others.length > 0) this.#entries.set(name, others);
        else this.#entries.delete(name);
        const { lease } = entry;
        entry.lease = null;
        if (lease) await this.#release(lease);
        if (others.length > 0) void this.#acquire().catch(() => undefined);
        await leave();
      },
    };
  }

  /** Renews all leases and acquires those that are wanted and free, as every three seconds. Never rejects. */
  async renew(): Promise<void> {
    await this.#enqueue(async () => {
      await this.#renew();
      await this.#acquireWanted();
    }).catch((error: unknown) => this.#onFailure(error));
  }

  #schedule(delay: number): void {
    clearTimeout(this.#timer);
    if (this.#users === 0) return;
    this.#timer = setTimeout(() => void this.renew().then(() => this.#schedule(RENEW_INTERVAL)), delay);
  }

  /** Acquires all wanted leases that are free. Rejects if the database fails. */
  #acquire(): Promise<void> {
    // Work in progress may have begun before the caller's lease was wanted.
    return this.#enqueue(async () => {
      if (this.#clock.monotonic() - this.#renewedAt > RENEW_INTERVAL) await this.#renew();
      await this.#acquireWanted();
    });
  }

  /** Runs one after the other: a lease that is being acquired must not be seen as lost. */
  #enqueue(work: () => Promise<void> | undefined): Promise<void> {
    const run = this.#work.then(() => withoutPoolTimeout(async () => work()));
    this.#work = run.catch(() => undefined);
    return run;
  }

  async #renew(): Promise<void> {
    const held = this.#first().flatMap((entry) => (entry.lease ? [{ entry, lease: entry.lease }] : []));
    const lost = new Set(
      await renewHeartbeat(
        this.#database.plain,
        this.owner,
        LEASE_DURATION,
        held.map(({ lease }) => lease),
      ),
    );
    this.#renewedAt = this.#clock.monotonic();
    for (const { entry, lease } of held) if (lost.has(lease.name) && entry.lease === lease) lose(entry);
  }

  async #acquireWanted(): Promise<void> {
    const wanted = new Map(this.#first().flatMap((entry) => (entry.lease ? [] : [[entry.name, entry] as const])));
    if (wanted.size === 0) return;
    const { plain } = this.#database;
    const found = await findLeases(plain, this.owner, [...wanted.keys()]);
    const free = found.filter((lease) => this.#isFree(lease));
    if (free.length === 0) return;
    for (const lease of await takeLeases(plain, this.owner, free)) {
      this.#others.delete(lease.name);
      const entry = wanted.get(lease.name);
      if (!entry || this.#entries.get(lease.name)?.[0] !== entry) void this.#release(lease);
      else {
        entry.lease = lease;
        entry.holder.onAcquired(lease);
      }
    }
  }

  /** A hub that was killed and restarted on the same machine need not wait for its previous heartbeat to expire. */
  #isFree({ name, owner, free, mark }: WantedLease): boolean {
    if (free || (owner !== null && isDeadOwner(owner))) return true;
    const now = this.#clock.monotonic();
    const other = this.#others.get(name);
    if (other?.mark === mark) return now - other.since > LEASE_DURATION + RENEW_INTERVAL;
    this.#others.set(name, { mark, since: now });
    return false;
  }

  /** Without renewal for nearly the duration of a lease, another process may hold it. */
  #onFailure(error: unknown): void {
    if (this.#clock.monotonic() - this.#renewedAt <= LEASE_DURATION - RENEW_INTERVAL) return;
    const held = this.#first().filter(({ lease }) => lease !== null);
    if (held.length === 0) return;
    this.#log.warn(
      `Failed to renew the leases of ${held.length} installations. Stopping their jobs until it succeeds.`,
      {
        error,
      },
    );
    for (const entry of held) lose(entry);
  }

  /** Leases that are released in the same moment take one statement. */
  #release(lease: Lease): Promise<void> {
    this.#released.push(lease);
    this.#releasing ??= Promise.resolve().then(async () => {
      const leases = this.#released;
      this.#released = [];
      this.#releasing = null;
      await withoutPoolTimeout(() => releaseLeases(this.#database.plain, leases)).catch(() => undefined);
    });
    return this.#releasing;
  }

  async #end(): Promise<void> {
    clearTimeout(this.#timer);
    this.#others.clear();
    this.#renewedAt = Number.NEGATIVE_INFINITY;
    await endHeartbeat(this.#database.plain, this.owner);
  }

  /** The entries that want or hold their lease. */
  #first(): Entry[] {
    return [...this.#entries.values()].flatMap(([first]) => first ?? []);
  }
}

function lose(entry: Entry): void {
  entry.lease = null;
  entry.holder.onLost();
}
