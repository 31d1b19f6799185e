/** Statements and transactions as the PostgreSQL server counts them. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from 'pg';

/** A statement of one request. */
export interface CountedStatement {
  readonly text: string;
  /** Executions for one request. */
  readonly calls: number;
  readonly kind: 'read' | 'write' | 'audit' | 'transaction';
}

/** Kind of a statement by its text. `audit`: it writes the audit log; `transaction`: BEGIN, COMMIT and the like. */
export function kindOf(text: string): CountedStatement['kind'] {
  if (/^\s*(BEGIN|START TRANSACTION|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET|RESET|DISCARD)\b/i.test(text))
    return 'transaction';
  if (!/\b(INSERT INTO|DELETE FROM|MERGE INTO|UPDATE\s+\S+\s+(\w+\s+)?SET)\b/i.test(text)) return 'read';
  return /\bINSERT INTO (\w+\.)?audit_/i.test(text) ? 'audit' : 'write';
}

/** Executions by text since the counters were reset. */
async function executions(database: Client): Promise<ReadonlyMap<string, number>> {
  const { rows } = await database.query<{ text: string; calls: string }>(
    `SELECT regexp_replace(query, '\\s+', ' ', 'g') AS text, sum(calls) AS calls FROM pg_stat_statements
     WHERE query NOT LIKE '%pg_stat_statements%' GROUP BY 1`,
  );
  return new Map(rows.map(({ text, calls }) => [text, Number(calls)]));
}

/** Executions for one of `times` requests, less those that as much time without requests had, as whole numbers. */
export function statementsPerRequest(
  busy: ReadonlyMap<string, number>,
  idle: ReadonlyMap<string, number>,
  times: number,
): CountedStatement[] {
  return [...busy]
    .map(([text, calls]) => ({
      text,
      calls: Math.round((calls - (idle.get(text) ?? 0)) / times),
      kind: kindOf(text),
    }))
    .filter(({ calls }) => calls > 0)
    .sort((a, b) => b.calls - a.calls);
}

/**
 * Runs `request` several times, one after the other, and returns the statements that each of them executes. Those of the hub's jobs are
 * left out: they are also executed in as much time without requests.
 */
export async function countStatements(
  database: Client,
  times: number,
  request: (i: number) => Promise<unknown>,
): Promise<CountedStatement[]> {
  const reset = () => database.query('SELECT pg_stat_statements_reset()');
  await reset();
  const startedAt = performance.now();
  for (let i = 0; i < times; i++) await request(i);
  const busy = await executions(database);
  const elapsed = performance.now() - startedAt;
  await reset();
  await pause(elapsed);
  return statementsPerRequest(busy, await executions(database), times);
}

/** Transactions of the database so far, also those that were rolled back. */
export async function transactionCount(database: Client): Promise<number> {
  const { rows } = await database.query<{ count: string }>(
    'SELECT xact_commit + xact_rollback AS count FROM pg_stat_database WHERE datname = current_database()',
  );
  return Number(rows[0]?.count);
}
