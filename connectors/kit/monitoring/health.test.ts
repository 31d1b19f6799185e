import { expect, test } from 'vitest';
import { malformed, unavailable } from '../errors.ts';
import { manualClock } from '../testing/test-clock.ts';
import { Health } from './health.ts';

const MINUTE = 60_000;

test.each([10 * MINUTE, -10 * MINUTE])(
  'counts errors of the last hour and malformed responses of the last minute, with the wall clock set by %d ms',
  (adjustment) => {
    const clock = manualClock(new Date('2026-03-01T12:00:00Z'));
    const health = new Health(clock);
    health.recordCheck(null);
    health.recordFailure('lots', unavailable('connection refused'));
    clock.advance(50 * MINUTE);
    health.recordFailure('lots', malformed('invalid JSON'));
    clock.adjustWallClock(adjustment);
    expect(health.snapshot()).toMatchObject({ state: 'DEGRADED', errors: 2 });
    clock.advance(MINUTE - 1);
    expect(health.snapshot()).toMatchObject({ state: 'DEGRADED', errors: 2 });
    clock.advance(1);
    expect(health.snapshot()).toMatchObject({ state: 'UP', errors: 2 });
    clock.advance(11 * MINUTE);
    expect(health.snapshot()).toMatchObject({ state: 'UP', errors: 1 });
  },
);

test('health: a new process is not DEGRADED by a malformed response of the last minute', () => {
  const health = new Health(manualClock(new Date(0)));
  health.recordCheck(null);
  expect(health.state).toBe('UP');
});
