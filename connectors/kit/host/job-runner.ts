/** Jobs by the clock: one process at a time, by a lease that every transaction of a job proves. */

import { patiently } from '../../../schema/database/connection-pool.ts';
import type { Database } from '../../../schema/database/database.ts';
import { dropLease, heldBy, type Lease, takeLease } from '../../../schema/database/processes/leases.ts';
import { systemClock } from '../clock.ts';
import type { Clock, Job } from '../connector.ts';
import type { Log } from '../log.ts';
import { isGone } from './lease-owner.ts';
import { heldLease, hubCall, LeaseLost } from './services.ts';

/** A lease lasts this long without renewal, and is renewed three times within. */
const LEASE = 10_000;
const RENEW = 3_000;
/** Pause after a failed run, at most; the job's own pause when that is shorter. */
const AFTER_FAULT = 3_000;
/** A job's calls have all the time they need; each is limited by the guard. */
const JOB_TIME = 24 * 3_600_000;

export interface RunnerOptions {
  readonly name: string;
  readonly jobs: readonly Job[];
  readonly database: Database;
  readonly log: Log;
  readonly owner: string;
  readonly signal: AbortSignal;
  /** Absent: the system's. */
  readonly clock?: Clock;
  /** Told after each run; null means it went well. */
  outcome(job: string, error: unknown): void;
}

export class JobRunner {
  readonly #options: RunnerOptions;
  readonly #clock: Clock;
  #lease: Lease | null = null;
  #term = new AbortController();
  #renewer: NodeJS.Timeout | undefined;
  /** When the lease was asked for last, by the clock's `monotonic()`. */
  #renewed = 0;
  /** Another's lease as it was seen first: one that is not renewed has run out, wherever the database's clock was set to. */
  #others: { readonly mark: string; readonly since: number } | null = null;
  #stopped = false;
  readonly #running = new Map<string, Promise<void>>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #failing = new Set<string>();

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Whether this process works for the installation now. */
  get holding(): boolean {
    return this.#lease !== null;
  }

  start(): void {
    void this.#renew();
  }

  /** Takes the lease if need be, and runs the job once, also when it is not due. */
  async once(name: string): Promise<void> {
    const job = this.#options.jobs.find((one) => one.name === name);
    if (!job) throw new Error(`There is no job ${name}.`);
    await this.#running.get(name);
    if (!this.#lease) await this.#take();
    if (!this.#lease) throw new Error(`Another process holds the lease of ${this.#options.name}.`);
    // Taking the lease plans every job at once: the one that is asked for must not run beside itself.
    clearTimeout(this.#timers.get(name));
    await this.#running.get(name);
    await this.#run(job, true);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#renewer);
    this.#term.abort();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    await Promise.all([...this.#running.values()].map((one) => one.catch(() => undefined)));
    const lease = this.#lease;
    this.#lease = null;
    if (lease) await dropLease(this.#options.database.plain, lease).catch(() => undefined);
  }

  #take(): Promise<void> {
    return patiently(() => this.#takeOver());
  }

  async #takeOver(): Promise<void> {
    const { database, name, owner } = this.#options;
    let lease = await takeLease(database.plain, name, owner, LEASE);
    if (!lease && !this.#lease) {
      // A hub that was killed and begun again need not wait until its former self's lease has run out.
      const held = await heldBy(database.plain, name);
      if (held !== null && (isGone(held.owner) || this.#isUnrenewed(held.mark)))
        lease = await takeLease(database.plain, name, owner, LEASE, held.owner);
    }
    this.#renewed = this.#clock.monotonic();
    if (lease && this.#lease?.fence === lease.fence) return;
    if (this.#lease) this.#lost();
    if (!lease || this.#stopped) return;
    this.#lease = lease;
    this.#term = new AbortController();
    for (const job of this.#options.jobs) this.#plan(job, 0);
  }

  async #renew(): Promise<void> {
    try {
      await this.#take();
    } catch (error) {
      if (this.#lease && this.#clock.monotonic() - this.#renewed > LEASE - RENEW) {
        this.#options.log.warn('The lease could not be renewed; its jobs stop.', { error });
        this.#lost();
      }
    }
    if (!this.#stopped) this.#renewer = setTimeout(() => void this.#renew(), RENEW);
  }

  /** Whether another's lease has stood unchanged for longer than one lasts. */
  #isUnrenewed(mark: string): boolean {
    const now = this.#clock.monotonic();
    if (this.#others?.mark !== mark) this.#others = { mark, since: now };
    return now - this.#others.since > LEASE + RENEW;
  }

  #lost(): void {
    this.#lease = null;
    this.#term.abort();
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  #plan(job: Job, pause: number): void {
    clearTimeout(this.#timers.get(job.name));
    if (this.#stopped || !this.#lease) return;
    this.#timers.set(
      job.name,
      setTimeout(() => {
        if (this.#running.has(job.name)) return;
        void this.#run(job, false);
      }, pause),
    );
  }

  #run(job: Job, loud: boolean): Promise<void> {
    const lease = this.#lease;
    if (!lease) return Promise.resolve();
    const signal = AbortSignal.any([this.#term.signal, this.#options.signal]);
    const run = heldLease.run(lease, () =>
      patiently(async () => job.run(hubCall(JOB_TIME, signal), () => this.#told(job, null))),
    );
    const settled = run.then(
      () => this.#ended(job, null),
      (error: unknown) => this.#ended(job, error),
    );
    this.#running.set(job.name, settled);
    return loud ? run : settled;
  }

  #ended(job: Job, error: unknown): void {
    this.#running.delete(job.name);
    if (this.#stopped) return;
    if (error instanceof LeaseLost) {
      this.#lost();
      return;
    }
    this.#told(job, error);
    this.#plan(job, error === null ? job.every : Math.min(job.every, AFTER_FAULT));
  }

  #told(job: Job, error: unknown): void {
    this.#options.outcome(job.name, error);
    // One line on the way down, one on the way up.
    if (error !== null && !this.#failing.has(job.name)) {
      this.#failing.add(job.name);
      this.#options.log.warn(`The job ${job.name} failed; it is tried again.`, { error });
    } else if (error === null && this.#failing.delete(job.name)) {
      this.#options.log.info(`The job ${job.name} works again.`);
    }
  }
}
