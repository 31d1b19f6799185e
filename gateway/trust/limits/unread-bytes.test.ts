import { expect, test } from 'vitest';
import { UnreadBytes, type UnreadConnection } from './unread-bytes.ts';

/** A connection with `bytes` unread. */
function connect(unread: UnreadBytes, caller: string): { connection: UnreadConnection; bytes: number } {
  const made = { bytes: 0 } as { connection: UnreadConnection; bytes: number };
  made.connection = unread.addConnection(caller, () => made.bytes);
  return made;
}
const setUnread = (client: { connection: UnreadConnection; bytes: number }, bytes: number): number => {
  client.bytes = bytes;
  return client.connection.measure();
};
const pastInterval = () => new Promise((resolve) => setTimeout(resolve, 30));

test('adds up the connections of a caller; only those with unread bytes are behind', async () => {
  const unread = new UnreadBytes({ unread: 1_000, unreadBytes: 100_000 });
  const mine = Array.from({ length: 5 }, () => connect(unread, 'me'));
  const other = connect(unread, 'other');
  for (const client of mine.slice(0, 4)) setUnread(client, 300);
  setUnread(other, 900);
  expect(unread.used).toBe(2_100);
  expect(mine.map(({ connection }) => connection.isBehind())).toEqual([true, true, true, true, false]);
  expect(other.connection.isBehind()).toBe(false);
  expect(unread.rejection('other')).toBeNull();
  expect(unread.rejection('me')).toMatchObject({ code: 'LIMIT_RATE', extensions: { limit: 1_000, found: 1_200 } });
  // The client has read in the meantime.
  for (const client of mine) client.bytes = 100;
  await pastInterval();
  expect(unread.rejection('me')).toBeNull();
  for (const { connection } of [...mine, other]) connection.close();
  expect(unread.used).toBe(0);
});

test('unread bytes: over the total limit, only callers above an equal share are behind', async () => {
  const unread = new UnreadBytes({ unread: 10_000, unreadBytes: 3_000 });
  const [much, some, little] = ['a', 'b', 'c'].map((caller) => connect(unread, caller));
  setUnread(much as never, 2_500);
  setUnread(some as never, 900);
  setUnread(little as never, 10);
  await pastInterval();
  expect([much, some, little].map((client) => client?.connection.isBehind())).toEqual([true, false, false]);
});
