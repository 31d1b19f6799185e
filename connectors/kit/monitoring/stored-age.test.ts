import { expect, test } from 'vitest';
import { manualClock } from '../testing/test-clock.ts';
import { storedAgesOf } from './stored-age.ts';

const MINUTE = 60_000;
const START = new Date('2026-03-01T12:00:00Z');

test.each([10 * MINUTE, -10 * MINUTE])(
  'stored age: a timestamp stored by this process keeps its age when the wall clock is set by %d ms',
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

test('stored age: that of a timestamp of another process is by the wall clock, and never negative', () => {
  const clock = manualClock(START);
  const ages = storedAgesOf(clock);
  expect(ages.ageOf(new Date(START.getTime() - 3_600_000))).toBe(3_600_000);
  expect(ages.ageOf(new Date(START.getTime() + 3_600_000))).toBe(0);
});
