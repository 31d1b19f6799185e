/** The state of one source, from the results of its health checks and of every other call. */
import type { Clock } from '../clock.ts';
import { DeclarationError, SourceError } from '../errors.ts';

export type SourceState = 'UP' | 'DEGRADED' | 'DOWN';
export type BreakerState = 'CLOSED' | 'HALF_OPEN' | 'OPEN';

/** The fields of the graph type `Source` that come from its health. */
export interface HealthSnapshot {
  readonly state: SourceState;
  readonly since: Date;
  /** Why it is not UP, in the hub's words; null when it is. */
  readonly reason: string | null;
  readonly lastSuccess: Date | null;
  /** Failed calls in the last hour. */
  readonly errors: number;
  /** The worst circuit breaker of all operations. */
  readonly breaker: BreakerState;
}

const REASONS = {
  SOURCE_UNAVAILABLE: 'cannot be reached',
  SOURCE_TIMEOUT: 'does not respond in time',
  SOURCE_REJECTED: 'rejects requests',
  SOURCE_MALFORMED: 'returns invalid responses',
} as const;

const HOUR = 3_600_000;
const MINUTE = 60_000;

/**
 * DOWN: the last health check failed, or there was none yet. DEGRADED: the check succeeded, but the source sent no response in it, the
 * last run of a job failed, the source has drifted, its last delivery has a problem, a circuit breaker is not closed, or a response of
 * the last minute was malformed. Otherwise UP.
 */
export class Health {
  readonly #clock: Clock;
  /** Numbers of failed calls by minute of `monotonic()`. */
  readonly #failuresByMinute = new Map<number, number>();
  /** Reasons by operation: jobs whose last run failed. */
  readonly #failedJobs = new Map<string, string>();
  #check: { ok: boolean; reason: string | null } = { ok: false, reason: 'has not been checked yet' };
  /** When the last malformed response arrived, by `monotonic()`. */
  #malformedAt = Number.NEGATIVE_INFINITY;
  #drift: string | null = null;
  #deliveryProblem: string | null = null;
  #lastSuccess: Date | null = null;
  #responseCount = 0;
  /** Whether the source sent a response in the last check. */
  #respondedInCheck = false;
  #state: SourceState = 'DOWN';
  #since: Date;
  #worstBreaker = (): BreakerState => 'CLOSED';
  /** Called after each change of state. Set by the host. */
  onChange: (from: SourceState, to: SourceState, reason: string | null) => void = () => undefined;
  /** Called when a call failed for a reason that a health check would find. Set by the host. */
  onRetryableFailure: () => void = () => undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.now();
  }

  /** Sets where the state of the circuit breakers is read. */
  watchBreakers(worstState: () => BreakerState): void {
    this.#worstBreaker = worstState;
  }

  /** Records a successful call or job run. */
  recordSuccess(operation: string): void {
    this.#lastSuccess = this.#clock.now();
    // A job run may send no request.
    if (!isJob(operation)) this.#responseCount++;
    this.#failedJobs.delete(operation);
    this.#update();
  }

  /** Records a failed call or job run. */
  recordFailure(operation: string, error: unknown): void {
    const now = this.#clock.monotonic();
    const minute = Math.floor(now / MINUTE);
    this.#failuresByMinute.set(minute, (this.#failuresByMinute.get(minute) ?? 0) + 1);
    if (error instanceof SourceError) {
      if (error.code === 'SOURCE_MALFORMED') this.#malformedAt = now;
      if (error.retryable) this.onRetryableFailure();
    }
    if (isJob(operation)) this.#failedJobs.set(operation, `${operation} failed`);
    this.#update();
  }

  /** Successful calls since the installation was opened. */
  get responseCount(): number {
    return this.#responseCount;
  }

  /** Records the result of a health check; `error` null: it succeeded. `responded`: the source sent a response in it. */
  recordCheck(error: unknown, { responded = true }: { readonly responded?: boolean } = {}): void {
    if (error === null) {
      this.#check = { ok: true, reason: null };
      this.#respondedInCheck = responded;
    } else {
      const code = error instanceof SourceError ? error.code : 'SOURCE_UNAVAILABLE';
      const reason = error instanceof DeclarationError ? `cannot be set up yet: ${error.message}` : REASONS[code];
      this.#check = { ok: false, reason };
    }
    this.#update();
  }

  /** Records what is wrong with the source's last delivery; null: nothing. */
  recordDeliveryProblem(problem: string | null): void {
    this.#deliveryProblem = problem;
    this.#update();
  }

  /** Records the result of a drift check (see `describeDrift`); null: no drift. */
  recordDrift(description: string | null): void {
    this.#drift = description;
    this.#update();
  }

  snapshot(): HealthSnapshot {
    this.#update();
    const oldest = Math.floor((this.#clock.monotonic() - HOUR) / MINUTE);
    let errors = 0;
    for (const [minute, count] of this.#failuresByMinute) {
      if (minute < oldest) this.#failuresByMinute.delete(minute);
      else errors += count;
    }
    return {
      state: this.#state,
      since: this.#since,
      reason: this.#reason(),
      lastSuccess: this.#lastSuccess,
      errors,
      breaker: this.#worstBreaker(),
    };
  }

  get state(): SourceState {
    return this.#state;
  }

  #reason(): string | null {
    if (!this.#check.ok) return this.#check.reason;
    const [failedJob] = this.#failedJobs.values();
    if (failedJob) return failedJob;
    if (this.#drift) return `has drifted: ${this.#drift}`;
    if (this.#deliveryProblem) return this.#deliveryProblem;
    if (!this.#respondedInCheck) return 'sent no response in the last check';
    if (this.#worstBreaker() !== 'CLOSED') return 'some operations fail';
    if (this.#clock.monotonic() - this.#malformedAt < MINUTE) return REASONS.SOURCE_MALFORMED;
    return null;
  }

  #update(): void {
    const reason = this.#reason();
    const next: SourceState = !this.#check.ok ? 'DOWN' : reason === null ? 'UP' : 'DEGRADED';
    if (next === this.#state) return;
    const previous = this.#state;
    this.#state = next;
    this.#since = this.#clock.now();
    this.onChange(previous, next, reason);
  }
}

const isJob = (operation: string): boolean => operation.startsWith('job ');
