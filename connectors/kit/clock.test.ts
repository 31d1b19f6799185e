import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { scheduleAtWallTime } from './clock.ts';
import { manualClock } from './testing/test-clock.ts';

const MINUTE = 60_000;
const START = new Date('2026-03-01T12:00:00Z');

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test('clock: a callback at a wall time is called then, also when the wall clock is set meanwhile', () => {
  const clock = manualClock(START);
  let calls = 0;
  const pass = (milliseconds: number) => {
    for (let left = milliseconds; left > 0; left -= 1_000) {
      clock.advance(1_000);
      vi.advanceTimersByTime(1_000);
    }
  };
  scheduleAtWallTime(clock, START.getTime() + MINUTE, () => calls++);
  pass(30_000);
  clock.adjustWallClock(-10 * MINUTE);
  pass(60_000);
  expect(calls).toBe(0);
  clock.adjustWallClock(10 * MINUTE);
  pass(15_000);
  expect(calls).toBe(1);
  const cancel = scheduleAtWallTime(clock, clock.now().getTime() + MINUTE, () => calls++);
  cancel();
  pass(2 * MINUTE);
  expect(calls).toBe(1);
});
