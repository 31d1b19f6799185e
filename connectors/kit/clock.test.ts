import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { encodeJson } from '../../schema/database/json-codec.ts';
import { scheduleAtWallTime } from './clock.ts';
import { storedAgesOf } from './monitoring/stored-age.ts';
import { ageOf, READ_AT } from './provenance.ts';
import { manualClock } from './testing/test-clock.ts';

const MINUTE = 60_000;
const START = new Date('2026-03-01T12:00:00Z');

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test.each([10 * MINUTE, -10 * MINUTE])(
  'a value read by this process keeps its age when the wall clock is set by %d ms',
  (adjustment) => {
    const clock = manualClock(START);
    const facts = { fetchedAt: clock.now(), [READ_AT]: clock.monotonic() };
    clock.advance(4_000);
    clock.adjustWallClock(adjustment);
    expect(ageOf(facts, clock)).toBe(4_000);
    clock.advance(1_000);
    expect(ageOf(facts, clock)).toBe(5_000);
  },
);

test.each([10 * MINUTE, -10 * MINUTE])(
  'a timestamp stored by this process keeps its age when the wall clock is set by %d ms',
  (adjustment) => {
    const clock = manualClock(START);
    const ages = storedAgesOf(clock);
    const seen = clock.now();
    clock.advance(1_000);
    const unseen = clock.now();
    expect(ages.ageOf(seen)).toBe(1_000);
    clock.advance(2_000);
    clock.adjustWallClock(adjustment);
    expect([ages.ageOf(seen), ages.ageOf(unseen)]).toEqual([3_000, 2_000]);
    // Once looked up, the ages stay correct when the wall clock shows the same time again.
    clock.advance(11 * MINUTE);
    expect([ages.ageOf(seen), ages.ageOf(unseen)]).toEqual([3_000 + 11 * MINUTE, 2_000 + 11 * MINUTE]);
    const after = clock.now();
    clock.advance(5_000);
    expect(ages.ageOf(after)).toBe(5_000);
  },
);

test('the age of a timestamp of another process is by the wall clock, and never negative', () => {
  const clock = manualClock(START);
  const ages = storedAgesOf(clock);
  expect(ages.ageOf(new Date(START.getTime() - 3_600_000))).toBe(3_600_000);
  expect(ages.ageOf(new Date(START.getTime() + 3_600_000))).toBe(0);
});

test('does not encode the monotonic time of a reading', () => {
  expect(encodeJson({ fetchedAt: START, [READ_AT]: 5 })).toEqual(encodeJson({ fetchedAt: START }));
  expect(Object.getOwnPropertySymbols(encodeJson({ [READ_AT]: 5 }) as object)).toEqual([]);
});

test('a callback at a wall time is called then, also when the wall clock is set meanwhile', () => {
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
