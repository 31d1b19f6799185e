/**
 * The door in front of one legacy system: so many calls at once, so many a second, so many waiting. Callers take turns: who has
 * fewest calls under way, and was let in longest ago, is next; so one caller's thousand calls do not stand before another's one. Nor
 * does who came first take all there is: each caller of late has an equal share, and of it so much is kept free as it has used of late.
 */

import { systemClock } from '../clock.ts';
import type { Clock } from '../connector.ts';
import { unavailable } from '../errors.ts';
import { onAbort } from './abort-listeners.ts';

export interface GateLimits {
  /** Calls under way at once. */
  readonly concurrency: number;
  /** Calls that may wait for a place. */
  readonly queue: number;
  /** Calls that the source may see in any one second; null: no such limit. */
  readonly rate: number | null;
}

interface Waiting {
  /** Who wants it; a shared call has more than one. */
  readonly askers: ReadonlySet<string>;
  readonly urgent: boolean;
  readonly enter: (who: string) => void;
  readonly refuse: () => void;
}

/** What one caller has at this door. */
interface Caller {
  /** Calls under way. */
  under: number;
  /** When it was last let in, as a count of all entries; and by the clock. */
  last: number;
  at: number;
  /** When its calls of the last second ended, oldest first; empty where no rate is set. */
  readonly ended: number[];
  /** The most it had at once (calls under way; those and the calls of the last second) in this span and in the one before. */
  readonly most: { under: number; counted: number }[];
  span: number;
}

const NOBODY: ReadonlySet<string> = new Set(['']);
const SECOND = 1_000;
/** So long after its last call a caller's share is kept free, in milliseconds. */
const SPAN = 5_000;

function full(): Error {
  const error = unavailable('too many calls wait for it already');
  error.callers = true;
  return error;
}

export class Gate {
  readonly #limits: GateLimits;
  readonly #clock: Clock;
  readonly #waiting: Waiting[] = [];
  /** Callers of late; who has nothing here and has been away for a while is forgotten. */
  readonly #callers = new Map<string, Caller>();
  #entered = 0;
  /** When the last calls ended, oldest first; those of the last second. Kept only where `rate` is set. */
  readonly #ended: number[] = [];
  #under = 0;
  #swept = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: GateLimits, clock: Clock = systemClock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get under(): number {
    return this.#under;
  }

  /**
   * A place; call what it answers when done. Rejects when the queue is full, or with the signal's reason. `urgent` (the
   * host's own check) waits before all others. A full queue loses the newest call of the caller who waits with most. A call that
   * several share (`askers`, to which more may come: tell `asked`) enters as the one of them whose turn is first.
   */
  enter(signal: AbortSignal, urgent = false, askers: ReadonlySet<string> = NOBODY): Promise<() => void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const [who = ''] = askers;
    if (this.#waiting.length === 0 && this.#pause() === 0 && (urgent || this.#mayEnter(who)))
      return Promise.resolve(this.#take(who));
    if (this.#waiting.length >= this.#limits.queue && !urgent && !this.#makeRoom(who)) return Promise.reject(full());
    return new Promise((resolve, reject) => {
      const one: Waiting = {
        askers,
        urgent,
        enter: (as) => {
          stay();
          resolve(this.#take(as));
        },
        refuse: () => {
          stay();
          reject(full());
        },
      };
      const leave = () => {
        const at = this.#waiting.indexOf(one);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal.reason);
      };
      const stay = onAbort(signal, leave);
      if (urgent) this.#waiting.unshift(one);
      else this.#waiting.push(one);
      this.#next();
    });
  }

  /** Somebody else wants a call that may be waiting. */
  asked(): void {
    if (this.#waiting.length > 0) this.#next();
  }

  /**
   * Milliseconds until a call may begin; infinite while all places are taken. A call counts from its begin until a second after
   * its end: when it reached the source lies between, and however long it was on its way, no second there sees more than `rate`.
   */
  #pause(): number {
    const { concurrency, rate } = this.#limits;
    if (this.#under >= concurrency) return Number.POSITIVE_INFINITY;
    if (rate === null) return 0;
    const now = this.#clock.monotonic();
    if (this.#under + ofLate(this.#ended, now) < rate) return 0;
    return this.#ended.length > 0 ? (this.#ended[0] as number) + SECOND - now : Number.POSITIVE_INFINITY;
  }

  /** Sends the newest call of the greediest caller away, when that is somebody else with more calls waiting. */
  #makeRoom(who: string): boolean {
    const waiting = new Map<string, number>();
    for (const one of this.#waiting) {
      const [only = ''] = one.askers;
      if (!one.urgent && one.askers.size <= 1) waiting.set(only, (waiting.get(only) ?? 0) + 1);
    }
    const [greediest, most] = [...waiting].sort((a, b) => b[1] - a[1])[0] ?? ['', 0];
    if (greediest === who || most <= (waiting.get(who) ?? 0) + 1) return false;
    const at = this.#waiting.findLastIndex(
      (one) => !one.urgent && one.askers.size <= 1 && (greediest === '' || one.askers.has(greediest)),
    );
    this.#waiting.splice(at, 1)[0]?.refuse();
    return true;
  }

  /** Whose turn it is, and its place in the queue; null: what is free is kept for others than those who wait. */
  #turn(): { at: number; who: string } | null {
    let best: { at: number; who: string } | null = null;
    let bestUnder = 0;
    let bestLast = 0;
    const may = new Map<string, boolean>();
    for (const [at, { askers, urgent }] of this.#waiting.entries()) {
      if (urgent) return { at, who: [...askers][0] ?? '' };
      for (const who of askers) {
        const known = this.#callers.get(who);
        const under = known?.under ?? 0;
        const last = known?.last ?? 0;
        if (best && (under > bestUnder || (under === bestUnder && last >= bestLast))) continue;
        let allowed = may.get(who);
        if (allowed === undefined) {
          allowed = this.#mayEnter(who);
          may.set(who, allowed);
        }
        if (!allowed) continue;
        best = { at, who };
        bestUnder = under;
        bestLast = last;
      }
    }
    return best;
  }

  /** Whether this caller may take one of the free places: within its share always, beyond it what is not kept for others. */
  #mayEnter(who: string): boolean {
    const { concurrency, rate } = this.#limits;
    const now = this.#clock.monotonic();
    const mine = this.#callers.get(who);
    // One call is within every share.
    if (!mine || (mine.under === 0 && ofLate(mine.ended, now) === 0)) return true;
    const others: Caller[] = [];
    for (const one of this.#callers.values()) if (one !== mine && !isAway(one, now)) others.push(one);
    if (others.length === 0) return true;
    const callers = others.length + 1;
    const kept = (all: number, used: (one: Caller) => number, most: (one: Caller) => number): boolean => {
      const share = Math.max(1, all / callers);
      if (used(mine) + 1 <= share) return true;
      let free = all - used(mine);
      for (const one of others) free -= Math.max(used(one), Math.min(share, most(one)));
      return free >= 1;
    };
    const places = kept(
      concurrency,
      (one) => one.under,
      (one) => Math.max(...one.most.map((span) => span.under)),
    );
    if (!places || rate === null) return places;
    return kept(
      rate,
      (one) => one.under + ofLate(one.ended, now),
      (one) => Math.max(...one.most.map((span) => span.counted)),
    );
  }

  #take(who: string): () => void {
    const now = this.#clock.monotonic();
    if (now - this.#swept > SPAN) {
      this.#swept = now;
      for (const [name, one] of this.#callers) if (isAway(one, now)) this.#callers.delete(name);
    }
    this.#under++;
    const caller = this.#callers.get(who) ?? { under: 0, last: 0, at: 0, ended: [], most: [], span: -2 };
    caller.under++;
    caller.last = ++this.#entered;
    caller.at = now;
    const span = Math.floor(now / SPAN);
    if (span !== caller.span) {
      caller.most.unshift({ under: 0, counted: 0 });
      caller.most.length = Math.min(caller.most.length, span === caller.span + 1 ? 2 : 1);
      caller.span = span;
    }
    const most = caller.most[0] as { under: number; counted: number };
    most.under = Math.max(most.under, caller.under);
    most.counted = Math.max(most.counted, caller.under + ofLate(caller.ended, now));
    this.#callers.set(who, caller);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#under--;
      caller.under--;
      if (this.#limits.rate !== null) {
        const end = this.#clock.monotonic();
        this.#ended.push(end);
        caller.ended.push(end);
      }
      this.#next();
    };
  }

  #next(): void {
    clearTimeout(this.#timer);
    while (this.#waiting.length > 0) {
      const pause = this.#pause();
      const turn = pause === 0 ? this.#turn() : null;
      if (turn) {
        this.#waiting.splice(turn.at, 1)[0]?.enter(turn.who);
        continue;
      }
      // Who waits for its share waits for a call of its own to end, or to be a second ago.
      const soonest =
        pause > 0 ? pause : (this.#ended[0] ?? Number.POSITIVE_INFINITY) + SECOND - this.#clock.monotonic();
      // A little later than the sum says: timers may fire early.
      if (Number.isFinite(soonest)) this.#timer = setTimeout(() => this.#next(), Math.max(soonest, 0) + 1);
      return;
    }
  }
}

/** Whether nothing is kept free for this caller any more. */
const isAway = (one: Caller, now: number): boolean => one.under === 0 && now - one.at > SPAN;

/** How many of these moments are of the last second; older ones are dropped. */
function ofLate(moments: number[], now: number): number {
  while (moments.length > 0 && (moments[0] as number) + SECOND <= now) moments.shift();
  return moments.length;
}
