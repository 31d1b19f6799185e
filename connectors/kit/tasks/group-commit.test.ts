import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../config/sections/limits.ts';
import { OverloadedError } from '../errors.ts';
import { pendingCommitBytes, pendingCommits, setCommitLimits } from './commit-queue.ts';
import { GroupCommit } from './group-commit.ts';

/** The database's error for a value that it rejects. */
const dataError = () => Object.assign(new Error('invalid byte sequence'), { code: '22021' });

describe('group commit', () => {
  test('items that arrive during a commit are the next batch, in order, up to the batch size', async () => {
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

  test('rejects only the item that the database rejects', async () => {
    const committed: number[] = [];
    const group = new GroupCommit<number>(async (batch) => {
      await new Promise((resolve) => setImmediate(resolve));
      if (batch.includes(4)) throw dataError();
      committed.push(...batch);
    }, 10);
    const settled = await Promise.allSettled([1, 2, 3, 4, 5].map((one) => group.add(one)));
    expect(settled.map((one) => one.status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(committed).toEqual([1, 2, 3, 5]);
  });

  test('limits waiting items in number and bytes, half of each for one queue, and loses none of them', async () => {
    setCommitLimits({ commits: 20, commitBytes: 1_000 });
    try {
      const committed: number[] = [];
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      const create = () =>
        new GroupCommit<number>(async (batch) => {
          await held;
          committed.push(...batch);
        }, 5);
      const [first, second, third] = [create(), create(), create()];
      const add = (group: GroupCommit<number>, count: number, bytes: number) =>
        Array.from({ length: count }, (_, i) => group.add(i, bytes));
      const small = add(first, 15, 1);
      const large = add(second, 15, 100);
      const single = add(third, 1, 1);
      release();
      const outcomes = await Promise.allSettled([...small, ...large, ...single]);
      const countCommitted = (all: typeof outcomes) => all.filter((each) => each.status === 'fulfilled').length;
      // Ten are half of 20 items; five of 100 bytes each are half of 1,000 bytes.
      expect([
        countCommitted(outcomes.slice(0, 15)),
        countCommitted(outcomes.slice(15, 30)),
        countCommitted(outcomes.slice(30)),
      ]).toEqual([10, 5, 1]);
      for (const each of outcomes) if (each.status === 'rejected') expect(each.reason).toBeInstanceOf(OverloadedError);
      expect(committed).toHaveLength(16);
      expect([pendingCommits.used, pendingCommitBytes.used]).toEqual([0, 0]);
      await first.add(1, 1);
    } finally {
      setCommitLimits(DEFAULT_LIMITS);
    }
  });

  test('a failed commit rejects every item of its batch and none of the next', async () => {
    let isAvailable = false;
    const group = new GroupCommit<number>(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      if (!isAvailable) throw new Error('database is unavailable');
    }, 10);
    const settled = await Promise.allSettled([1, 2, 3].map((one) => group.add(one)));
    expect(settled.map((one) => one.status)).toEqual(['rejected', 'rejected', 'rejected']);
    isAvailable = true;
    await group.add(4);
  });
});
