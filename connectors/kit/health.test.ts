import { expect, test } from 'vitest';
import { malformed, unavailable } from './errors.ts';
import { Health } from './health.ts';
import { steppedClock } from './testing/test-clock.ts';

const MINUTE = 60_000;

test.each([10 * MINUTE, -10 * MINUTE])(
  'errors of the last hour and nonsense of the last minute are those, also with the wall clock set by %d ms',
  (by) => {
    const clock = steppedClock(new Date('2026-03-01T12:00:00Z'));
    const health = new Health(clock);
    health.checked(null);
    health.failed('lots', unavailable('it is down'));
    clock.pass(50 * MINUTE);
    health.failed('lots', malformed('nonsense'));
    clock.set(by);
    expect(health.snapshot()).toMatchObject({ state: 'DEGRADED', errors: 2 });
    clock.pass(MINUTE - 1);
    expect(health.snapshot()).toMatchObject({ state: 'DEGRADED', errors: 2 });
    clock.pass(1);
    expect(health.snapshot()).toMatchObject({ state: 'UP', errors: 2 });
    clock.pass(11 * MINUTE);
    expect(health.snapshot()).toMatchObject({ state: 'UP', errors: 1 });
  },
);

test('a process that has just begun has not heard nonsense within the last minute', () => {
  const health = new Health(steppedClock(new Date(0)));
  health.checked(null);
  expect(health.state).toBe('UP');
});
