import { expect, test } from 'vitest';
import { rejected, unavailable } from '../errors.ts';
import { steppedClock } from '../testing/test-clock.ts';
import { Breakers } from './circuit-breaker.ts';

const fails = async () => {
  throw unavailable('it is down');
};
const answers = async () => ({ value: 7, slow: false });

function opened() {
  const clock = steppedClock(new Date('2026-03-01T12:00:00Z'));
  const breakers = new Breakers({ faults: 3, pause: 2_000 }, clock);
  const ask = (how: () => Promise<{ value: number; slow: boolean }>) =>
    breakers.execute('lots', how).then(
      (timed) => timed.value,
      (error: Error) => error.message,
    );
  return { clock, breakers, ask };
}

test.each([0, 600_000, -600_000])(
  'an open breaker lets one call try after its pause, to the millisecond, also with the wall clock set by %d ms',
  async (by) => {
    const { clock, breakers, ask } = opened();
    for (let n = 0; n < 3; n++) await ask(fails);
    expect([breakers.worst, breakers.isOpen('lots')]).toEqual(['OPEN', true]);
    clock.pass(1_000);
    clock.set(by);
    expect(breakers.isOpen('lots')).toBe(true);
    clock.pass(999);
    expect(await ask(answers)).toContain('the circuit breaker is open');
    clock.pass(1);
    expect(breakers.isOpen('lots')).toBe(false);
    expect([await ask(answers), breakers.worst]).toEqual([7, 'CLOSED']);
  },
);

test('one call tries while others wait for its outcome; one fault opens it for another pause', async () => {
  const { clock, breakers, ask } = opened();
  for (let n = 0; n < 3; n++) await ask(fails);
  clock.pass(2_000);
  let refuse = (_: Error): void => undefined;
  const trial = ask(() => new Promise((_, reject) => (refuse = reject)));
  let asked = 0;
  const other = ask(async () => {
    asked++;
    return answers();
  });
  expect([breakers.worst, breakers.isOpen('lots')]).toEqual(['HALF_OPEN', false]);
  refuse(unavailable('it is still down'));
  expect(await trial).toContain('still down');
  expect(await other).toContain('the circuit breaker is open');
  expect([asked, breakers.worst]).toEqual([0, 'OPEN']);
  clock.pass(2_000);
  expect(await ask(answers)).toBe(7);
});

test('a good answer forgets the faults before it; slow ones count, refusals of the source do not', async () => {
  const { breakers, ask } = opened();
  await ask(fails);
  await ask(fails);
  await ask(answers);
  await ask(fails);
  await ask(async () => ({ value: 1, slow: true }));
  await ask(async () => {
    throw rejected('not you');
  });
  expect(breakers.worst).toBe('CLOSED');
  await ask(fails);
  expect(breakers.worst).toBe('OPEN');
});
