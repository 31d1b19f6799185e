/**
 * Time. gateway/ and connectors/ read it from a `Clock` only: `now()` for times that are shown, stored, signed or compared with another
 * machine's; `monotonic()` for durations. `tests/wall-clock-access.test.ts` rejects other ways.
 */

/** The source of time; tests use one that they control. */
export interface Clock {
  /** The wall clock, which may be set forward or back at any moment. Never for durations. */
  now(): Date;
  /** Milliseconds since an arbitrary start; never set back, valid in this process only. For rates, pauses, deadlines and ages. */
  monotonic(): number;
}

/** The clock of the system. Node's timers follow `monotonic()`: setting the wall clock does not affect them. */
export const systemClock: Clock = { now: () => new Date(), monotonic: () => performance.now() };

/** Milliseconds between two readings of the wall clock, which may be set while a timer waits. */
const MAX_WAIT = 15_000;

/**
 * Calls `callback` when the wall clock reaches `time` (milliseconds since the epoch). If the wall clock is set, the call is up to 15 s
 * late, never early. Returns a function that cancels it.
 */
export function scheduleAtWallTime(clock: Clock, time: number, callback: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const check = (): void => {
    const left = time - clock.now().getTime();
    if (left <= 0) callback();
    else timer = setTimeout(check, Math.min(left, MAX_WAIT));
  };
  check();
  return () => clearTimeout(timer);
}
