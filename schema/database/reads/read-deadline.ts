/** Reads with a deadline: when it has passed, the statement is cancelled in PostgreSQL, too, so that nobody's work does not go on. */
import { connect } from 'node:net';
import type { Client } from 'pg';
import type { DataSource } from 'typeorm';
import type { Tx } from '../transaction.ts';

/** The deadline of a read has passed. Its statement was cancelled. */
export class ReadDeadlineError extends Error {
  override name = 'ReadDeadlineError';
}

/** What pg knows of the server's process; not in its types. */
type ServerProcess = Client & { readonly processID?: number; readonly secretKey?: number };

/** First number of a cancel request, in place of the protocol version. */
const CANCEL_REQUEST = 80_877_102;
/** Milliseconds. */
const CANCEL_TIMEOUT = 2_000;
/** Milliseconds; longer timers are not possible. */
const MAX_TIMER = 2 ** 31 - 1;

/**
 * Runs reads on one connection, outside of a transaction. Rejects with `ReadDeadlineError` after `milliseconds`: the running statement is
 * cancelled, and a read that still waits for a connection never runs.
 */
export async function readWithin<T>(
  source: DataSource,
  milliseconds: number,
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  if (milliseconds <= 0) throw new ReadDeadlineError('The deadline had passed before the read began.');
  const runner = source.createQueryRunner();
  let hasExpired = false;
  let cancelled: Promise<void> | undefined;
  let client: Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => {
        hasExpired = true;
        if (client) cancelled = cancelStatement(client);
        reject(new ReadDeadlineError(`The read was cancelled after ${Math.round(milliseconds)} ms.`));
      },
      Math.min(milliseconds, MAX_TIMER),
    );
  });
  const read = async (): Promise<T> => {
    try {
      client = (await runner.connect()) as Client;
      if (hasExpired) throw new ReadDeadlineError('The deadline passed before a connection was free.');
      return await work(runner.manager);
    } finally {
      clearTimeout(timer);
      if (cancelled && client) {
        // The request may reach a statement that has ended: no later one may run on this connection.
        await cancelled;
        await client.end().catch(() => undefined);
      }
      await runner.release();
    }
  };
  const result = read();
  // After the deadline nobody waits for it.
  result.catch(() => undefined);
  return Promise.race([result, expired]);
}

/** Asks the server to cancel the statement of a connection, over a connection of its own. Resolves when the server has done it. */
function cancelStatement(client: ServerProcess): Promise<void> {
  const { processID, secretKey, host, port } = client;
  if (processID === undefined || secretKey === undefined) return Promise.resolve();
  const request = Buffer.alloc(16);
  request.writeInt32BE(request.length, 0);
  request.writeInt32BE(CANCEL_REQUEST, 4);
  request.writeInt32BE(processID, 8);
  request.writeInt32BE(secretKey, 12);
  return new Promise((resolve) => {
    const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
    // The server closes the connection. An error is not reported: then the statement runs to its end.
    socket.on('error', () => undefined).on('close', () => resolve());
    socket.setTimeout(CANCEL_TIMEOUT, () => socket.destroy());
    socket.end(request);
    socket.resume();
  });
}
