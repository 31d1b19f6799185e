import { expect, test } from 'vitest';
import { limitConcurrency } from './concurrency-limit.ts';

test('concurrency limit: runs at most so many tasks at once, in order, also when tasks reject', async () => {
  const run = limitConcurrency(3);
  let running = 0;
  let maxRunning = 0;
  const started: number[] = [];
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) =>
      run(async () => {
        started.push(i);
        maxRunning = Math.max(maxRunning, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
        if (i % 4 === 0) throw new Error('failed');
        return i;
      }),
    ),
  );
  expect(maxRunning).toBe(3);
  expect(started).toEqual(Array.from({ length: 20 }, (_, i) => i));
  expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(5);
});
