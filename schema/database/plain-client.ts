/** A bare connection to any PostgreSQL, without TypeORM: for simulators and tests, whose processes stay small. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from } from 'pg-copy-streams';

export interface Client {
  query<R extends object = Record<string, unknown>>(sql: string, values?: readonly unknown[]): Promise<R[]>;
  /** Sends lines (each with its line end) to a `COPY … FROM STDIN`. */
  copy(sql: string, lines: Iterable<string>): Promise<void>;
  end(): Promise<void>;
}

/** Connects; rejects with the driver's error. */
export async function openClient(url: string): Promise<Client> {
  const client = new pg.Client({ connectionString: url });
  // A lost connection shows at the next question.
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

/** Joins lines, so that not each of a hundred thousand is a step of its own. */
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
