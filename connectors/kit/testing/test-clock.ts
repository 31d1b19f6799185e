/** Clocks for tests. */
import type { Clock } from '../clock.ts';

/** A clock whose wall time and monotonic time both follow `now`. */
export const clockFrom = (now: () => Date): Clock => ({ now, monotonic: () => now().getTime() });

/** A clock that only moves when the test advances it. */
export interface ManualClock extends Clock {
  /** Advances wall and monotonic time, in milliseconds. */
  advance(milliseconds: number): void;
  /** Shifts the wall clock only, in milliseconds; negative: backwards. */
  adjustWallClock(milliseconds: number): void;
}

export function manualClock(start: Date): ManualClock {
  let elapsed = 0;
  let wall = start.getTime();
  return {
    now: () => new Date(wall),
    monotonic: () => elapsed,
    advance: (milliseconds) => {
      elapsed += milliseconds;
      wall += milliseconds;
    },
    adjustWallClock: (milliseconds) => {
      wall += milliseconds;
    },
  };
}

/**
 * Shifts the global `Date` of this process by `milliseconds`, for our code and for libraries. Timers and `performance.now()` are not
 * affected, as on a machine whose clock is set. Returns a function that restores the clock.
 */
export function shiftSystemDate(milliseconds: number): () => void {
  const Real = globalThis.Date;
  class Shifted extends Real {
    constructor(...args: unknown[]) {
      if (args.length === 0) super(Real.now() + milliseconds);
      else super(...(args as [number]));
    }
    /** Dates created before the shift are instances as well. */
    static override [Symbol.hasInstance](value: unknown): boolean {
      return value instanceof Real;
    }
    static override now(): number {
      return Real.now() + milliseconds;
    }
  }
  globalThis.Date = Shifted as DateConstructor;
  return () => {
    globalThis.Date = Real;
  };
}
