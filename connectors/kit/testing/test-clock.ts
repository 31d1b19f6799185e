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

/**
 * Sets the wall clock of this process by so many milliseconds: `Date`, for our code and for libraries. Timers and `performance.now()`
 * go on as they were, as on a machine whose clock is set. Returns what sets it back.
 */
export function setDate(milliseconds: number): () => void {
  const Real = globalThis.Date;
  class Shifted extends Real {
    constructor(...given: unknown[]) {
      if (given.length === 0) super(Real.now() + milliseconds);
      else super(...(given as [number]));
    }
    /** A date that was made before is one, too. */
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
