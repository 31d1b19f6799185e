/**
 * Runs the scheduled jobs of one installation. One process at a time runs them: the holder of a lease in the database, which every
 * transaction of a job verifies.
 */

import type { Database } from '../../../schema/database/database.ts';
import { withoutPoolTimeout } from '../../../schema/database/pool/connection-pool.ts';
import { acquireLease, type Lease, leaseHolder, releaseLease } from '../../../schema/database/processes/leases.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { Job } from '../connector.ts';
import type { Log } from '../log.ts';
import { isDeadOwner } from './lease-owner.ts';
import { currentLease, hubCall, LeaseLost } from './services.ts';

/** Milliseconds. A lease expires without renewal; three renewals fit into its duration. */
const LEASE_DURATION = 10_000;
const RENEW_INTERVAL = 3_000;
/** Milliseconds. Longest delay after a failed run; a job with a shorter interval keeps it. */
const MAX_RETRY_DELAY = 3_000;
/** Milliseconds. Effectively unlimited: the guard limits each single call. */
const JOB_DEADLINE = 24 * 3_600_000;

export interface JobRunnerOptions {
  readonly name: string;
  readonly jobs: readonly Job[];
  readonly database: Database;
  readonly log: Log;
  readonly owner: string;
  readonly signal: AbortSignal;
  /** Default: the system clock. */
  readonly clock?: Clock;
  /** Called after each run, and when a long run reports success. `error` is null on success. */
  onOutcome(job: string, error: unknown): void;
}

const retryDelay = ({ every }: Job): number => Math.min(every, MAX_RETRY_DELAY);

export class JobRunner {
  readonly #options: JobRunnerOptions;
  readonly #clock: Clock;
  #lease: Lease | null = null;
  #leaseAbort = new AbortController();
  #renewTimer: NodeJS.Timeout | undefined;
  /** Time of the last renewal, by the clock's `monotonic()`. */
  #renewedAt = 0;
  /** Another holder's lease when first seen unchanged. Measured by our clock, so that a database clock set back cannot block us. */
  #otherLease: { readonly mark: string; readonly since: number } | null = null;
  #stopped = false;
  readonly #running = new Map<string, Promise<void>>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #failing = new Set<string>();

  constructor(options: JobRunnerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Whether this process runs the jobs now. */
  get holdsLease(): boolean {
    return this.#lease !== null;
  }

  /** Acquires the lease when it is free, and renews it until `stop`. */
  start(): void {
    void this.#renewLease();
  }

  /** Runs the job once, whether or not it is due; acquires the lease if necessary. Rejects when the job fails or another process holds the lease. */
  async runNow(name: string): Promise<void> {
    const job = this.#options.jobs.find((candidate) => candidate.name === name);
    if (!job) throw new Error(`Unknown job ${name}.`);
    await this.#running.get(name);
    if (!this.#lease) await this.#acquireLease();
    if (!this.#lease) throw new Error(`Another process holds the lease of ${this.#options.name}.`);
    // Acquiring the lease schedules every job now; this one must not run twice at once.
    clearTimeout(this.#timers.get(name));
    await this.#running.get(name);
    await this.#run(job, { rethrow: true });
  }

  /** Aborts the jobs, waits for them to end and releases the lease. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#renewTimer);
    this.#leaseAbort.abort();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    await Promise.all([...this.#running.values()].map((run) => run.catch(() => undefined)));
    const lease = this.#lease;
    this.#lease = null;
    if (lease) await releaseLease(this.#options.database.plain, lease).catch(() => undefined);
  }

  #acquireLease(): Promise<void> {
    return withoutPoolTimeout(() => this.#tryAcquireLease());
  }

  async #tryAcquireLease(): Promise<void> {
    const { database, name, owner } = this.#options;
    let lease = await acquireLease(database.plain, name, owner, LEASE_DURATION);
    if (!lease && !this.#lease) {
      // A hub that was killed and restarted need not wait for its previous lease to expire.
      const held = await leaseHolder(database.plain, name);
      if (held !== null && (isDeadOwner(held.owner) || this.#isExpiredLocally(held.mark)))
        lease = await acquireLease(database.plain, name, owner, LEASE_DURATION, held.owner);
    }
    this.#renewedAt = this.#clock.monotonic();
    if (lease && this.#lease?.fence === lease.fence) return;
    if (this.#lease) this.#loseLease();
    if (!lease || this.#stopped) return;
    this.#lease = lease;
    this.#leaseAbort = new AbortController();
    for (const job of this.#options.jobs) this.#schedule(job, 0);
  }

  async #renewLease(): Promise<void> {
    try {
      await this.#acquireLease();
    } catch (error) {
      if (this.#lease && this.#clock.monotonic() - this.#renewedAt > LEASE_DURATION - RENEW_INTERVAL) {
        this.#options.log.warn(`Failed to renew lease ${this.#options.name}. Stopping its jobs.`, { error });
        this.#loseLease();
      }
    }
    if (!this.#stopped) this.#renewTimer = setTimeout(() => void this.#renewLease(), RENEW_INTERVAL);
  }

  /** Whether another holder's lease was not renewed for longer than a lease lasts, by our clock. */
  #isExpiredLocally(mark: string): boolean {
    const now = this.#clock.monotonic();
    if (this.#otherLease?.mark !== mark) this.#otherLease = { mark, since: now };
    return now - this.#otherLease.since > LEASE_DURATION + RENEW_INTERVAL;
  }

  #loseLease(): void {
    this.#lease = null;
    this.#leaseAbort.abort();
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  #schedule(job: Job, delay: number): void {
    clearTimeout(this.#timers.get(job.name));
    if (this.#stopped || !this.#lease) return;
    this.#timers.set(
      job.name,
      setTimeout(() => {
        if (this.#running.has(job.name)) return;
        void this.#run(job);
      }, delay),
    );
  }

  /** Runs the job. Rejects with its error only if `rethrow` is set. */
  #run(job: Job, { rethrow = false } = {}): Promise<void> {
    const lease = this.#lease;
    if (!lease) return Promise.resolve();
    const signal = AbortSignal.any([this.#leaseAbort.signal, this.#options.signal]);
    const run = currentLease.run(lease, () =>
      withoutPoolTimeout(async () => job.run(hubCall(JOB_DEADLINE, signal), () => this.#reportOutcome(job, null))),
    );
    const settled = run.then(
      () => this.#onRunEnd(job, null),
      (error: unknown) => this.#onRunEnd(job, error),
    );
    this.#running.set(job.name, settled);
    return rethrow ? run : settled;
  }

  #onRunEnd(job: Job, error: unknown): void {
    this.#running.delete(job.name);
    if (this.#stopped) return;
    if (error instanceof LeaseLost) {
      this.#loseLease();
      return;
    }
    this.#reportOutcome(job, error);
    this.#schedule(job, error === null ? job.every : retryDelay(job));
  }

  /** Logs the first failure of a job, and its recovery. */
  #reportOutcome(job: Job, error: unknown): void {
    this.#options.onOutcome(job.name, error);
    if (error !== null && !this.#failing.has(job.name)) {
      this.#failing.add(job.name);
      this.#options.log.warn(`Job ${job.name} failed. Retrying in ${retryDelay(job) / 1000} s.`, { error });
    } else if (error === null && this.#failing.delete(job.name)) {
      this.#options.log.info(`Job ${job.name} recovered.`);
    }
  }
}
