import { expect, test } from 'vitest';
import { type Unread, UnreadBytes } from './unread-bytes.ts';

/** A connection on which `bytes` wait. */
function connection(unread: UnreadBytes, caller: string): { one: Unread; bytes: number } {
  const made = { bytes: 0 } as { one: Unread; bytes: number };
  made.one = unread.open(caller, () => made.bytes);
  return made;
}
const put = (one: { one: Unread; bytes: number }, bytes: number): number => {
  one.bytes = bytes;
  return one.one.note();
};
const past = () => new Promise((resolve) => setTimeout(resolve, 30));

test('the connections of one caller count together, and only those that are behind', async () => {
  const unread = new UnreadBytes({ unread: 1_000, unreadBytes: 100_000 });
  const mine = Array.from({ length: 5 }, () => connection(unread, 'me'));
  const other = connection(unread, 'other');
  for (const one of mine.slice(0, 4)) put(one, 300);
  put(other, 900);
  expect(unread.held).toBe(2_100);
  expect(mine.map(({ one }) => one.behind())).toEqual([true, true, true, true, false]);
  expect(other.one.behind()).toBe(false);
  expect(unread.refusal('other')).toBeNull();
  expect(unread.refusal('me')).toMatchObject({ code: 'LIMIT_RATE', extensions: { limit: 1_000, found: 1_200 } });
  // Read meanwhile, without a word.
  for (const one of mine) one.bytes = 100;
  await past();
  expect(unread.refusal('me')).toBeNull();
  for (const { one } of [...mine, other]) one.close();
  expect(unread.held).toBe(0);
});

test('where all callers together have too much unread, those with more than an equal share are behind', async () => {
  const unread = new UnreadBytes({ unread: 10_000, unreadBytes: 3_000 });
  const [much, some, little] = ['a', 'b', 'c'].map((caller) => connection(unread, caller));
  put(much as never, 2_500);
  put(some as never, 900);
  put(little as never, 10);
  await past();
  expect([much, some, little].map((one) => one?.one.behind())).toEqual([true, false, false]);
});
