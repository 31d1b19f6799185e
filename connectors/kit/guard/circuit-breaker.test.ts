import { expect, test } from 'vitest';
import { rejected, unavailable } from '../errors.ts';
import { manualClock } from '../testing/test-clock.ts';
import { CircuitBreakers } from './circuit-breaker.ts';

const failing = async () => {
  throw unavailable('down');
};
const responding = async () => ({ value: 7, slow: false });

function createBreakers() {
  const clock = manualClock(new Date('2026-03-01T12:00:00Z'));
  const breakers = new CircuitBreakers({ failureThreshold: 3, openDuration: 2_000 }, clock);
  const call = (send: () => Promise<{ value: number; slow: boolean }>) =>
    breakers.execute('lots', send).then(
      (result) => result.value,
      (error: Error) => error.message,
    );
  return { clock, breakers, call };
}

test.each([0, 600_000, -600_000])(
  'allows a trial call exactly after the open duration, with the wall clock set by %d ms',
  async (adjustment) => {
    const { clock, breakers, call } = createBreakers();
    for (let i = 0; i < 3; i++) await call(failing);
    expect([breakers.worstState, breakers.isOpen('lots')]).toEqual(['OPEN', true]);
    clock.advance(1_000);
    clock.adjustWallClock(adjustment);
    expect(breakers.isOpen('lots')).toBe(true);
    clock.advance(999);
    expect(await call(responding)).toContain('circuit breaker is open');
    clock.advance(1);
    expect(breakers.isOpen('lots')).toBe(false);
    expect([await call(responding), breakers.worstState]).toEqual([7, 'CLOSED']);
  },
);

test('circuit breaker: other calls wait for the trial call; a failed trial opens the breaker again', async () => {
  const { clock, breakers, call } = createBreakers();
  for (let i = 0; i < 3; i++) await call(failing);
  clock.advance(2_000);
  let rejectTrial = (_: Error): void => undefined;
  const trial = call(() => new Promise((_, reject) => (rejectTrial = reject)));
  let sent = 0;
  const other = call(async () => {
    sent++;
    return responding();
  });
  expect([breakers.worstState, breakers.isOpen('lots')]).toEqual(['HALF_OPEN', false]);
  rejectTrial(unavailable('still down'));
  expect(await trial).toContain('still down');
  expect(await other).toContain('circuit breaker is open');
  expect([sent, breakers.worstState]).toEqual([0, 'OPEN']);
  clock.advance(2_000);
  expect(await call(responding)).toBe(7);
});

test('circuit breaker: a success resets the failures; slow responses count, rejections do not', async () => {
  const { breakers, call } = createBreakers();
  await call(failing);
  await call(failing);
  await call(responding);
  await call(failing);
  await call(async () => ({ value: 1, slow: true }));
  await call(async () => {
    throw rejected('forbidden');
  });
  expect(breakers.worstState).toBe('CLOSED');
  await call(failing);
  expect(breakers.worstState).toBe('OPEN');
});
