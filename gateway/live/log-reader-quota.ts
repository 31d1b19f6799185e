/**
 * Limits concurrent log reads per caller, however many subscriptions it has; each read also waits for the caller's turn in the scheduler.
 * Further reads wait in order; those of subscribers that leave are dropped.
 */

import { callerKey, type Principal } from '../../connectors/kit/auth/principal.ts';
import { onAbort } from '../../connectors/kit/guard/abort-listeners.ts';
import type { Operations } from '../operation/operations.ts';

/** Concurrent reads of one caller, few enough to leave database connections to others. */
const MAX_READS = 4;

interface CallerReads {
  running: number;
  readonly waiting: Set<() => void>;
}

/** The subscriber that a read is for. */
export interface ReadOwner {
  readonly principal: Principal | null;
  readonly signal: AbortSignal;
}

export class LogReaderQuota {
  readonly #operations: Operations;
  readonly #callers = new Map<string, CallerReads>();

  constructor(operations: Operations) {
    this.#operations = operations;
  }

  /**
   * Runs the read when the caller may start one; resolves with null if the subscriber left before. Rejects as `work` does. With `catchUp`,
   * for past events, and for a caller with queued reads, it yields to other callers.
   */
  async run<T>(
    { principal, signal }: ReadOwner,
    work: () => Promise<T>,
    { catchUp = false }: { readonly catchUp?: boolean } = {},
  ): Promise<T | null> {
    // Anonymous callers on this machine are not limited.
    if (principal?.client === 'anonymous') return work();
    const caller = callerKey(principal);
    const reads = this.#callers.get(caller) ?? { running: 0, waiting: new Set() };
    this.#callers.set(caller, reads);
    // A finished read passes its place on, so that no new read overtakes a waiting one.
    if (reads.running < MAX_READS) reads.running += 1;
    else if (!(await placeFor(reads.waiting, signal))) return null;
    try {
      return await this.#operations.schedule(principal, async () => (signal.aborted ? null : await work()), {
        isLogRead: true,
        background: catchUp || reads.waiting.size > 0,
      });
    } finally {
      const [next] = reads.waiting;
      if (next) next();
      else if (--reads.running === 0) this.#callers.delete(caller);
    }
  }

  /** The subscriber whose caller has the fewest reads running and waiting; undefined for an empty list. */
  leastLoaded<T extends { readonly caller: string }>(all: readonly T[]): T | undefined {
    let found: T | undefined;
    let lowest = Number.POSITIVE_INFINITY;
    for (const subscriber of all) {
      const reads = this.#callers.get(subscriber.caller);
      const load = reads ? reads.running + reads.waiting.size : 0;
      if (load >= lowest) continue;
      found = subscriber;
      lowest = load;
      if (load === 0) break;
    }
    return found;
  }
}

/** Resolves with true when a place is passed on, with false when the subscriber leaves. */
function placeFor(waiting: Set<() => void>, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(false);
    const end = (granted: boolean) => {
      waiting.delete(grant);
      removeListener();
      resolve(granted);
    };
    const grant = () => end(true);
    const onLeave = () => end(false);
    waiting.add(grant);
    const removeListener = onAbort(signal, onLeave);
  });
}
