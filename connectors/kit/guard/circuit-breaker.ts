/**
 * One circuit breaker for each operation of a source. Missing, slow and malformed responses are failures; a rejection by the source
 * is not.
 */
import { type Clock, systemClock } from '../clock.ts';
import { type GuardPolicy, MAX_RECOVERY_PAUSE } from '../config/sections/guard.ts';
import { SourceError, toSourceError, unavailable } from '../errors.ts';
import type { BreakerState } from '../monitoring/health.ts';

/** The result of one call, and whether it took too long for a healthy source. */
export interface TimedResult<T> {
  readonly value: T;
  readonly slow: boolean;
}

/** False when the source rejected the request, the hub's own code failed, or the caller caused the error. */
export function isSourceFailure(error: unknown): boolean {
  const failure = toSourceError(error);
  return failure instanceof SourceError && failure.code !== 'SOURCE_REJECTED' && !failure.causedByCaller;
}

/** The breaker of one operation. Times are the clock's `monotonic()`. */
interface Circuit {
  /** Consecutive failures while closed. */
  failures: number;
  /** When it last opened; null: it is closed. */
  openedAt: number | null;
  /** The one call that tests whether the source has recovered; other calls wait for its result. */
  trial: Promise<unknown> | null;
  lastCallAt: number;
}

export class CircuitBreakers {
  readonly #limits: GuardPolicy['breaker'];
  readonly #clock: Clock;
  readonly #circuits = new Map<string, Circuit>();

  constructor(limits: GuardPolicy['breaker'], clock: Clock = systemClock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Sends the call and counts its result. Rejects with SOURCE_UNAVAILABLE, without a call, while the operation's breaker is open. */
  async execute<T>(operation: string, send: () => Promise<TimedResult<T>>): Promise<TimedResult<T>> {
    let circuit = this.#circuits.get(operation);
    if (!circuit) {
      circuit = { failures: 0, openedAt: null, trial: null, lastCallAt: 0 };
      this.#circuits.set(operation, circuit);
    }
    circuit.lastCallAt = this.#clock.monotonic();
    while (circuit.trial !== null) await circuit.trial.catch(() => undefined);
    if (circuit.openedAt === null) return this.#run(circuit, send, { isTrial: false });
    if (this.#clock.monotonic() - circuit.openedAt < this.#openDuration) throw unavailable('circuit breaker is open');
    const trial = this.#run(circuit, send, { isTrial: true }).finally(() => {
      circuit.trial = null;
    });
    circuit.trial = trial;
    return trial;
  }

  /** Whether a call of this operation would be rejected without reaching the source. */
  isOpen(operation: string): boolean {
    const circuit = this.#circuits.get(operation);
    if (!circuit || circuit.openedAt === null || circuit.trial !== null) return false;
    return this.#clock.monotonic() - circuit.openedAt < this.#openDuration;
  }

  /** Closes the breakers of operations that have not been called for two open durations. To be called when the source has recovered. */
  forgetIdle(): void {
    for (const [operation, circuit] of this.#circuits) {
      if (this.#clock.monotonic() - circuit.lastCallAt > 2 * this.#openDuration) this.#circuits.delete(operation);
    }
  }

  /** The worst state of all operations. */
  get worstState(): BreakerState {
    let worst: BreakerState = 'CLOSED';
    for (const { openedAt, trial } of this.#circuits.values()) {
      if (openedAt !== null && trial === null) return 'OPEN';
      if (trial !== null) worst = 'HALF_OPEN';
    }
    return worst;
  }

  /** Runs one call and counts its result. A failed trial opens the breaker again; any other result of a trial closes it. */
  async #run<T>(
    circuit: Circuit,
    send: () => Promise<TimedResult<T>>,
    { isTrial }: { readonly isTrial: boolean },
  ): Promise<TimedResult<T>> {
    let failed = true;
    try {
      const result = await send();
      failed = result.slow;
      if (!failed) circuit.failures = 0;
      return result;
    } catch (error) {
      failed = isSourceFailure(error);
      throw error;
    } finally {
      if (failed) this.#recordFailure(circuit, isTrial);
      else if (isTrial) {
        circuit.openedAt = null;
        circuit.failures = 0;
      }
    }
  }

  #recordFailure(circuit: Circuit, isTrial: boolean): void {
    circuit.failures++;
    const opens = circuit.openedAt === null && circuit.failures >= this.#limits.failureThreshold;
    if (isTrial || opens) circuit.openedAt = this.#clock.monotonic();
  }

  get #openDuration(): number {
    return Math.min(this.#limits.openDuration, MAX_RECOVERY_PAUSE);
  }
}
