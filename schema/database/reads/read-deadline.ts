/** Reads with a deadline: when it has passed, the statement is cancelled in PostgreSQL, too, so that nobody's work does not go on. */
import { connect } from 'node:net';
import type pg from 'pg';
import type { Client } from 'pg';
import type { DataSource, QueryRunner } from 'typeorm';
import { runStatement, type StatementPools, type StatementWatch } from '../pool/single-statements.ts';
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

/** What reads run on. */
export interface ReadConnections {
  readonly source: DataSource;
  readonly pools: StatementPools;
}

/**
 * Runs reads outside of a transaction, each statement on any connection, as `Database.requests` does. Rejects with `ReadDeadlineError`
 * after `milliseconds`: running statements are cancelled, and those that still wait for a connection never run. A read that is in time
 * costs a timer and no statement.
 */
export async function readWithin<T>(
  connections: ReadConnections,
  milliseconds: number,
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  if (milliseconds <= 0) throw new ReadDeadlineError('The deadline had passed before the read began.');
  const statements = new LimitedStatements(connections);
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => {
        statements.cancel();
        reject(new ReadDeadlineError(`The read was cancelled after ${Math.round(milliseconds)} ms.`));
      },
      Math.min(milliseconds, MAX_TIMER),
    );
  });
  const read = async (): Promise<T> => {
    try {
      return await work(statements.tx);
    } finally {
      clearTimeout(timer);
      await statements.release();
    }
  };
  const result = read();
  // After the deadline nobody waits for it.
  result.catch(() => undefined);
  return Promise.race([result, expired]);
}

/** The statements of one read, until they are cancelled. */
class LimitedStatements implements StatementWatch {
  readonly #connections: ReadConnections;
  readonly #running = new Set<pg.ClientBase>();
  readonly #cancelled = new Set<pg.ClientBase>();
  /** Of TypeORM's methods; created when one is called. */
  #runner: QueryRunner | undefined;
  #runnerClient: Client | undefined;
  #isOver = false;
  readonly tx: Tx;

  constructor(connections: ReadConnections) {
    this.#connections = connections;
    const query = async (sql: string, values?: unknown[]): Promise<unknown> => {
      this.#check();
      return runStatement(connections.pools, sql, values, this);
    };
    // Not an object that inherits from TypeORM's shared manager, which would keep repositories with the runner of this read.
    this.tx = new Proxy({} as Tx, {
      get: (_, name) => (name === 'query' ? query : Reflect.get(this.#managed().manager, name)),
    });
  }

  begin(client: pg.ClientBase): void {
    this.#check();
    this.#running.add(client);
  }

  /** A cancel request may arrive when its statement has ended: no later one may run on that connection. */
  end(client: pg.ClientBase): boolean {
    this.#running.delete(client);
    return this.#cancelled.has(client);
  }

  /** Cancels the running statements; later ones reject. */
  cancel(): void {
    this.#isOver = true;
    for (const client of this.#running) {
      this.#cancelled.add(client);
      cancelStatement(client as ServerProcess);
    }
  }

  /** Call it when the read has ended. */
  async release(): Promise<void> {
    const runner = this.#runner;
    if (!runner) return;
    const client = this.#runnerClient;
    // TypeORM cannot release a connection as unusable; the pool drops a closed one.
    if (client && this.end(client)) await client.end().catch(() => undefined);
    await runner.release();
  }

  #check(): void {
    if (this.#isOver) throw new ReadDeadlineError('The deadline passed before the statement began.');
  }

  #managed(): QueryRunner {
    if (this.#runner) return this.#runner;
    const runner = this.#connections.source.createQueryRunner();
    const connect = runner.connect.bind(runner);
    // TypeORM calls it before each statement.
    runner.connect = async () => {
      this.#check();
      const client = (await connect()) as Client;
      this.begin(client);
      this.#runnerClient = client;
      return client;
    };
    this.#runner = runner;
    return runner;
  }
}

/** Asks the server to cancel the statement of a connection, over a connection of its own. */
function cancelStatement(client: ServerProcess): void {
  const { processID, secretKey, host, port } = client;
  if (processID === undefined || secretKey === undefined) return;
  const request = Buffer.alloc(16);
  request.writeInt32BE(request.length, 0);
  request.writeInt32BE(CANCEL_REQUEST, 4);
  request.writeInt32BE(processID, 8);
  request.writeInt32BE(secretKey, 12);
  const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
  // An error is not reported: then the statement runs to its end.
  socket.on('error', () => undefined);
  socket.setTimeout(CANCEL_TIMEOUT, () => socket.destroy());
  socket.end(request);
  // The server closes the connection when it has sent the signal.
  socket.resume();
}
