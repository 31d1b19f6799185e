/** How one installation is doing, from the outcome of every call to it. */
import { type Clock, DeclarationError } from './connector.ts';
import { SourceError } from './errors.ts';

export type State = 'UP' | 'DEGRADED' | 'DOWN';
export type Breaker = 'CLOSED' | 'HALF_OPEN' | 'OPEN';

/** What `Source` shows. */
export interface HealthSnapshot {
  readonly state: State;
  readonly since: Date;
  /** Why it is not UP, in our words. */
  readonly reason: string | null;
  readonly lastSuccess: Date | null;
  /** Failed calls in the last hour. */
  readonly errors: number;
  readonly breaker: Breaker;
}

const REASONS = {
  SOURCE_UNAVAILABLE: 'cannot be reached',
  SOURCE_TIMEOUT: 'does not answer in time',
  SOURCE_REJECTED: 'refuses our requests',
  SOURCE_MALFORMED: 'answers what cannot be understood',
} as const;

const HOUR = 3_600_000;
const MINUTE = 60_000;

/**
 * DOWN when the host's check failed; DEGRADED when the check passes but the source has answered nothing in it, an operation's breaker is
 * not closed, its last job failed, it has drifted, its last delivery lacked something, or it answered nonsense within a minute; else UP. Starts DOWN with the reason "not checked yet".
 */
export class Health {
  readonly #clock: Clock;
  /** Failed calls by the minute, as `monotonic()` counts them. */
  readonly #failed = new Map<number, number>();
  readonly #trouble = new Map<string, string>();
  #checked: { ok: boolean; reason: string | null } = { ok: false, reason: 'has not been asked yet' };
  /** When it last answered nonsense, by the clock's `monotonic()`. */
  #malformedAt = Number.NEGATIVE_INFINITY;
  #drift: string | null = null;
  #complaint: string | null = null;
  #lastSuccess: Date | null = null;
  #answers = 0;
  /** Whether the source has answered something in the host's last check. */
  #answered = false;
  #state: State = 'DOWN';
  #since: Date;
  #breakers = (): Breaker => 'CLOSED';
  /** Told after each change of state. Set by the host. */
  onChange: (from: State, to: State, reason: string | null) => void = () => undefined;
  /** Told when a call failed in a way that a check would show. Set by the host. */
  onTrouble: () => void = () => undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.now();
  }

  /** The guard lends its view of the breakers. */
  watchBreakers(worst: () => Breaker): void {
    this.#breakers = worst;
  }

  succeeded(operation: string): void {
    this.#lastSuccess = this.#clock.now();
    // A job may have had nothing to ask.
    if (!operation.startsWith('job ')) this.#answers++;
    this.#trouble.delete(operation);
    this.#settle();
  }

  failed(operation: string, error: unknown): void {
    const now = this.#clock.monotonic();
    const minute = Math.floor(now / MINUTE);
    this.#failed.set(minute, (this.#failed.get(minute) ?? 0) + 1);
    if (error instanceof SourceError) {
      if (error.code === 'SOURCE_MALFORMED') this.#malformedAt = now;
      if (error.retryable) this.onTrouble();
    }
    if (operation.startsWith('job ')) this.#trouble.set(operation, `its ${operation} failed`);
    this.#settle();
  }

  /** Calls that the source has answered so far. */
  get answers(): number {
    return this.#answers;
  }

  /** Outcome of the host's check, and whether the source has answered something in it. */
  checked(error: unknown, answered = true): void {
    if (error === null) {
      this.#checked = { ok: true, reason: null };
      this.#answered = answered;
    } else {
      const code = error instanceof SourceError ? error.code : 'SOURCE_UNAVAILABLE';
      const reason = error instanceof DeclarationError ? `cannot be set up yet: ${error.message}` : REASONS[code];
      this.#checked = { ok: false, reason };
    }
    this.#settle();
  }

  /** What the connector says of the source's last delivery, or null. */
  complained(sentence: string | null): void {
    this.#complaint = sentence;
    this.#settle();
  }

  /** Outcome of the host's comparison: what is not as it was, or null. */
  drifted(sentence: string | null): void {
    this.#drift = sentence;
    this.#settle();
  }

  snapshot(): HealthSnapshot {
    this.#settle();
    const oldest = Math.floor((this.#clock.monotonic() - HOUR) / MINUTE);
    let errors = 0;
    for (const [minute, count] of this.#failed) {
      if (minute < oldest) this.#failed.delete(minute);
      else errors += count;
    }
    return {
      state: this.#state,
      since: this.#since,
      reason: this.#reason(),
      lastSuccess: this.#lastSuccess,
      errors,
      breaker: this.#breakers(),
    };
  }

  get state(): State {
    return this.#state;
  }

  #reason(): string | null {
    if (!this.#checked.ok) return this.#checked.reason;
    const trouble = [...this.#trouble.values()][0];
    if (trouble) return trouble;
    if (this.#drift) return this.#drift;
    if (this.#complaint) return this.#complaint;
    if (!this.#answered) return 'has answered nothing: there is nothing to ask of it';
    if (this.#breakers() !== 'CLOSED') return 'some of its operations fail';
    if (this.#clock.monotonic() - this.#malformedAt < MINUTE) return REASONS.SOURCE_MALFORMED;
    return null;
  }

  #settle(): void {
    const reason = this.#reason();
    const next: State = !this.#checked.ok ? 'DOWN' : reason === null ? 'UP' : 'DEGRADED';
    if (next === this.#state) return;
    const before = this.#state;
    this.#state = next;
    this.#since = this.#clock.now();
    this.onChange(before, next, reason);
  }
}
