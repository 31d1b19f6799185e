/** The door in front of one legacy system: so many calls at once, so many a second, so many waiting; first come, first served. */
import { unavailable } from './errors.ts';

export interface GateLimits {
  /** Calls under way at once. */
  readonly concurrency: number;
  /** Calls that may wait for a place. */
  readonly queue: number;
  /** Calls that may begin in any one second; null: no such limit. */
  readonly rate: number | null;
}

interface Waiting {
  readonly enter: () => void;
}

const SECOND = 1_000;

export class Gate {
  readonly #limits: GateLimits;
  readonly #waiting: Waiting[] = [];
  /** When the last calls began, oldest first; as many as may begin in one second. */
  readonly #begun: number[] = [];
  #under = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get under(): number {
    return this.#under;
  }

  /**
   * A place; call what it answers when done. Rejects when the queue is full, or with the signal's reason. `urgent` (the
   * host's own check) waits before all others.
   */
  enter(signal: AbortSignal, urgent = false): Promise<() => void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.#waiting.length === 0 && this.#pause() === 0) return Promise.resolve(this.#take());
    if (this.#waiting.length >= this.#limits.queue && !urgent) {
      const full = unavailable('too many calls wait for it already');
      full.callers = true;
      return Promise.reject(full);
    }
    return new Promise((resolve, reject) => {
      const one: Waiting = {
        enter: () => {
          signal.removeEventListener('abort', leave);
          resolve(this.#take());
        },
      };
      const leave = () => {
        const at = this.#waiting.indexOf(one);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      if (urgent) this.#waiting.unshift(one);
      else this.#waiting.push(one);
      this.#next();
    });
  }

  /** Milliseconds until a call may begin; infinite while all places are taken. */
  #pause(): number {
    const { concurrency, rate } = this.#limits;
    if (this.#under >= concurrency) return Number.POSITIVE_INFINITY;
    if (rate === null || this.#begun.length < rate) return 0;
    return Math.max((this.#begun[0] as number) + SECOND - performance.now(), 0);
  }

  #take(): () => void {
    this.#under++;
    if (this.#limits.rate !== null) {
      this.#begun.push(performance.now());
      if (this.#begun.length > this.#limits.rate) this.#begun.shift();
    }
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#under--;
      this.#next();
    };
  }

  #next(): void {
    clearTimeout(this.#timer);
    while (this.#waiting.length > 0) {
      const pause = this.#pause();
      if (pause === 0) this.#waiting.shift()?.enter();
      else {
        // A little later than the sum says: timers may fire early.
        if (Number.isFinite(pause)) this.#timer = setTimeout(() => this.#next(), pause + 1);
        return;
      }
    }
  }
}
