/** Clocks for tests. */
import type { Clock } from '../connector.ts';

/** Time passes as `now` says, for both readings. */
export const clockOf = (now: () => Date): Clock => ({ now, monotonic: () => now().getTime() });

/** A clock that stands until it is stepped. */
export interface SteppedClock extends Clock {
  /** So many milliseconds pass. */
  pass(milliseconds: number): void;
  /** The wall clock is set by so many milliseconds, back if negative; nothing passes. */
  set(milliseconds: number): void;
}

export function steppedClock(start: Date): SteppedClock {
  let passed = 0;
  let wall = start.getTime();
  return {
    now: () => new Date(wall),
    monotonic: () => passed,
    pass: (milliseconds) => {
      passed += milliseconds;
      wall += milliseconds;
    },
    set: (milliseconds) => {
      wall += milliseconds;
    },
  };
}
