import { createServer } from 'node:net';
import type pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { clusterUrl } from '../../connectors/kit/testing/test-database.ts';
import { patiently, poolControl } from './connection-pool.ts';
import { openDatabase } from './database.ts';

const pools: pg.Pool[] = [];
afterEach(async () => {
  await Promise.all(pools.splice(0).map((one) => one.end()));
});

function twoConnections(times = { connect: 5_000, wait: 60, say: 20 }) {
  const said: string[] = [];
  const control = poolControl((text) => void said.push(text), times);
  const pool = new control.driver.Pool({ connectionString: clusterUrl(), max: 2 });
  pool.on('error', () => undefined);
  pools.push(pool);
  const holdAll = async () => {
    const held = await Promise.all([pool.connect(), pool.connect()]);
    return () => {
      for (const one of held) one.release();
    };
  };
  return { said, control, pool, holdAll };
}

test('during a start, whoever needs a connection waits for one, and it is said what is waited for', async () => {
  const { said, pool, holdAll } = twoConnections();
  const release = await holdAll();
  const queries = Promise.all(Array.from({ length: 20 }, () => pool.query('SELECT 1 AS one')));
  await expect
    .poll(() => said.filter((one) => /^Waiting .* since \d+ s: 2 are in use, 20 more are wanted\./.test(one)).length, {
      interval: 10,
    })
    .toBeGreaterThan(6);
  expect(pool.totalCount).toBe(2);
  release();
  expect((await queries).map((one) => one.rows[0].one)).toEqual(Array(20).fill(1));
});

test('once the start is over a wait has an end, told in a sentence; the next one gets the connection', async () => {
  const { control, pool, holdAll } = twoConnections();
  control.settle();
  const release = await holdAll();
  await expect(pool.query('SELECT 1')).rejects.toMatchObject({
    name: 'DatabaseError',
    message: 'No connection to the database was free within 0.06 s: 2 are in use, 1 more are wanted.',
  });
  release();
  expect((await pool.query('SELECT 2 AS two')).rows).toEqual([{ two: 2 }]);
});

test("the hub's own work waits as long as it takes", async () => {
  const { said, control, pool, holdAll } = twoConnections();
  control.settle();
  const release = await holdAll();
  const work = patiently(() => pool.query('SELECT 1 AS one'));
  await expect.poll(() => said.length, { interval: 10 }).toBeGreaterThan(2);
  release();
  expect((await work).rows).toEqual([{ one: 1 }]);
});

test('an interrupted start cuts off what takes long', async () => {
  const { control, pool } = twoConnections();
  const query = pool.query('SELECT pg_sleep(60)');
  await expect.poll(() => pool.totalCount - pool.idleCount).toBe(1);
  const cut = setInterval(control.cutStart, 20);
  await expect(query).rejects.toThrow();
  clearInterval(cut);
});

test('a cut does nothing once the start is over', async () => {
  const { control, pool } = twoConnections();
  control.settle();
  control.cutStart();
  expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
});

test('a database that cannot be opened is named in a sentence with the reason', async () => {
  const tried = (url: string) => openDatabase(url).catch((error: Error) => [error.name, error.message]);
  expect(await tried('postgres://a:b@127.0.0.1:1/hub')).toEqual([
    'DatabaseError',
    'The database at postgres://a@127.0.0.1:1/hub cannot be opened (nothing listens there). Check DATABASE_URL, such as postgres://isthmus:password@127.0.0.1:5432/isthmus.',
  ]);
  expect(((await tried(clusterUrl().replace(/\/isthmus\?/, '/absent?'))) as string[])[1]).toContain(
    '(it has no such database)',
  );
  // As PostgreSQL answers a wrong password.
  const fields = 'SFATAL\0C28P01\0Mpassword authentication failed\0\0';
  const head = Buffer.from([0x45, 0, 0, 0, fields.length + 4]);
  const refusing = createServer((socket) =>
    socket.once('data', () => socket.end(Buffer.concat([head, Buffer.from(fields)]))),
  );
  await new Promise<void>((resolve) => refusing.listen(0, '127.0.0.1', resolve));
  const { port } = refusing.address() as { port: number };
  expect(((await tried(`postgres://a:b@127.0.0.1:${port}/hub`)) as string[])[1]).toContain('(it refuses the password)');
  refusing.close();
});

test('the opening of a database that does not answer can be interrupted', async () => {
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
