import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { clusterUrl, createTestDatabase } from '../../../connectors/kit/testing/test-database.ts';
import { openDatabase } from '../database.ts';
import { ParkRow } from '../entities/parks.ts';
import { genericPlan } from '../pool/prepared-statements.ts';
import { ReadDeadlineError } from './read-deadline.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let observer: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  observer = new pg.Client({ connectionString: clusterUrl() });
  await observer.connect();
});
afterAll(async () => {
  await observer.end();
  await database.drop();
});

/** Statements with this text that the server runs. */
const running = async (mark: string): Promise<number> => {
  const { rows } = await observer.query(
    "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE $1 AND pid <> pg_backend_pid()",
    [`%${mark}%`],
  );
  return rows.length;
};
const until = async (check: () => Promise<boolean>): Promise<void> => {
  while (!(await check())) await new Promise((resolve) => setTimeout(resolve, 10));
};

test('read deadline: a read that is in time returns its rows, and its connection is used again', async () => {
  const pids = new Set<number>();
  for (let i = 0; i < 5; i++) {
    const [row] = await database.readWithin(60_000, (tx) => tx.query('SELECT pg_backend_pid() AS pid'));
    pids.add(row.pid);
  }
  expect(pids.size).toBe(1);
  await expect(database.readWithin(60_000, (tx) => tx.query('SELECT 1 / 0'))).rejects.toThrow('division by zero');
});

test('read deadline: cancels the statement in PostgreSQL, and the next statements are not affected', async () => {
  const late = database.readWithin(200, (tx) => tx.query("SELECT pg_sleep(3600), 'late read'"));
  await expect(late).rejects.toBeInstanceOf(ReadDeadlineError);
  await until(async () => (await running('late read')) === 0);
  for (let i = 0; i < 20; i++) expect(await database.plain.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
});

test('read deadline: a read executes the prepared statements of other requests', async () => {
  const names = (sql: string) =>
    database.readWithin(60_000, (tx) =>
      tx.query(
        genericPlan(`SELECT name, generic_plans > 0 AS planned FROM pg_prepared_statements WHERE statement = $1`),
        [sql],
      ),
    );
  const sql = genericPlan('SELECT $1::int AS one');
  await Promise.all([1, 2, 3, 4].map(() => database.requests.query(sql, [1])));
  expect(await database.readWithin(60_000, (tx) => tx.query(sql, [1]))).toEqual([{ one: 1 }]);
  expect(await names(sql)).toMatchObject([{ planned: true }]);
});

test('read deadline: cancels all statements of the read, also those with a generic plan', async () => {
  const sql = genericPlan("SELECT pg_sleep($1::int), 'late generic read'");
  const late = database.readWithin(200, (tx) => Promise.all([tx.query(sql, [3600]), tx.query(sql, [3601])]));
  await expect(late).rejects.toBeInstanceOf(ReadDeadlineError);
  await until(async () => (await running('late generic read')) === 0);
  for (let i = 0; i < 20; i++)
    expect(await database.requests.query(genericPlan('SELECT $1::int AS one'), [1])).toEqual([{ one: 1 }]);
});

test('read deadline: cancels a statement of a TypeORM method, and begins no further one', async () => {
  let unlock: () => void = () => undefined;
  const locked = new Promise<void>((resolve) => {
    unlock = resolve;
  });
  let locking: Promise<void> = Promise.resolve();
  await new Promise<void>((resolve) => {
    locking = database.transaction(async (tx) => {
      await tx.query('LOCK TABLE park IN ACCESS EXCLUSIVE MODE');
      resolve();
      await locked;
    });
  });
  const errors: unknown[] = [];
  try {
    const late = database.readWithin(200, async (tx) => {
      await tx.find(ParkRow).catch((error: unknown) => errors.push(error));
      await tx.query('SELECT 1').catch((error: unknown) => errors.push(error));
      await tx.find(ParkRow).catch((error: unknown) => errors.push(error));
    });
    await expect(late).rejects.toBeInstanceOf(ReadDeadlineError);
    await until(async () => errors.length === 3);
  } finally {
    unlock();
    await locking;
  }
  expect(errors).toMatchObject([{ code: '57014' }, { name: 'ReadDeadlineError' }, { name: 'ReadDeadlineError' }]);
  expect(await database.readWithin(60_000, (tx) => tx.find(ParkRow))).toEqual([]);
});

test('read deadline: a read that waits for a connection never runs, and the connection is free afterwards', async () => {
  const small = await openDatabase(database.url, { poolSize: 1, name: 'isthmus test' });
  small.endStartup();
  await database.plain.query('CREATE TABLE reads_run (id int)');
  try {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let holding: Promise<void> = Promise.resolve();
    await new Promise<void>((resolve) => {
      holding = small.transaction(() => {
        resolve();
        return held;
      });
    });
    const waiting = [
      small.readWithin(50, (tx) => tx.query('INSERT INTO reads_run VALUES ($1)', [1])),
      small.readWithin(50, (tx) => tx.find(ParkRow)),
    ];
    for (const read of waiting) await expect(read).rejects.toBeInstanceOf(ReadDeadlineError);
    release();
    await holding;
    expect(await small.plain.query('SELECT id FROM reads_run')).toEqual([]);
    await expect(small.readWithin(0, () => small.plain.query('SELECT 1'))).rejects.toThrow('before the read began');
  } finally {
    await small.close();
  }
});
