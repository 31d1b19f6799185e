import { describe, expect, test } from 'vitest';
import { GroupCommit } from './batch.ts';

/** As the database refuses a value. */
const offence = () => Object.assign(new Error('invalid byte sequence'), { code: '22021' });

describe('group commit', () => {
  test('what arrives during a commit is the next batch, in order, at most so many', async () => {
    const batches: number[][] = [];
    const group = new GroupCommit<number>(async (batch) => {
      await new Promise((resolve) => setImmediate(resolve));
      batches.push([...batch]);
    }, 3);
    await Promise.all([1, 2, 3, 4, 5].map((one) => group.add(one)));
    expect(batches).toEqual([[1], [2, 3, 4], [5]]);
    await group.add(6);
    expect(batches.at(-1)).toEqual([6]);
  });

  test('an item that the database takes offence at fails alone', async () => {
    const kept: number[] = [];
    const group = new GroupCommit<number>(async (batch) => {
      await new Promise((resolve) => setImmediate(resolve));
      if (batch.includes(4)) throw offence();
      kept.push(...batch);
    }, 10);
    const settled = await Promise.allSettled([1, 2, 3, 4, 5].map((one) => group.add(one)));
    expect(settled.map((one) => one.status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(kept).toEqual([1, 2, 3, 5]);
  });

  test('a commit that fails is told to all of its batch, and to none of the next', async () => {
    let works = false;
    const group = new GroupCommit<number>(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      if (!works) throw new Error('no database');
    }, 10);
    const settled = await Promise.allSettled([1, 2, 3].map((one) => group.add(one)));
    expect(settled.map((one) => one.status)).toEqual(['rejected', 'rejected', 'rejected']);
    works = true;
    await group.add(4);
  });
});
