/**
 * Runs the scheduled jobs of one installation. One process at a time runs them: the holder of a lease in the database, which every
 * transaction of a job verifies.
 */
import { withoutPoolTimeout } from '../../../schema/database/pool/connection-pool.ts';
import type { Lease } from '../../../schema/database/processes/leases.ts';
import type { Job } from '../connector.ts';
import type { Log } from '../log.ts';
import type { LeaseRequest, ProcessLeases } from './process-leases.ts';
import { withJitter } from './retry-delay.ts';
import { currentLease, hubCall, LeaseLost } from './services.ts';

/** Milliseconds. Longest delay after a failed run; a job with a shorter interval keeps it. */
const MAX_RETRY_DELAY = 3_000;
/**
 * Milliseconds. After a run in which a source that is down sent nothing: its recovery, which the health checks notice, ends the delay. It
 * ends by itself in case the source works for a job and not for the checks.
 */
const DELAY_DOWN = 900_000;
/** Milliseconds. Effectively unlimited: the guard limits each single call. */
const JOB_DEADLINE = 24 * 3_600_000;

export interface JobRunnerOptions {
  readonly name: string;
  readonly jobs: readonly Job[];
  readonly leases: ProcessLeases;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Whether the last health check of the source failed. Default: never. */
  isDown?(): boolean;
  /** Number of responses of the source so far. Default: none. */
  responses?(): number;
  /** Called when the lease was acquired. */
  onLease?(): void;
  /** Called after each run, and when a long run reports success. `error` is null on success. */
  onOutcome(job: string, error: unknown): void;
}

const retryDelay = ({ every }: Job): number => Math.min(every, MAX_RETRY_DELAY);

export class JobRunner {
  readonly #options: JobRunnerOptions;
  #request: LeaseRequest | null = null;
  #lease: Lease | null = null;
  #leaseAbort = new AbortController();
  #stopped = false;
  readonly #running = new Map<string, Promise<void>>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #failing = new Set<string>();
  /** Jobs whose next run waits for the recovery of the source. */
  readonly #waiting = new Set<string>();

  constructor(options: JobRunnerOptions) {
    this.#options = options;
  }

  /** Whether this process runs the jobs now. */
  get holdsLease(): boolean {
    return this.#lease !== null;
  }

  /** Acquires the lease when it is free, until `stop`. */
  start(): void {
    this.#leaseRequest();
  }

  /** Runs the job once, whether or not it is due; acquires the lease if necessary. Rejects when the job fails or another process holds the lease. */
  async runNow(name: string): Promise<void> {
    const job = this.#options.jobs.find((candidate) => candidate.name === name);
    if (!job) throw new Error(`Unknown job ${name}.`);
    await this.#running.get(name);
    if (!this.#lease) await this.#leaseRequest().acquire();
    if (!this.#lease) throw new Error(`Another process holds the lease of ${this.#options.name}.`);
    // Acquiring the lease schedules every job now; this one must not run twice at once.
    clearTimeout(this.#timers.get(name));
    await this.#running.get(name);
    await this.#run(job, { rethrow: true });
  }

  /** Runs the jobs now that wait for the recovery of the source. To be called when it is no longer down. */
  resume(): void {
    for (const job of this.#options.jobs) if (this.#waiting.has(job.name)) this.#schedule(job, 0);
  }

  /** Aborts the jobs, waits for them to end and releases the lease. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#leaseAbort.abort();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    await Promise.all([...this.#running.values()].map((run) => run.catch(() => undefined)));
    this.#lease = null;
    await this.#request?.release();
  }

  #leaseRequest(): LeaseRequest {
    this.#request ??= this.#options.leases.request(this.#options.name, {
      onAcquired: (lease) => this.#onLeaseAcquired(lease),
      onLost: () => this.#onLeaseLost(),
    });
    return this.#request;
  }

  #onLeaseAcquired(lease: Lease): void {
    if (this.#stopped) return;
    this.#lease = lease;
    this.#leaseAbort = new AbortController();
    this.#options.onLease?.();
    for (const job of this.#options.jobs) this.#schedule(job, 0);
  }

  #onLeaseLost(): void {
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
    this.#waiting.delete(job.name);
    const responses = this.#options.responses?.();
    const signal = AbortSignal.any([this.#leaseAbort.signal, this.#options.signal]);
    const run = currentLease.run(lease, () =>
      withoutPoolTimeout(async () => job.run(hubCall(JOB_DEADLINE, signal), () => this.#reportOutcome(job, null))),
    );
    const settled = run.then(
      () => this.#onRunEnd(job, lease, responses, null),
      (error: unknown) => this.#onRunEnd(job, lease, responses, error),
    );
    this.#running.set(job.name, settled);
    return rethrow ? run : settled;
  }

  #onRunEnd(job: Job, lease: Lease, responsesBefore: number | undefined, error: unknown): void {
    this.#running.delete(job.name);
    if (this.#stopped) return;
    if (error instanceof LeaseLost) {
      if (this.#lease === lease) {
        this.#request?.drop();
        this.#onLeaseLost();
      }
      return;
    }
    const waits = this.#options.isDown?.() === true && this.#options.responses?.() === responsesBefore;
    this.#reportOutcome(job, error, waits);
    if (waits) this.#waiting.add(job.name);
    const delay = error === null ? job.every : retryDelay(job);
    this.#schedule(job, waits ? Math.max(delay, withJitter(DELAY_DOWN)) : delay);
  }

  /** Logs the first failure of a job, and its recovery. */
  #reportOutcome(job: Job, error: unknown, waits = false): void {
    this.#options.onOutcome(job.name, error);
    if (error !== null && !this.#failing.has(job.name)) {
      this.#failing.add(job.name);
      const when = waits ? 'when the source responds' : `in ${retryDelay(job) / 1000} s`;
      this.#options.log.warn(`Job ${job.name} failed. Retrying ${when}.`, { error });
    } else if (error === null && this.#failing.delete(job.name)) {
      this.#options.log.info(`Job ${job.name} recovered.`);
    }
  }
}
