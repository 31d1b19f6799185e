import { createServer } from 'node:net';
import type pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { clusterUrl } from '../../../connectors/kit/testing/test-database.ts';
import { openDatabase } from '../database.ts';
import { createPoolControl, withoutPoolTimeout } from './connection-pool.ts';

const pools: pg.Pool[] = [];
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.end()));
});

function twoConnections(times = { connect: 5_000, acquire: 60, report: 20 }) {
  const messages: string[] = [];
  const control = createPoolControl((text) => void messages.push(text), times);
  const pool = new control.driver.Pool({ connectionString: clusterUrl(), max: 2 });
  pool.on('error', () => undefined);
  pools.push(pool);
  const holdAll = async () => {
    const held = await Promise.all([pool.connect(), pool.connect()]);
    return () => {
      for (const client of held) client.release();
    };
  };
  return { messages, control, pool, holdAll };
}

test('connection pool: waits for a connection during startup and reports the wait', async () => {
  const { messages, pool, holdAll } = twoConnections();
  const release = await holdAll();
  const queries = Promise.all(Array.from({ length: 20 }, () => pool.query('SELECT 1 AS one')));
  await expect
    .poll(() => messages.filter((line) => /^Waiting .* for \d+ s: 2 in use, 20 requests waiting\./.test(line)).length, {
      interval: 10,
    })
    .toBeGreaterThan(6);
  expect(pool.totalCount).toBe(2);
  release();
  expect((await queries).map((result) => result.rows[0].one)).toEqual(Array(20).fill(1));
});

test('connection pool: limits the wait after startup; the next request gets the connection', async () => {
  const { control, pool, holdAll } = twoConnections();
  const release = await holdAll();
  control.endStartup();
  await expect(pool.query('SELECT 1')).rejects.toMatchObject({
    name: 'DatabaseBusyError',
    message: 'No free database connection within 0.06 s: 2 in use, 1 requests waiting.',
  });
  release();
  expect((await pool.query('SELECT 2 AS two')).rows).toEqual([{ two: 2 }]);
});

test('connection pool: background work of the hub waits without limit', async () => {
  const { messages, control, pool, holdAll } = twoConnections();
  const release = await holdAll();
  control.endStartup();
  const work = withoutPoolTimeout(() => pool.query('SELECT 1 AS one'));
  await expect.poll(() => messages.length, { interval: 10 }).toBeGreaterThan(2);
  release();
  expect((await work).rows).toEqual([{ one: 1 }]);
});

test('connection pool: closes connections when startup is interrupted', async () => {
  const { control, pool } = twoConnections();
  const query = pool.query('SELECT pg_sleep(60)');
  await expect.poll(() => pool.totalCount - pool.idleCount).toBe(1);
  const cut = setInterval(control.interruptStartup, 20);
  await expect(query).rejects.toThrow();
  clearInterval(cut);
});

test('connection pool: does not close connections after startup', async () => {
  const { control, pool } = twoConnections({ connect: 5_000, acquire: 20_000, report: 20 });
  control.endStartup();
  control.interruptStartup();
  expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
});

test('opening the database: names the cause when the connection fails, and the setting to check', async () => {
  const tried = (url: string) => openDatabase(url).catch((error: Error) => [error.name, error.message]);
  expect(await tried('postgres://a:b@127.0.0.1:1/hub')).toEqual([
    'DatabaseError',
    'Cannot connect to the database postgres://a@127.0.0.1:1/hub (connection refused). Check DATABASE_URL, such as postgres://isthmus:password@127.0.0.1:5432/isthmus.',
  ]);
  expect(((await tried(clusterUrl().replace(/\/isthmus\?/, '/absent?'))) as string[])[1]).toContain(
    '(database does not exist)',
  );
  // PostgreSQL's response to a wrong password.
  const fields = 'SFATAL\0C28P01\0Mpassword authentication failed\0\0';
  const head = Buffer.from([0x45, 0, 0, 0, fields.length + 4]);
  const refusing = createServer((socket) =>
    socket.once('data', () => socket.end(Buffer.concat([head, Buffer.from(fields)]))),
  );
  await new Promise<void>((resolve) => refusing.listen(0, '127.0.0.1', resolve));
  const { port } = refusing.address() as { port: number };
  expect(((await tried(`postgres://a:b@127.0.0.1:${port}/hub`)) as string[])[1]).toContain('(wrong password)');
  refusing.close();
});

test('opening the database: stops connecting to an unresponsive database when aborted', async () => {
  const silent = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => silent.once('listening', resolve));
  const control = new AbortController();
  const opening = openDatabase(`postgres://a@127.0.0.1:${(silent.address() as { port: number }).port}/hub`, {
    signal: control.signal,
  });
  silent.once('connection', () => control.abort(new Error('interrupted')));
  await expect(opening).rejects.toThrow('interrupted');
  silent.close();
});
