/**
 * The door in front of one legacy system: so many calls at once, so many a second, so many waiting. Callers take turns: who has
 * fewest calls under way, and was let in longest ago, is next; so one caller's thousand calls do not stand before another's one.
 */
import { unavailable } from './errors.ts';

export interface GateLimits {
  /** Calls under way at once. */
  readonly concurrency: number;
  /** Calls that may wait for a place. */
  readonly queue: number;
  /** Calls that the source may see in any one second; null: no such limit. */
  readonly rate: number | null;
}

interface Waiting {
  readonly who: string;
  readonly urgent: boolean;
  readonly enter: () => void;
  readonly refuse: () => void;
}

const SECOND = 1_000;

function full(): Error {
  const error = unavailable('too many calls wait for it already');
  error.callers = true;
  return error;
}

export class Gate {
  readonly #limits: GateLimits;
  readonly #waiting: Waiting[] = [];
  /** Calls under way by caller, and when each caller was last let in (a count); callers who are away are forgotten. */
  readonly #callers = new Map<string, { under: number; last: number }>();
  #entered = 0;
  /** When the last calls ended, oldest first; those of the last second. Kept only where `rate` is set. */
  readonly #ended: number[] = [];
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
   * host's own check) waits before all others. A full queue loses the newest call of the caller who waits with most.
   */
  enter(signal: AbortSignal, urgent = false, who = ''): Promise<() => void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.#waiting.length === 0 && this.#pause() === 0) return Promise.resolve(this.#take(who));
    if (this.#waiting.length >= this.#limits.queue && !urgent && !this.#makeRoom(who)) return Promise.reject(full());
    return new Promise((resolve, reject) => {
      const one: Waiting = {
        who,
        urgent,
        enter: () => {
          signal.removeEventListener('abort', leave);
          resolve(this.#take(who));
        },
        refuse: () => {
          signal.removeEventListener('abort', leave);
          reject(full());
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

  /**
   * Milliseconds until a call may begin; infinite while all places are taken. A call counts from its begin until a second after
   * its end: when it reached the source lies between, and however long it was on its way, no second there sees more than `rate`.
   */
  #pause(): number {
    const { concurrency, rate } = this.#limits;
    if (this.#under >= concurrency) return Number.POSITIVE_INFINITY;
    if (rate === null) return 0;
    const now = performance.now();
    while (this.#ended.length > 0 && (this.#ended[0] as number) + SECOND <= now) this.#ended.shift();
    if (this.#under + this.#ended.length < rate) return 0;
    return this.#ended.length > 0 ? (this.#ended[0] as number) + SECOND - now : Number.POSITIVE_INFINITY;
  }

  /** Sends the newest call of the greediest caller away, when that is somebody else with more calls waiting. */
  #makeRoom(who: string): boolean {
    const waiting = new Map<string, number>();
    for (const one of this.#waiting) if (!one.urgent) waiting.set(one.who, (waiting.get(one.who) ?? 0) + 1);
    const [greediest, most] = [...waiting].sort((a, b) => b[1] - a[1])[0] ?? ['', 0];
    if (greediest === who || most <= (waiting.get(who) ?? 0) + 1) return false;
    const at = this.#waiting.findLastIndex((one) => one.who === greediest && !one.urgent);
    this.#waiting.splice(at, 1)[0]?.refuse();
    return true;
  }

  /** Whose turn it is: its place in the queue. */
  #turn(): number {
    let best = 0;
    const rank = (one: Waiting | undefined): [number, number] => {
      const known = one && this.#callers.get(one.who);
      return one?.urgent ? [-1, 0] : [known?.under ?? 0, known?.last ?? 0];
    };
    for (let i = 1; i < this.#waiting.length; i++) {
      const [under, last] = rank(this.#waiting[i]);
      const [bestUnder, bestLast] = rank(this.#waiting[best]);
      if (under < bestUnder || (under === bestUnder && last < bestLast)) best = i;
    }
    return best;
  }

  #take(who: string): () => void {
    this.#under++;
    const caller = this.#callers.get(who) ?? { under: 0, last: 0 };
    caller.under++;
    caller.last = ++this.#entered;
    this.#callers.set(who, caller);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#under--;
      if (this.#limits.rate !== null) this.#ended.push(performance.now());
      caller.under--;
      if (caller.under === 0 && !this.#waiting.some((one) => one.who === who)) this.#callers.delete(who);
      this.#next();
    };
  }

  #next(): void {
    clearTimeout(this.#timer);
    while (this.#waiting.length > 0) {
      const pause = this.#pause();
      if (pause === 0) this.#waiting.splice(this.#turn(), 1)[0]?.enter();
      else {
        // A little later than the sum says: timers may fire early.
        if (Number.isFinite(pause)) this.#timer = setTimeout(() => this.#next(), pause + 1);
        return;
      }
    }
  }
}
