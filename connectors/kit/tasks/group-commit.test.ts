import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../config/sections/limits.ts';
import { Overloaded } from '../errors.ts';
import { commitBytes, commitCount, limitCommits } from './commit-queue.ts';
import { GroupCommit } from './group-commit.ts';

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

  test('what waits is bounded in number and bytes, half of it for one queue: more is refused, and nothing that waits is lost', async () => {
    limitCommits({ commits: 20, commitBytes: 1_000 });
    try {
      const kept: number[] = [];
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      const make = () =>
        new GroupCommit<number>(async (batch) => {
          await held;
          kept.push(...batch);
        }, 5);
      const [one, other, third] = [make(), make(), make()];
      const add = (group: GroupCommit<number>, count: number, bytes: number) =>
        Array.from({ length: count }, (_, i) => group.add(i, bytes));
      const first = add(one, 15, 1);
      const second = add(other, 15, 100);
      const last = add(third, 1, 1);
      release();
      const outcomes = await Promise.allSettled([...first, ...second, ...last]);
      const taken = (all: typeof outcomes) => all.filter((each) => each.status === 'fulfilled').length;
      // Ten are half of twenty; five of a hundred bytes are half of a thousand.
      expect([taken(outcomes.slice(0, 15)), taken(outcomes.slice(15, 30)), taken(outcomes.slice(30))]).toEqual([
        10, 5, 1,
      ]);
      for (const each of outcomes) if (each.status === 'rejected') expect(each.reason).toBeInstanceOf(Overloaded);
      expect(kept).toHaveLength(16);
      expect([commitCount.held, commitBytes.held]).toEqual([0, 0]);
      await one.add(1, 1);
    } finally {
      limitCommits(DEFAULT_LIMITS);
    }
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
