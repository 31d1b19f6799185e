/** The end of an operation's time, and the client's going away: one timer for all that is waited for. */

import { systemClock } from '../../../connectors/kit/clock.ts';
import type { Call } from '../../../connectors/kit/connector.ts';
import { onAbort } from '../../../connectors/kit/guard/abort-listeners.ts';

/** A subgraph may answer this long after the operation's time is up, in milliseconds: its own limits have told it by then. */
const GRACE = 250;
/** The longest that a timer can wait. */
const LONGEST = 2 ** 31 - 1;

export class Deadline {
  readonly #call: Call;
  readonly #waiting = new Set<() => void>();
  #timer: NodeJS.Timeout | null = null;
  #leave: () => void = () => undefined;
  /** Whether the timer has fired or the client has gone. A timer may fire a millisecond before the clock says so. */
  #hasEnded = false;
  readonly #over = (): void => {
    this.#hasEnded = true;
    for (const one of this.#waiting) one();
  };

  constructor(call: Call) {
    this.#call = call;
  }

  /** Whether nothing more should be begun. */
  isOver(): boolean {
    return this.#hasEnded || (this.#call.gone ?? this.#call.signal.aborted) || this.#left() <= 0;
  }

  /** What the promise brings, or `late()` when the time is up before. */
  race<T>(promise: Promise<T>, late: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#hasEnded) {
        promise.catch(() => undefined);
        return resolve(late());
      }
      const over = (): void => resolve(late());
      this.#waiting.add(over);
      this.#start();
      promise.then(resolve, reject).finally(() => this.#waiting.delete(over));
    });
  }

  /** Nothing is waited for any more. */
  end(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#leave();
  }

  #left(): number {
    return this.#call.deadline + GRACE - systemClock.monotonic();
  }

  #start(): void {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(this.#over, Math.min(Math.max(this.#left(), 0), LONGEST));
    this.#leave = onAbort(this.#call.signal, this.#over);
  }
}
