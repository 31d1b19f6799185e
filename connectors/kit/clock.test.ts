import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { pack } from '../../schema/database/json-codec.ts';
import { whenWall } from './clock.ts';
import { ageOf, READ_AT } from './provenance.ts';
import { momentsOf } from './stored-age.ts';
import { steppedClock } from './testing/test-clock.ts';

const MINUTE = 60_000;
const START = new Date('2026-03-01T12:00:00Z');

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test.each([10 * MINUTE, -10 * MINUTE])(
  'a value that this process read keeps its age when the wall clock is set by %d ms',
  (by) => {
    const clock = steppedClock(START);
    const facts = { fetchedAt: clock.now(), [READ_AT]: clock.monotonic() };
    clock.pass(4_000);
    clock.set(by);
    expect(ageOf(facts, clock)).toBe(4_000);
    clock.pass(1_000);
    expect(ageOf(facts, clock)).toBe(5_000);
  },
);

test.each([10 * MINUTE, -10 * MINUTE])(
  'a moment that was stored in this life keeps its age when the wall clock is set by %d ms',
  (by) => {
    const clock = steppedClock(START);
    const moments = momentsOf(clock);
    const seen = clock.now();
    clock.pass(1_000);
    const unseen = clock.now();
    expect(moments.age(seen)).toBe(1_000);
    clock.pass(2_000);
    clock.set(by);
    expect([moments.age(seen), moments.age(unseen)]).toEqual([3_000, 2_000]);
    // Once looked at, it stays right also when the wall clock shows the same time again.
    clock.pass(11 * MINUTE);
    expect([moments.age(seen), moments.age(unseen)]).toEqual([3_000 + 11 * MINUTE, 2_000 + 11 * MINUTE]);
    const after = clock.now();
    clock.pass(5_000);
    expect(moments.age(after)).toBe(5_000);
  },
);

test('a moment of another process or life is as old as the wall clock says, and never younger than nothing', () => {
  const clock = steppedClock(START);
  const moments = momentsOf(clock);
  expect(moments.age(new Date(START.getTime() - 3_600_000))).toBe(3_600_000);
  expect(moments.age(new Date(START.getTime() + 3_600_000))).toBe(0);
});

test('when a value was read by this process’s own counting is written nowhere', () => {
  expect(pack({ fetchedAt: START, [READ_AT]: 5 })).toEqual(pack({ fetchedAt: START }));
  expect(Object.getOwnPropertySymbols(pack({ [READ_AT]: 5 }) as object)).toEqual([]);
});

test('what ends at a wall time ends there, wherever the wall clock is set to meanwhile', () => {
  const clock = steppedClock(START);
  let ended = 0;
  const pass = (milliseconds: number) => {
    for (let left = milliseconds; left > 0; left -= 1_000) {
      clock.pass(1_000);
      vi.advanceTimersByTime(1_000);
    }
  };
  whenWall(clock, START.getTime() + MINUTE, () => ended++);
  pass(30_000);
  clock.set(-10 * MINUTE);
  pass(60_000);
  expect(ended).toBe(0);
  clock.set(10 * MINUTE);
  pass(15_000);
  expect(ended).toBe(1);
  const cancel = whenWall(clock, clock.now().getTime() + MINUTE, () => ended++);
  cancel();
  pass(2 * MINUTE);
  expect(ended).toBe(1);
});
