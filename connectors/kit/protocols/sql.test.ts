import { createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { listen } from '../testing/simulator.ts';
import { createTestDatabase } from '../testing/test-database.ts';
import { openVendorDatabase } from './sql.ts';

/** Queries a server that sends these messages one by one, whatever it receives; a MySQL server sends the first one unasked. */
async function queryServer(kind: 'postgres' | 'mysql', ...messages: readonly Buffer[]): Promise<unknown> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const left = [...messages];
    const sendNext = () => void socket.write(left.shift() ?? '');
    if (kind === 'mysql') sendNext();
    sockets.add(socket.on('error', () => undefined).on('data', sendNext));
  });
  const database = await openVendorDatabase(`${kind}://reader:secret@127.0.0.1:${await listen(server)}/doors`, 5_000);
  try {
    return await database.select('SELECT 1', [], AbortSignal.timeout(10_000)).catch((error: unknown) => error);
  } finally {
    for (const socket of sockets) socket.destroy();
    await database.close();
    await new Promise((resolve) => server.close(resolve));
  }
}
/** One message of PostgreSQL's protocol: type, length, content. */
const message = (letter: string, ...rest: (string | number)[]) => {
  const parts = rest.map((one) => (typeof one === 'string' ? Buffer.from(one) : Buffer.from([0, 0, 0, one])));
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(letter), Buffer.from([0, 0, 0, body.length + 4]), body]);
};
const SCRAM = message('R', 10, 'SCRAM-SHA-256\0\0');

test('SQL: reports an invalid greeting as SOURCE_MALFORMED', async () => {
  expect(await queryServer('postgres', SCRAM, message('R', 11, 'r=of another,s=c2FsdA==,i=4096'))).toMatchObject({
    code: 'SOURCE_MALFORMED',
  });
});

test('SQL: closes the connection when the driver fails to parse a row', async () => {
  const ready = Buffer.concat([message('R', 0), Buffer.from('Z\0\0\0\x05I', 'latin1')]);
  // Two values; the length of the first exceeds the message.
  const row = Buffer.from('D\0\0\0\x0a\0\x02\x31\x38\x38\x57', 'latin1');
  expect(await queryServer('postgres', ready, row)).toMatchObject({ code: 'SOURCE_MALFORMED' });
});

test('reports a truncated MySQL greeting as SOURCE_MALFORMED', async () => {
  expect(await queryServer('mysql', Buffer.from('\x03\0\0\0\x0a\x38\0', 'latin1'))).toMatchObject({
    code: 'SOURCE_MALFORMED',
  });
});

test('PostgreSQL rejects writes on every connection of the pool', async () => {
  const vendor = await createTestDatabase({ migrated: false });
  await vendor.plain.query(`CREATE TABLE door (id int);
    CREATE FUNCTION add_door() RETURNS int LANGUAGE sql AS 'INSERT INTO door VALUES (1) RETURNING id'`);
  const database = await openVendorDatabase(vendor.url, 5_000);
  try {
    const write = (sql: string) => database.select(sql, [], AbortSignal.timeout(10_000));
    const results = await Promise.allSettled(
      ['INSERT INTO door VALUES (1)', 'SELECT add_door()', 'SELECT add_door()', 'DROP TABLE door'].map(write),
    );
    for (const result of results)
      expect(result).toMatchObject({
        reason: { code: 'SOURCE_REJECTED', detail: expect.stringContaining('read-only') },
      });
    expect(await vendor.plain.query('SELECT * FROM door')).toEqual([]);
  } finally {
    await database.close();
    await vendor.drop();
  }
});

/** A MySQL server that accepts every login and responds to each statement with OK, or with an error if `rejects` is set. */
async function fakeMysql() {
  const statements: string[] = [];
  const behavior = { rejects: false };
  const packet = (number: number, hex: string, text = ''): Buffer => {
    const body = Buffer.concat([Buffer.from(hex.replaceAll(' ', ''), 'hex'), Buffer.from(text)]);
    return Buffer.concat([Buffer.from([body.length, 0, 0, number]), body]);
  };
  const greeting = packet(
    0,
    `0a 382e3000 01000000 ${'41'.repeat(8)} 00 0aa2 2d 0200 0800 15 ${'00'.repeat(10)} ${'41'.repeat(12)} 00`,
    'mysql_native_password\0',
  );
  const ok = (number: number) => packet(number, '00 00 00 0200 0000');
  const server = createServer((socket) => {
    socket.on('error', () => undefined).write(greeting);
    let greeted = false;
    socket.on('data', (bytes: Buffer) => {
      if (!greeted) socket.write(ok(2));
      else if (bytes[4] === 3) {
        statements.push(bytes.toString('utf8', 5));
        socket.write(behavior.rejects ? packet(1, 'ff cb04', '#42000Access denied') : ok(1));
      } else socket.end();
      greeted = true;
    });
  });
  const port = await listen(server);
  return { statements, behavior, port, close: () => new Promise((resolve) => server.close(resolve)) };
}

test('sets a MySQL session to read-only before its first statement, and sends none if that is rejected', async () => {
  const vendor = await fakeMysql();
  const open = () => openVendorDatabase(`mysql://reader:secret@127.0.0.1:${vendor.port}/doors`, 5_000);
  const [database, rejecting] = [await open(), await open()];
  try {
    const signal = AbortSignal.timeout(10_000);
    for (const sql of ['SELECT 1', 'SELECT 2']) await database.select(sql, [], signal);
    expect(vendor.statements).toEqual(['SET SESSION TRANSACTION READ ONLY', 'SELECT 1', 'SELECT 2']);
    vendor.behavior.rejects = true;
    await expect(rejecting.select('SELECT 3', [], signal)).rejects.toMatchObject({ code: 'SOURCE_REJECTED' });
    expect(vendor.statements).not.toContain('SELECT 3');
  } finally {
    await database.close();
    await rejecting.close();
    await vendor.close();
  }
});
