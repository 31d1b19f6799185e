import { expect, test } from 'vitest';
import { startPeriodicTask } from './periodic-task.ts';

test('periodic task: runs now and at intervals, never twice at once; reports an error and runs again', async () => {
  let [runs, running, maxRunning] = [0, 0, 0];
  const errors: unknown[] = [];
  const task = startPeriodicTask(
    1,
    async () => {
      runs++;
      maxRunning = Math.max(maxRunning, ++running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running--;
      if (runs === 2) throw new Error('second run');
    },
    (error) => errors.push(error),
  );
  await task.first;
  expect(runs).toBe(1);
  await expect.poll(() => runs, { timeout: 10_000 }).toBeGreaterThan(3);
  await task.close();
  const runsAtClose = runs;
  expect([running, maxRunning]).toEqual([0, 1]);
  expect(errors).toEqual([new Error('second run')]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(runs).toBe(runsAtClose);
});
