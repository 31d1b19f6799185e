import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { clusterUrl, createTestDatabase } from '../../../connectors/kit/testing/test-database.ts';
import { openDatabase } from '../database.ts';
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

test('read deadline: a read that waits for a connection never runs, and the connection is free afterwards', async () => {
  const small = await openDatabase(database.url, { poolSize: 1, name: 'isthmus test' });
  small.endStartup();
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
    let hasRun = false;
    const waiting = small.readWithin(50, async () => {
      hasRun = true;
    });
    await expect(waiting).rejects.toBeInstanceOf(ReadDeadlineError);
    release();
    await holding;
    expect(await small.plain.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(hasRun).toBe(false);
    await expect(small.readWithin(0, () => small.plain.query('SELECT 1'))).rejects.toThrow('before the read began');
  } finally {
    await small.close();
  }
});
