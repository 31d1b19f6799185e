/** Ends the wait for subgraphs at the operation's deadline or when the client disconnects, with one timer for all requests. */
import type { Call } from '../../../connectors/kit/call.ts';
import { systemClock } from '../../../connectors/kit/clock.ts';
import { onAbort } from '../../../connectors/kit/guard/abort-listeners.ts';

/** Milliseconds after the operation's deadline in which a subgraph may still respond; its own timeouts have expired by then. */
export const GRACE_PERIOD = 250;
/** Milliseconds; longer timers are not possible. */
export const MAX_TIMER = 2 ** 31 - 1;

/** The deadline of one execution. */
export class Deadline {
  readonly #call: Call;
  /** Created when something waits. */
  #onEnd: Set<() => void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #stopListening: () => void = () => undefined;
  /** Whether the timer has fired or the client has disconnected. A timer may fire a millisecond before the deadline by the clock. */
  #hasEnded = false;
  readonly #finish = (): void => {
    this.#hasEnded = true;
    for (const stopWaiting of this.#onEnd ?? []) stopWaiting();
  };

  constructor(call: Call) {
    this.#call = call;
  }

  /** Whether no further request should be sent. */
  isOver(): boolean {
    return this.#hasEnded || (this.#call.isCancelled ?? this.#call.signal.aborted) || this.#remaining() <= 0;
  }

  /** Settles as the promise does, or resolves with `onTimeout()` at the deadline. */
  race<T>(promise: Promise<T>, onTimeout: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#hasEnded) {
        promise.catch(() => undefined);
        return resolve(onTimeout());
      }
      const stopWaiting = (): void => resolve(onTimeout());
      this.#onEnd ??= new Set();
      const waiting = this.#onEnd.add(stopWaiting);
      this.#start();
      promise.then(resolve, reject).finally(() => waiting.delete(stopWaiting));
    });
  }

  /** Stops the timer. To be called when the execution has ended. */
  clear(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#stopListening();
  }

  #remaining(): number {
    return this.#call.deadline + GRACE_PERIOD - systemClock.monotonic();
  }

  #start(): void {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(this.#finish, Math.min(Math.max(this.#remaining(), 0), MAX_TIMER));
    this.#stopListening = onAbort(this.#call.signal, this.#finish);
  }
}
