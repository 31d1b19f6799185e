import { expect, test } from 'vitest';
import { inRounds } from './periodic-task.ts';

test('a round now and at intervals, never two at once; a fault is told and the next one comes', async () => {
  let [begun, atOnce, most] = [0, 0, 0];
  const faults: unknown[] = [];
  const rounds = inRounds(
    1,
    async () => {
      begun++;
      most = Math.max(most, ++atOnce);
      await new Promise((resolve) => setTimeout(resolve, 5));
      atOnce--;
      if (begun === 2) throw new Error('the second');
    },
    (error) => faults.push(error),
  );
  await rounds.first;
  expect(begun).toBe(1);
  await expect.poll(() => begun, { timeout: 10_000 }).toBeGreaterThan(3);
  await rounds.close();
  const ended = begun;
  expect([atOnce, most]).toEqual([0, 1]);
  expect(faults).toEqual([new Error('the second')]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(begun).toBe(ended);
});
