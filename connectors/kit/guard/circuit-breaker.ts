/** One circuit breaker for each operation of a source. Slow answers and nonsense count like no answer; a refusal does not. */
import { systemClock } from '../clock.ts';
import type { Clock } from '../connector.ts';
import { SourceError, sourceFault, unavailable } from '../errors.ts';
import type { Breaker } from '../health.ts';

export interface BreakerLimits {
  /** Faults in a row that open an operation's breaker. */
  readonly faults: number;
  /** How long it stays open before one call may try, in milliseconds; never above 5 s. */
  readonly pause: number;
}

/** What one call brought, and whether it took too long for a healthy source. */
export interface Timed<T> {
  readonly value: T;
  readonly slow: boolean;
}

const MOST_PAUSE = 5_000;

/** Whether the fault speaks against the source: not when the source refused, our own code failed, or the caller left. */
export function counts(error: unknown): boolean {
  const fault = sourceFault(error);
  return fault instanceof SourceError && fault.code !== 'SOURCE_REJECTED' && !fault.callers;
}

/** One operation's breaker. Times are the clock's `monotonic()`. */
interface Circuit {
  /** Faults in a row while it is closed. */
  faults: number;
  /** When it opened last; null: it is closed. */
  openedAt: number | null;
  /** The one call that tries whether the source answers again; others wait for its outcome. */
  trial: Promise<unknown> | null;
  askedAt: number;
}

export class Breakers {
  readonly #limits: BreakerLimits;
  readonly #clock: Clock;
  readonly #all = new Map<string, Circuit>();

  constructor(limits: BreakerLimits, clock: Clock = systemClock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Rejects at once while the operation's breaker is open. */
  async execute<T>(operation: string, ask: () => Promise<Timed<T>>): Promise<Timed<T>> {
    let one = this.#all.get(operation);
    if (!one) {
      one = { faults: 0, openedAt: null, trial: null, askedAt: 0 };
      this.#all.set(operation, one);
    }
    one.askedAt = this.#clock.monotonic();
    while (one.trial !== null) await one.trial.catch(() => undefined);
    if (one.openedAt === null) return this.#run(one, ask, false);
    if (this.#clock.monotonic() - one.openedAt < this.#pause) throw unavailable('the circuit breaker is open');
    const trial = this.#run(one, ask, true).finally(() => {
      one.trial = null;
    });
    one.trial = trial;
    return trial;
  }

  /** Whether a call of this operation would be refused at once. */
  isOpen(operation: string): boolean {
    const one = this.#all.get(operation);
    if (!one || one.openedAt === null || one.trial !== null) return false;
    return this.#clock.monotonic() - one.openedAt < this.#pause;
  }

  /** The source answers again: breakers that nobody has called for a while are forgotten, the next call decides anew. */
  healed(): void {
    for (const [operation, one] of this.#all) {
      if (this.#clock.monotonic() - one.askedAt > 2 * this.#pause) this.#all.delete(operation);
    }
  }

  /** The worst state of all. */
  get worst(): Breaker {
    let worst: Breaker = 'CLOSED';
    for (const { openedAt, trial } of this.#all.values()) {
      if (openedAt !== null && trial === null) return 'OPEN';
      if (trial !== null) worst = 'HALF_OPEN';
    }
    return worst;
  }

  /** Runs one call and counts its outcome. `trial`: one fault opens it again, anything else closes it. */
  async #run<T>(one: Circuit, ask: () => Promise<Timed<T>>, trial: boolean): Promise<Timed<T>> {
    let fault = true;
    try {
      const timed = await ask();
      fault = timed.slow;
      if (!fault) one.faults = 0;
      return timed;
    } catch (error) {
      fault = counts(error);
      throw error;
    } finally {
      if (fault) this.#failed(one, trial);
      else if (trial) {
        one.openedAt = null;
        one.faults = 0;
      }
    }
  }

  #failed(one: Circuit, trial: boolean): void {
    one.faults++;
    if (trial || (one.openedAt === null && one.faults >= this.#limits.faults)) one.openedAt = this.#clock.monotonic();
  }

  get #pause(): number {
    return Math.min(this.#limits.pause, MOST_PAUSE);
  }
}
