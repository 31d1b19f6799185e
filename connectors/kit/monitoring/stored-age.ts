/** Ages of stored timestamps that stay correct when the wall clock is set. */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';

/** Timestamps whose monotonic time is remembered. */
const MAX_TIMESTAMPS = 10_000;
/** Milliseconds. A smaller change of the offset is slewing, not a setting of the clock. */
const MIN_CHANGE = 250;
/** Settings of the clock that are remembered. */
const MAX_OFFSETS = 20;

/** The wall clock minus `monotonic()`, valid from `since` (by `monotonic()`). Milliseconds. */
interface Offset {
  readonly since: number;
  readonly offset: number;
}

const byClock = new WeakMap<Clock, StoredAges>();

/** The ages by this clock; one instance per clock. */
export function storedAgesOf(clock: Clock): StoredAges {
  let ages = byClock.get(clock);
  if (!ages) {
    ages = new StoredAges(clock);
    byClock.set(clock, ages);
  }
  return ages;
}

/**
 * Maps stored timestamps to the monotonic clock. A timestamp that this process stored, or has looked up once, keeps its age when the
 * wall clock is set. For other timestamps only the wall clock can tell the age, which is never negative.
 */
export class StoredAges {
  readonly #clock: Clock;
  readonly #monotonicTimes = new LRUCache<number, number>({ max: MAX_TIMESTAMPS });
  /** Newest first. */
  readonly #offsets: Offset[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.noticeClockChange();
  }

  /** Records a setting of the wall clock. To be called before a timestamp is stored. */
  noticeClockChange(): void {
    const since = this.#clock.monotonic();
    const offset = this.#clock.now().getTime() - since;
    const latest = this.#offsets[0];
    if (latest && Math.abs(offset - latest.offset) < MIN_CHANGE) return;
    this.#offsets.unshift({ since: latest ? since : Number.NEGATIVE_INFINITY, offset });
    this.#offsets.length = Math.min(this.#offsets.length, MAX_OFFSETS);
  }

  /** The timestamp by the clock's `monotonic()`; never later than now. */
  monotonicTimeOf(timestamp: Date): number {
    const wallTime = timestamp.getTime();
    const known = this.#monotonicTimes.get(wallTime);
    if (known !== undefined) return known;
    this.noticeClockChange();
    const found = this.#find(wallTime);
    this.#monotonicTimes.set(wallTime, found);
    return found;
  }

  /** Milliseconds since the timestamp; never negative. */
  ageOf(timestamp: Date): number {
    return Math.max(this.#clock.monotonic() - this.monotonicTimeOf(timestamp), 0);
  }

  #find(wallTime: number): number {
    const now = this.#clock.monotonic();
    // A wall clock that is set back shows a time twice: the later one is taken.
    let until = now;
    for (const { since, offset } of this.#offsets) {
      const time = wallTime - offset;
      if (time >= since && time <= until) return time;
      until = since;
    }
    return Math.min(wallTime - (this.#offsets[0]?.offset ?? 0), now);
  }
}
