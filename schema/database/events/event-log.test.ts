/** Two concurrent transactions: A gets its position first, B commits or waits, the reader reads, A commits. */
import type { QueryRunner } from 'typeorm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../../connectors/kit/testing/test-database.ts';
import { appendEvents, headPosition } from './event-log.ts';
import { dropEventsBefore, logStart } from './event-retention.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
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
  database = await createTestDatabase();
});
afterAll(async () => {
  for (const session of sessions) await session.release();
  await database.drop();
});

test('event log: assigns positions in commit order, so that a reader by position skips nothing', async () => {
  // A also creates the day's partition, which blocks no reader.
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
  // B waits for the lock of the head row.
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

test('event log: a plain sequence would make the same reader skip events', async () => {
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

describe('after clocks were a day ahead', () => {
  const DAY = 86_400_000;
  const START = Math.floor(Date.now() / DAY) * DAY;
  /** Appends with a clock that is `days` ahead of the database's; negative: behind. */
  const write = (foreignId: string, days: number) =>
    database.transaction(async (tx) => {
      await appendEvents(
        tx,
        { installation: 'one', connector: 'parking', park: 'p', at: new Date(START + days * DAY + DAY / 2) },
        [{ foreignId, time: new Date(), kind: 'VEHICLE_ENTERED' }],
      );
      const [row]: { position: string; at: Date }[] = await tx.query(
        'SELECT position, recorded_at AS at FROM event ORDER BY position DESC LIMIT 1',
      );
      return row as { position: string; at: Date };
    });

  test('event log: records no event on an earlier day than the previous one after clocks are set back', async () => {
    const ahead = await write('ahead', 1);
    const back = await write('back', -1);
    expect(ahead.at.getTime()).toBe(START + 1.5 * DAY);
    expect(back.at.getTime()).toBe(START + DAY);
    expect(BigInt(back.position)).toBe(BigInt(ahead.position) + 1n);
  });

  test('event log: accepts events after retention has dropped the newest day', async () => {
    await write('before', 1);
    expect(await database.transaction((tx) => dropEventsBefore(tx, new Date(START + 100 * DAY)))).not.toEqual([]);
    const after = await write('after', 0);
    expect(after.at.getTime()).toBe(START + DAY);
    expect((await write('again', 0)).at.getTime()).toBe(START + DAY);
  });

  test('event log: starts with its first event, also if the clock was set back between two events of that day', async () => {
    const at = (minutes: number) => new Date(START + 200 * DAY + minutes * 60_000);
    const append = (foreignId: string, minutes: number) =>
      database.transaction((tx) =>
        appendEvents(tx, { installation: 'one', connector: 'parking', park: 'p', at: at(minutes) }, [
          { foreignId, time: new Date(), kind: 'VEHICLE_ENTERED' },
        ]),
      );
    const { last } = await append('ten past', 10);
    await append('the hour', 0);
    await database.transaction((tx) => dropEventsBefore(tx, at(0)));
    expect(await logStart(database.plain)).toEqual({ before: (last ?? 0n) - 1n, time: at(0) });
  });

  test('event partitions: creates a missing one of a known day', async () => {
    await database.plain.query('DELETE FROM event_day WHERE day >= $1', [new Date(START).toISOString().slice(0, 10)]);
    await database.transaction((tx) => dropEventsBefore(tx, new Date(START + 100 * DAY)));
    expect((await write('new days', 0)).at.getTime()).toBeGreaterThanOrEqual(START);
  });
});
