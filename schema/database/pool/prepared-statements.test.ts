import type pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createTestDatabase } from '../../../connectors/kit/testing/test-database.ts';
import { openDatabase } from '../database.ts';
import { createPoolControl } from './connection-pool.ts';
import { genericPlan, PreparedStatements } from './prepared-statements.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
const pools: pg.Pool[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
  await database.plain.query('CREATE TABLE item (id int PRIMARY KEY, text text)');
  await database.plain.query("INSERT INTO item SELECT n, 'text ' || n FROM generate_series(1, 100) AS n");
});
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.end()));
});
afterAll(() => database.drop());

/** One connection of a pool, so that all statements use the same. */
async function connect({ generic = false, ...options }: { generic?: boolean; maxPerConnection?: number } = {}) {
  const messages: string[] = [];
  const statements = new PreparedStatements({ isEnabled: true, ...options }, (text) => void messages.push(text));
  const control = createPoolControl(() => undefined, undefined, statements);
  const pool = new (generic ? control.GenericPlanPool : control.driver.Pool)({
    connectionString: database.url,
    max: 1,
  });
  pools.push(pool);
  const client = await pool.connect();
  client.on('error', () => undefined);
  pool.on('error', () => undefined);
  const rows = async (text: string, values?: unknown[]) => (await client.query(text, values)).rows;
  return {
    client,
    messages,
    rows,
    release: () => client.release(),
    /** The server's view: text, custom plans, generic plans. */
    kept: async (): Promise<[string, number, number][]> =>
      (
        await rows(
          'SELECT statement, custom_plans::int AS custom, generic_plans::int AS generic FROM pg_prepared_statements ORDER BY prepare_time, name',
        )
      ).map(({ statement, custom, generic }) => [statement, custom, generic]),
  };
}

const BY_ID = 'SELECT text FROM item WHERE id = $1';

test('prepared statements: a text is parsed once per connection from its second use on', async () => {
  const { rows, kept, release } = await connect();
  await rows(BY_ID, [1]);
  expect(await kept()).toEqual([]);
  for (const id of [2, 3, 4]) expect(await rows(BY_ID, [id])).toEqual([{ text: `text ${id}` }]);
  expect(await kept()).toEqual([[BY_ID, 3, 0]]);
  release();
});

test('prepared statements: a generic plan is made once per connection, and no second statement is sent for it', async () => {
  const { rows, kept, release } = await connect({ generic: true });
  const generic = genericPlan(BY_ID);
  expect(genericPlan(generic)).toBe(generic);
  for (const id of [1, 2, 3]) expect(await rows(generic, [id])).toEqual([{ text: `text ${id}` }]);
  expect(await kept()).toEqual([[generic, 0, 3]]);
  release();
});

test('prepared statements: statements of requests with a generic plan have connections of their own', async () => {
  const opened = await openDatabase(database.url, { poolSize: 2 });
  const mode = "SELECT current_setting('plan_cache_mode') AS mode, pg_backend_pid() AS pid, $1::int";
  const modes = new Map<string, string>();
  for (const [name, tx, text] of [
    ['request, generic', opened.requests, genericPlan(mode)],
    ['request', opened.requests, mode],
    ['other, generic', opened.plain, genericPlan(mode)],
  ] as const) {
    const [row] = await tx.query(text, [1]);
    modes.set(name, row.mode);
  }
  await opened.transaction(async (tx) => modes.set('transaction', (await tx.query(genericPlan(mode), [1]))[0].mode));
  expect([...modes]).toEqual([
    ['request, generic', 'force_generic_plan'],
    ['request', 'auto'],
    ['other, generic', 'auto'],
    ['transaction', 'auto'],
  ]);
  const connections = await database.plain.query(
    "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'isthmus'",
  );
  expect(connections).toEqual([{ n: 2 }]);
  await opened.close();
});

test('prepared statements: a connection keeps only the last used ones', async () => {
  const { rows, kept, release } = await connect({ maxPerConnection: 3 });
  const text = (n: number) => genericPlan(`SELECT $1::int + ${n} AS sum`);
  for (const n of [1, 2, 3, 1, 4, 5]) expect(await rows(text(n), [10])).toEqual([{ sum: 10 + n }]);
  await rows('SELECT $1::int', [1]);
  expect((await kept()).map(([statement]) => statement)).toEqual([text(1), text(4), text(5)]);
  for (const n of [2, 3, 1]) expect(await rows(text(n), [10])).toEqual([{ sum: 10 + n }]);
  release();
});

test('prepared statements: a changed table is read again outside of a transaction, and after a failed one', async () => {
  const { rows, release } = await connect();
  const all = genericPlan('SELECT * FROM changing WHERE a = $1');
  await database.plain.query("CREATE TABLE changing (a text); INSERT INTO changing VALUES ('x')");
  expect(await rows(all, ['x'])).toEqual([{ a: 'x' }]);
  await database.plain.query('ALTER TABLE changing ADD COLUMN b text');
  expect(await rows(all, ['x'])).toEqual([{ a: 'x', b: null }]);
  expect(await rows(all, ['x'])).toEqual([{ a: 'x', b: null }]);
  await database.plain.query('ALTER TABLE changing ADD COLUMN c text');
  await rows('START TRANSACTION');
  await expect(rows(all, ['x'])).rejects.toThrow('cached plan must not change result type');
  await rows('ROLLBACK');
  await rows('START TRANSACTION');
  expect(await rows(all, ['x'])).toEqual([{ a: 'x', b: null, c: null }]);
  await rows('COMMIT');
  expect(await rows(all, ['x'])).toEqual([{ a: 'x', b: null, c: null }]);
  release();
});

test('prepared statements: an error of a statement leaves the connection usable', async () => {
  const { rows, kept, release } = await connect();
  for (let i = 0; i < 3; i++) await expect(rows('SELECT $1::int FROM absent', [1])).rejects.toThrow('absent');
  const divide = genericPlan('SELECT 1 / $1::int AS one');
  await expect(rows(divide, [0])).rejects.toThrow('division by zero');
  expect(await rows(divide, [1])).toEqual([{ one: 1 }]);
  expect((await kept()).map(([statement]) => statement)).toEqual([divide]);
  release();
});

test('prepared statements: behind a pooler that changes connections they are turned off, with one message', async () => {
  const { rows, kept, messages, release } = await connect({ generic: true });
  expect(await rows(genericPlan(BY_ID), [1])).toEqual([{ text: 'text 1' }]);
  // The next statement is executed on a connection that does not have the prepared ones.
  await rows('DEALLOCATE ALL');
  expect(await rows(genericPlan(BY_ID), [2])).toEqual([{ text: 'text 2' }]);
  expect(await rows(genericPlan(BY_ID), [3])).toEqual([{ text: 'text 3' }]);
  expect(messages).toHaveLength(1);
  expect(messages[0]).toMatch(/prepared=off to DATABASE_URL/);
  expect(await kept()).toEqual([]);
  release();
});

test('prepared statements: `prepared=off` in the URL of the database turns them off; other values are refused', async () => {
  const url = `${database.url}${database.url.includes('?') ? '&' : '?'}prepared=`;
  const counted = genericPlan('SELECT count(*)::int AS n FROM pg_prepared_statements WHERE $1');
  for (const [value, expected] of [
    ['on', [1, 1]],
    ['off', [0, 0]],
  ] as const) {
    const opened = await openDatabase(`${url}${value}`, { poolSize: 2 });
    const counts = [];
    for (let i = 0; i < 2; i++) counts.push((await opened.requests.query(counted, [true]))[0].n);
    expect(counts).toEqual(expected);
    await opened.close();
  }
  await expect(openDatabase(`${url}maybe`)).rejects.toThrow('prepared must be on or off, found maybe');
});

test('prepared statements: single statements of requests return what the query runner returns', async () => {
  for (const [text, values] of [
    [BY_ID, [1]],
    ['UPDATE item SET text = $2 WHERE id = $1', [1, 'text 1']],
    ['DELETE FROM item WHERE id = $1 RETURNING id', [-1]],
    ['INSERT INTO item VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id', [1, 'x']],
  ] as const)
    expect(await database.requests.query(text, [...values])).toEqual(await database.plain.query(text, [...values]));
  await expect(database.requests.query('SELECT 1 / $1::int', [0])).rejects.toMatchObject({ code: '22012' });
});

test('prepared statements: after a lost connection the next statement is prepared on a new one', async () => {
  const opened = await openDatabase(database.url, { poolSize: 2 });
  const pid = genericPlan('SELECT pg_backend_pid() AS pid, $1::int');
  const [{ pid: first }] = await opened.requests.query(pid, [1]);
  const hanging = opened.requests.query(genericPlan('SELECT pg_sleep($1)'), [60]);
  hanging.catch(() => undefined);
  const sleeping = 'SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND wait_event = $2';
  await expect.poll(() => database.plain.query(sleeping, [first, 'PgSleep'])).toHaveLength(1);
  await database.plain.query('SELECT pg_terminate_backend($1)', [first]);
  await expect(hanging).rejects.toThrow();
  const [{ pid: second }] = await opened.requests.query(pid, [1]);
  expect(second).not.toBe(first);
  await opened.close();
});
