/** How old stored moments are, in the life of this process: also after the wall clock was set. */
import { LRUCache } from 'lru-cache';
import type { Clock } from './connector.ts';

/** Moments that are remembered. */
const MOST = 10_000;
/** A difference that grew by less is the clock being slewed, not set; in milliseconds. */
const SET = 250;
/** Settings of the clock that are remembered. */
const SETTINGS = 20;

interface Setting {
  /** Since when, by `monotonic()`. */
  readonly since: number;
  /** What the wall clock shows beyond `monotonic()`. */
  readonly beyond: number;
}

const all = new WeakMap<Clock, StoredMoments>();

/** Those of this clock: all who read it share them. */
export function momentsOf(clock: Clock): StoredMoments {
  let made = all.get(clock);
  if (!made) {
    made = new StoredMoments(clock);
    all.set(clock, made);
  }
  return made;
}

/**
 * Where stored moments lie by the monotonic clock. A moment that this process has stored, or has looked at once, keeps its age whatever
 * the wall clock is set to; for one of another process or life only the wall clock can tell, and an age is never negative.
 */
export class StoredMoments {
  readonly #clock: Clock;
  readonly #known = new LRUCache<number, number>({ max: MOST });
  /** Newest first. */
  readonly #settings: Setting[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.look();
  }

  /** Notices that the clock was set. To be called before a moment is stored, and now and then. */
  look(): void {
    const since = this.#clock.monotonic();
    const beyond = this.#clock.now().getTime() - since;
    const before = this.#settings[0];
    if (before && Math.abs(beyond - before.beyond) < SET) return;
    this.#settings.unshift({ since: before ? since : Number.NEGATIVE_INFINITY, beyond });
    this.#settings.length = Math.min(this.#settings.length, SETTINGS);
  }

  /** When the moment was, by the clock's `monotonic()`; never later than now. */
  at(moment: Date): number {
    const time = moment.getTime();
    const known = this.#known.get(time);
    if (known !== undefined) return known;
    this.look();
    const found = this.#find(time);
    this.#known.set(time, found);
    return found;
  }

  /** Milliseconds since the moment; never negative. */
  age(moment: Date): number {
    return Math.max(this.#clock.monotonic() - this.at(moment), 0);
  }

  #find(time: number): number {
    const now = this.#clock.monotonic();
    // The wall clock shows a moment twice when it is set back: the later time is taken.
    let until = now;
    for (const { since, beyond } of this.#settings) {
      const at = time - beyond;
      if (at >= since && at <= until) return at;
      until = since;
    }
    return Math.min(time - (this.#settings[0]?.beyond ?? 0), now);
  }
}
