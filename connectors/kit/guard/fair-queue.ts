/**
 * The queue in front of one legacy system. Limits the calls in progress, the calls per second and the waiting calls. The next call is
 * that of the caller with the fewest calls in progress; among equals, of the one admitted longest ago. Each recent caller has an equal
 * share of the capacity. Of a share that is not in use, as much stays free as its caller used recently.
 */

import { type Clock, systemClock } from '../clock.ts';
import { type SourceError, unavailable } from '../errors.ts';
import { onAbort } from './abort-listeners.ts';

export interface FairQueueLimits {
  /** Calls in progress at once. */
  readonly concurrency: number;
  /** Calls that may wait. */
  readonly queue: number;
  /** Calls that the source may receive in any one second; null: no limit. */
  readonly rate: number | null;
}

interface QueuedCall {
  /** A shared call has more than one. */
  readonly callerKeys: ReadonlySet<string>;
  readonly urgent: boolean;
  readonly admit: (callerKey: string) => void;
  readonly reject: () => void;
}

/** Recent use of the queue by one caller. */
interface CallerUse {
  /** Calls in progress. */
  running: number;
  /** The number of its last admission, counted over all callers. */
  lastAdmission: number;
  lastAdmittedAt: number;
  /** When its calls of the last second ended, oldest first; empty without a rate limit. */
  readonly recentEnds: number[];
  /**
   * The maxima of the current and the previous period: calls in progress (`running`), and those plus the calls of the last second
   * (`rated`).
   */
  readonly peaks: { running: number; rated: number }[];
  period: number;
}

const NO_CALLER: ReadonlySet<string> = new Set(['']);
const SECOND = 1_000;
/** Milliseconds. A caller's share stays reserved for so long after its last admission. */
const PERIOD = 5_000;

export class FairQueue {
  readonly #limits: FairQueueLimits;
  readonly #clock: Clock;
  readonly #queue: QueuedCall[] = [];
  /** Recent callers; idle ones are removed once per period. */
  readonly #callers = new Map<string, CallerUse>();
  #admissions = 0;
  /** When the calls of the last second ended, oldest first; empty without a rate limit. */
  readonly #recentEnds: number[] = [];
  #running = 0;
  #sweptAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: FairQueueLimits, clock: Clock = systemClock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Calls that wait. */
  get queued(): number {
    return this.#queue.length;
  }

  /** Calls in progress. */
  get running(): number {
    return this.#running;
  }

  /**
   * Resolves with a function that ends the call, when the call may start. Rejects with SOURCE_UNAVAILABLE (caused by the caller) if
   * the queue is full, or with the signal's reason. `urgent` (the host's health check) goes before all other calls and is never
   * rejected for a full queue. A full queue rejects the newest call of the caller with most waiting calls. A shared call has several
   * `callerKeys` and is admitted as the one whose turn comes first; call `recheck` after adding a key.
   */
  acquire(
    signal: AbortSignal,
    options: { readonly urgent?: boolean; readonly callerKeys?: ReadonlySet<string> } = {},
  ): Promise<() => void> {
    const { urgent = false, callerKeys = NO_CALLER } = options;
    if (signal.aborted) return Promise.reject(signal.reason);
    const [callerKey = ''] = callerKeys;
    if (this.#queue.length === 0 && this.#pause() === 0 && (urgent || this.#hasShare(callerKey)))
      return Promise.resolve(this.#start(callerKey));
    if (this.#queue.length >= this.#limits.queue && !urgent && !this.#evictNewest(callerKey))
      return Promise.reject(this.#full());
    return new Promise((resolve, reject) => {
      const call: QueuedCall = {
        callerKeys,
        urgent,
        admit: (admittedAs) => {
          removeListener();
          resolve(this.#start(admittedAs));
        },
        reject: () => {
          removeListener();
          reject(this.#full());
        },
      };
      const cancel = () => {
        const index = this.#queue.indexOf(call);
        if (index >= 0) this.#queue.splice(index, 1);
        reject(signal.reason);
      };
      const removeListener = onAbort(signal, cancel);
      if (urgent) this.#queue.unshift(call);
      else this.#queue.push(call);
      this.#admit();
    });
  }

  /** To be called when a waiting call has a further caller. */
  recheck(): void {
    if (this.#queue.length > 0) this.#admit();
  }

  #full(): SourceError {
    const error = unavailable(`queue is full: ${this.#limits.queue} calls are waiting`);
    error.causedByCaller = true;
    return error;
  }

  /**
   * Milliseconds until a call may start; infinite while `concurrency` is reached. A call counts against the rate from its start until
   * one second after its end: it reached the source at some time between, so no second there has more than `rate` calls.
   */
  #pause(): number {
    const { concurrency, rate } = this.#limits;
    if (this.#running >= concurrency) return Number.POSITIVE_INFINITY;
    if (rate === null) return 0;
    const now = this.#clock.monotonic();
    if (this.#running + countRecent(this.#recentEnds, now) < rate) return 0;
    return this.#recentEnds.length > 0 ? (this.#recentEnds[0] as number) + SECOND - now : Number.POSITIVE_INFINITY;
  }

  /** Rejects the newest call of the caller with most waiting calls; false if that is this caller, or has no more than this one. */
  #evictNewest(callerKey: string): boolean {
    const counts = new Map<string, number>();
    for (const call of this.#queue) {
      const [only = ''] = call.callerKeys;
      if (!call.urgent && call.callerKeys.size <= 1) counts.set(only, (counts.get(only) ?? 0) + 1);
    }
    const [largest, count] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? ['', 0];
    if (largest === callerKey || count <= (counts.get(callerKey) ?? 0) + 1) return false;
    const index = this.#queue.findLastIndex(
      (call) => !call.urgent && call.callerKeys.size <= 1 && (largest === '' || call.callerKeys.has(largest)),
    );
    this.#queue.splice(index, 1)[0]?.reject();
    return true;
  }

  /** The call to admit next and its caller; null: the free capacity is reserved for callers that do not wait. */
  #nextCall(): { index: number; callerKey: string } | null {
    let best: { index: number; callerKey: string } | null = null;
    let bestRunning = 0;
    let bestAdmission = 0;
    const shares = new Map<string, boolean>();
    for (const [index, { callerKeys, urgent }] of this.#queue.entries()) {
      if (urgent) return { index, callerKey: [...callerKeys][0] ?? '' };
      for (const callerKey of callerKeys) {
        const use = this.#callers.get(callerKey);
        const running = use?.running ?? 0;
        const admission = use?.lastAdmission ?? 0;
        if (best && (running > bestRunning || (running === bestRunning && admission >= bestAdmission))) continue;
        let hasShare = shares.get(callerKey);
        if (hasShare === undefined) {
          hasShare = this.#hasShare(callerKey);
          shares.set(callerKey, hasShare);
        }
        if (!hasShare) continue;
        best = { index, callerKey };
        bestRunning = running;
        bestAdmission = admission;
      }
    }
    return best;
  }

  /** Whether the caller may use free capacity: always within its share, beyond it only what is not reserved for others. */
  #hasShare(callerKey: string): boolean {
    const { concurrency, rate } = this.#limits;
    const now = this.#clock.monotonic();
    const own = this.#callers.get(callerKey);
    // A single call is within every share.
    if (!own || (own.running === 0 && countRecent(own.recentEnds, now) === 0)) return true;
    const others: CallerUse[] = [];
    for (const use of this.#callers.values()) if (use !== own && !isIdle(use, now)) others.push(use);
    if (others.length === 0) return true;
    const callerCount = others.length + 1;
    const hasCapacity = (
      capacity: number,
      used: (use: CallerUse) => number,
      peak: (use: CallerUse) => number,
    ): boolean => {
      const share = Math.max(1, capacity / callerCount);
      if (used(own) + 1 <= share) return true;
      let free = capacity - used(own);
      for (const other of others) free -= Math.max(used(other), Math.min(share, peak(other)));
      return free >= 1;
    };
    const hasSlot = hasCapacity(
      concurrency,
      (use) => use.running,
      (use) => Math.max(...use.peaks.map((peak) => peak.running)),
    );
    if (!hasSlot || rate === null) return hasSlot;
    return hasCapacity(
      rate,
      (use) => use.running + countRecent(use.recentEnds, now),
      (use) => Math.max(...use.peaks.map((peak) => peak.rated)),
    );
  }

  /** Counts a call as started; returns the function that ends it. */
  #start(callerKey: string): () => void {
    const now = this.#clock.monotonic();
    if (now - this.#sweptAt > PERIOD) {
      this.#sweptAt = now;
      for (const [key, use] of this.#callers) if (isIdle(use, now)) this.#callers.delete(key);
    }
    this.#running++;
    const use = this.#callers.get(callerKey) ?? {
      running: 0,
      lastAdmission: 0,
      lastAdmittedAt: 0,
      recentEnds: [],
      peaks: [],
      period: -2,
    };
    use.running++;
    use.lastAdmission = ++this.#admissions;
    use.lastAdmittedAt = now;
    const period = Math.floor(now / PERIOD);
    if (period !== use.period) {
      use.peaks.unshift({ running: 0, rated: 0 });
      use.peaks.length = Math.min(use.peaks.length, period === use.period + 1 ? 2 : 1);
      use.period = period;
    }
    const peak = use.peaks[0] as { running: number; rated: number };
    peak.running = Math.max(peak.running, use.running);
    peak.rated = Math.max(peak.rated, use.running + countRecent(use.recentEnds, now));
    this.#callers.set(callerKey, use);
    let hasEnded = false;
    return () => {
      if (hasEnded) return;
      hasEnded = true;
      this.#running--;
      use.running--;
      if (this.#limits.rate !== null) {
        const endedAt = this.#clock.monotonic();
        this.#recentEnds.push(endedAt);
        use.recentEnds.push(endedAt);
      }
      this.#admit();
    };
  }

  /** Admits waiting calls while there is capacity, then sets a timer for the next one. */
  #admit(): void {
    clearTimeout(this.#timer);
    while (this.#queue.length > 0) {
      const pause = this.#pause();
      const next = pause === 0 ? this.#nextCall() : null;
      if (next) {
        this.#queue.splice(next.index, 1)[0]?.admit(next.callerKey);
        continue;
      }
      // A caller beyond its share waits until one of its calls ends, or has ended one second ago.
      const soonest =
        pause > 0 ? pause : (this.#recentEnds[0] ?? Number.POSITIVE_INFINITY) + SECOND - this.#clock.monotonic();
      // One millisecond more, since timers may fire early.
      if (Number.isFinite(soonest)) this.#timer = setTimeout(() => this.#admit(), Math.max(soonest, 0) + 1);
      return;
    }
  }
}

/** Whether nothing is reserved for this caller any more. */
const isIdle = (use: CallerUse, now: number): boolean => use.running === 0 && now - use.lastAdmittedAt > PERIOD;

/** How many of these times, oldest first, are within the last second; removes older ones. */
function countRecent(times: number[], now: number): number {
  while (times.length > 0 && (times[0] as number) + SECOND <= now) times.shift();
  return times.length;
}
