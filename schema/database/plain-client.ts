/** A connection to any PostgreSQL without TypeORM, for the small processes of simulators and tests. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from } from 'pg-copy-streams';

/** One connection. */
export interface Client {
  query<R extends object = Record<string, unknown>>(sql: string, values?: readonly unknown[]): Promise<R[]>;
  /** Sends lines, each with its line end, to a `COPY … FROM STDIN`. */
  copy(sql: string, lines: Iterable<string>): Promise<void>;
  end(): Promise<void>;
}

/** Connects. Rejects with the driver's error. */
export async function openClient(url: string): Promise<Client> {
  const client = new pg.Client({ connectionString: url });
  // A lost connection makes the next query fail.
  client.on('error', () => undefined);
  await client.connect();
  return {
    async query<R extends object>(sql: string, values: readonly unknown[] = []) {
      return (values.length > 0 ? await client.query(sql, [...values]) : await client.query(sql)).rows as R[];
    },
    async copy(sql, lines) {
      await pipeline(Readable.from(inChunks(lines)), client.query(from(sql)));
    },
    end: () => client.end(),
  };
}

/** Joins lines into chunks of about 60,000 characters. */
function* inChunks(lines: Iterable<string>): Generator<string> {
  let chunk = '';
  for (const line of lines) {
    chunk += line;
    if (chunk.length < 60_000) continue;
    yield chunk;
    chunk = '';
  }
  if (chunk) yield chunk;
}
