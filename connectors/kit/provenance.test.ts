import { expect, test } from 'vitest';
import { encodeJson } from '../../schema/database/json-codec.ts';
import { ageOf, READ_AT } from './provenance.ts';
import { manualClock } from './testing/test-clock.ts';

const MINUTE = 60_000;
const START = new Date('2026-03-01T12:00:00Z');

test.each([10 * MINUTE, -10 * MINUTE])(
  'provenance: a value read by this process keeps its age when the wall clock is set by %d ms',
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

test('provenance: the monotonic time of a reading is not encoded', () => {
  expect(encodeJson({ fetchedAt: START, [READ_AT]: 5 })).toEqual(encodeJson({ fetchedAt: START }));
  expect(Object.getOwnPropertySymbols(encodeJson({ [READ_AT]: 5 }) as object)).toEqual([]);
});
