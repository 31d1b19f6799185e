import { expect, test } from 'vitest';
import { limited } from './concurrency-limit.ts';

test('so many at once, in order, and a rejection gives its place back', async () => {
  const run = limited(3);
  let now = 0;
  let most = 0;
  const begun: number[] = [];
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) =>
      run(async () => {
        begun.push(i);
        most = Math.max(most, ++now);
        await new Promise((resolve) => setImmediate(resolve));
        now--;
        if (i % 4 === 0) throw new Error('no');
        return i;
      }),
    ),
  );
  expect(most).toBe(3);
  expect(begun).toEqual(Array.from({ length: 20 }, (_, i) => i));
  expect(outcomes.filter((one) => one.status === 'rejected')).toHaveLength(5);
});
