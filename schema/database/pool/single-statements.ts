/** Single statements of requests, directly on the pool: TypeORM's query runner takes 40 to 60 µs more CPU for each. */
import type pg from 'pg';
import type { Tx } from '../transaction.ts';
import { isGenericPlan } from './prepared-statements.ts';

/** Where statements run: on `generic` if they are marked by `genericPlan`, else on `other`. */
export interface StatementPools {
  readonly generic: () => pg.Pool;
  readonly other: pg.Pool;
}

/** Follows statements, to end them early. */
export interface StatementWatch {
  /** The statement is about to be sent on this connection. Throws if it must not be. */
  begin(client: pg.ClientBase): void;
  /** It has ended. Returns whether the connection must be closed. */
  end(client: pg.ClientBase): boolean;
}

const ignore = (): void => undefined;

/** A manager whose `query` runs each statement on any connection, outside of a transaction. Its other methods are TypeORM's. */
export function singleStatements(manager: Tx, pools: StatementPools): Tx {
  const query = (sql: string, values?: unknown[]): Promise<unknown> => runStatement(pools, sql, values);
  return Object.assign(Object.create(manager), { query }) as Tx;
}

/** Runs a statement outside of a transaction. Resolves with the same as TypeORM's `query`. */
export async function runStatement(
  pools: StatementPools,
  sql: string,
  values?: unknown[],
  watch?: StatementWatch,
): Promise<unknown> {
  const client = await (isGenericPlan(sql) ? pools.generic() : pools.other).connect();
  // The statement rejects when its connection is lost; without a listener the event would end the process as well.
  client.on('error', ignore);
  let isUsable = true;
  try {
    watch?.begin(client);
    isUsable = false;
    const { rows, rowCount, command } = await client.query(sql, values);
    isUsable = true;
    return command === 'UPDATE' || command === 'DELETE' ? [rows, rowCount] : rows;
  } catch (error) {
    isUsable ||= (error as { severity?: string }).severity === 'ERROR';
    throw error;
  } finally {
    if (watch?.end(client)) isUsable = false;
    client.removeListener('error', ignore);
    client.release(!isUsable);
  }
}
