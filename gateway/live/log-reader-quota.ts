/**
 * How much of the log is read for one caller at once, however many subscriptions it holds: a few ranges, each begun when it is the
 * caller's turn among all who ask the hub. The rest wait in order; a listener that goes waits no longer.
 */

import { callerOf, type Principal } from '../../connectors/kit/auth/principal.ts';
import { onAbort } from '../../connectors/kit/guard/abort-listeners.ts';
import type { Operations } from '../operation/operations.ts';

/** Reads of one caller under way: few enough to leave the hub's connections to its database to others. */
const AT_ONCE = 4;

interface Reads {
  under: number;
  readonly waiting: Set<() => void>;
}

/** Whom a read is for. */
export interface Listener {
  readonly principal: Principal | null;
  readonly signal: AbortSignal;
}

export class Pace {
  readonly #operations: Operations;
  readonly #reads = new Map<string, Reads>();

  constructor(operations: Operations) {
    this.#operations = operations;
  }

  /**
   * Does the work when it may begin. Null: the listener has gone meanwhile. Rejects as the work does. `behind`: it reads what is past;
   * that, and what is read for a caller with more to read than at once, gives way to others.
   */
  async take<T>({ principal, signal }: Listener, work: () => Promise<T>, behind = false): Promise<T | null> {
    // The owners of this machine wait for nobody.
    if (principal?.client === 'anonymous') return work();
    const caller = callerOf(principal);
    const reads = this.#reads.get(caller) ?? { under: 0, waiting: new Set() };
    this.#reads.set(caller, reads);
    // A place is handed on and not given back, so that none who comes now is before one who waits.
    if (reads.under < AT_ONCE) reads.under += 1;
    else if (!(await handed(reads.waiting, signal))) return null;
    try {
      await this.#operations.turnOfReading(principal, behind || reads.waiting.size > 0);
      try {
        return signal.aborted ? null : await work();
      } finally {
        this.#operations.turned(principal);
      }
    } finally {
      const [next] = reads.waiting;
      if (next) next();
      else if (--reads.under === 0) this.#reads.delete(caller);
    }
  }

  /** Of those for whom the same is read, one whose caller has least under way and waiting. */
  lightest<T extends { readonly caller: string }>(all: readonly T[]): T | undefined {
    let found: T | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const one of all) {
      const reads = this.#reads.get(one.caller);
      const load = reads ? reads.under + reads.waiting.size : 0;
      if (load >= least) continue;
      found = one;
      least = load;
      if (load === 0) break;
    }
    return found;
  }
}

/** True: a place was handed over; false: the listener has gone. */
function handed(waiting: Set<() => void>, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(false);
    const end = (came: boolean) => {
      waiting.delete(take);
      leave();
      resolve(came);
    };
    const take = () => end(true);
    const gone = () => end(false);
    waiting.add(take);
    const leave = onAbort(signal, gone);
  });
}
