import { createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { openVendorDatabase } from './sql.ts';
import { listen } from './testing/simulator.ts';

/** Asks a server that says this, message by message, whatever it is told. */
async function askOf(...says: readonly Buffer[]): Promise<unknown> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const left = [...says];
    sockets.add(socket.on('error', () => undefined).on('data', () => void socket.write(left.shift() ?? '')));
  });
  const database = await openVendorDatabase(`postgres://reader:secret@127.0.0.1:${await listen(server)}/doors`, 5_000);
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
  expect(await askOf(SCRAM, message('R', 11, 'r=of another,s=c2FsdA==,i=4096'))).toMatchObject({
    code: 'SOURCE_MALFORMED',
  });
});
