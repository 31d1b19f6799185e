import { createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { openVendorDatabase } from './sql.ts';
import { listen } from './testing/simulator.ts';

/** Asks a server that says this, message by message, whatever it is told; one of MySQL begins. */
async function askOf(kind: 'postgres' | 'mysql', ...says: readonly Buffer[]): Promise<unknown> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const left = [...says];
    const say = () => void socket.write(left.shift() ?? '');
    if (kind === 'mysql') say();
    sockets.add(socket.on('error', () => undefined).on('data', say));
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
/** One message of PostgreSQL's protocol: its letter, the length, the rest. */
const message = (letter: string, ...rest: (string | number)[]) => {
  const parts = rest.map((one) => (typeof one === 'string' ? Buffer.from(one) : Buffer.from([0, 0, 0, one])));
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(letter), Buffer.from([0, 0, 0, body.length + 4]), body]);
};
const SCRAM = message('R', 10, 'SCRAM-SHA-256\0\0');

test('a greeting that cannot be made sense of is the fault of the source, not of the hub', async () => {
  expect(await askOf('postgres', SCRAM, message('R', 11, 'r=of another,s=c2FsdA==,i=4096'))).toMatchObject({
    code: 'SOURCE_MALFORMED',
  });
});

test('rows that the driver fails on end the connection, not the hub', async () => {
  const ready = Buffer.concat([message('R', 0), Buffer.from('Z\0\0\0\x05I', 'latin1')]);
  // Two values, of which the first says that it is longer than the message.
  const row = Buffer.from('D\0\0\0\x0a\0\x02\x31\x38\x38\x57', 'latin1');
  expect(await askOf('postgres', ready, row)).toMatchObject({ code: 'SOURCE_MALFORMED' });
});

test('so does a greeting of MySQL that ends too early', async () => {
  expect(await askOf('mysql', Buffer.from('\x03\0\0\0\x0a\x38\0', 'latin1'))).toMatchObject({
    code: 'SOURCE_MALFORMED',
  });
});
