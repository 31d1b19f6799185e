/** One circuit breaker for each operation of a source. Slow answers and nonsense count like no answer; a refusal does not. */
import { BrokenCircuitError, CircuitState, ConsecutiveBreaker, circuitBreaker, handleWhen } from 'cockatiel';
import { SourceError, sourceFault, unavailable } from './errors.ts';
import type { Breaker } from './health.ts';

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

interface One {
  readonly circuit: ReturnType<typeof makeCircuit>;
  askedAt: number;
  openedAt: number;
}

function makeCircuit({ faults, pause }: BreakerLimits) {
  return circuitBreaker(
    handleWhen((error) => counts(error)).orWhenResult((result) => (result as Timed<unknown>).slow),
    { halfOpenAfter: Math.min(pause, MOST_PAUSE), breaker: new ConsecutiveBreaker(faults) },
  );
}

/** Whether the fault speaks against the source: not when the source refused, our own code failed, or the caller left. */
export function counts(error: unknown): boolean {
  const fault = sourceFault(error);
  return fault instanceof SourceError && fault.code !== 'SOURCE_REJECTED' && !fault.callers;
}

export class Breakers {
  readonly #limits: BreakerLimits;
  readonly #all = new Map<string, One>();

  constructor(limits: BreakerLimits) {
    this.#limits = limits;
  }

  /** Rejects at once while the operation's breaker is open. */
  async execute<T>(operation: string, ask: () => Promise<Timed<T>>): Promise<Timed<T>> {
    let one = this.#all.get(operation);
    if (!one) {
      const made: One = { circuit: makeCircuit(this.#limits), askedAt: 0, openedAt: 0 };
      made.circuit.onBreak(() => {
        made.openedAt = performance.now();
      });
      one = made;
      this.#all.set(operation, one);
    }
    one.askedAt = performance.now();
    try {
      return await one.circuit.execute(ask);
    } catch (error) {
      if (error instanceof BrokenCircuitError) throw unavailable('the circuit breaker is open', error);
      throw error;
    }
  }

  /** Whether a call of this operation would be refused at once. */
  isOpen(operation: string): boolean {
    const one = this.#all.get(operation);
    // cockatiel leaves the state at open until the first call after the pause: that one it would let through.
    return one?.circuit.state === CircuitState.Open && performance.now() - one.openedAt < this.#pause;
  }

  /** The source answers again: breakers that nobody has called for a while are forgotten, the next call decides anew. */
  healed(): void {
    for (const [operation, one] of this.#all) {
      if (performance.now() - one.askedAt > 2 * this.#pause) this.#all.delete(operation);
    }
  }

  /** The worst state of all. */
  get worst(): Breaker {
    let worst: Breaker = 'CLOSED';
    for (const { circuit } of this.#all.values()) {
      if (circuit.state === CircuitState.Open || circuit.state === CircuitState.Isolated) return 'OPEN';
      if (circuit.state === CircuitState.HalfOpen) worst = 'HALF_OPEN';
    }
    return worst;
  }

  get #pause(): number {
    return Math.min(this.#limits.pause, MOST_PAUSE);
  }
}
