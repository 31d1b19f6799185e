/** Two sessions held open by the test: A draws its number, B draws and commits, the reader reads, A commits. */
import type { QueryRunner } from 'typeorm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freshDatabase } from '../../connectors/kit/testing/database.ts';
import { appendEvents, headPosition } from './events.ts';

let database: Awaited<ReturnType<typeof freshDatabase>>;
const sessions: QueryRunner[] = [];
const session = async (): Promise<QueryRunner> => {
  const made = database.source.createQueryRunner();
  sessions.push(made);
  await made.startTransaction();
  return made;
};
const append = ({ manager }: QueryRunner, foreignId: string) =>
  appendEvents(manager, { installation: 'one', connector: 'parking', park: 'p', at: new Date() }, [
    { foreignId, time: new Date(), kind: 'VEHICLE_ENTERED' },
  ]);

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(async () => {
  for (const one of sessions) await one.release();
  await database.drop();
});

test('a reader that remembers the last position skips nothing: numbers are given in commit order', async () => {
  // A makes the day's partition besides: nobody waits for that.
  const read: string[] = [];
  let last = await headPosition(database.plain);
  const look = async () => {
    const head = await headPosition(database.plain);
    const rows: { position: string }[] = await database.plain.query(
      `SELECT position FROM event WHERE position > $1 AND position <= $2 ORDER BY position`,
      [String(last), String(head)],
    );
    read.push(...rows.map((row) => row.position));
    last = head;
  };
  const a = await session();
  const b = await session();
  await append(a, 'a');
  let committed = false;
  const other = append(b, 'b').then(async () => {
    await b.commitTransaction();
    committed = true;
  });
  // B stands before the head's lock.
  for (let waiting = 0; waiting === 0; ) {
    const rows: unknown[] = await database.plain.query(
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    waiting = rows.length;
  }
  expect(committed).toBe(false);
  await look();
  expect(read).toEqual([]);
  await a.commitTransaction();
  await look();
  await other;
  await look();
  expect(read).toEqual(['1', '2']);
});

test('with a plain sequence the same reader skips: this is what the head row is for', async () => {
  await database.plain.query('CREATE TABLE plain_event (position bigserial PRIMARY KEY, key text NOT NULL)');
  const read: string[] = [];
  let last = '0';
  const look = async () => {
    const rows: { position: string; key: string }[] = await database.plain.query(
      'SELECT position, key FROM plain_event WHERE position > $1 ORDER BY position',
      [last],
    );
    read.push(...rows.map((row) => row.key));
    last = rows.at(-1)?.position ?? last;
  };
  const insert = ({ manager }: QueryRunner, key: string) =>
    manager.query('INSERT INTO plain_event (key) VALUES ($1)', [key]);
  const a = await session();
  const b = await session();
  await insert(a, 'a');
  await insert(b, 'b');
  await b.commitTransaction();
  await look();
  await a.commitTransaction();
  await look();
  expect(read).toEqual(['b']);
});
