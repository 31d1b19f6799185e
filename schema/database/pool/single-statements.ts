/** Single statements of requests, directly on the pool: TypeORM's query runner takes 40 to 60 µs more CPU for each. */
import type pg from 'pg';
import type { Tx } from '../transaction.ts';
import { isGenericPlan } from './prepared-statements.ts';

const ignore = (): void => undefined;

/**
 * A manager whose `query` runs each statement on any connection, outside of a transaction: on `pools.generic` if it is marked by
 * `genericPlan`, else on `pools.other`. Its other methods are TypeORM's.
 */
export function singleStatements(manager: Tx, pools: { readonly generic: () => pg.Pool; readonly other: pg.Pool }): Tx {
  const query = async (sql: string, values?: unknown[]): Promise<unknown> => {
    const client = await (isGenericPlan(sql) ? pools.generic() : pools.other).connect();
    // The statement rejects when its connection is lost; without a listener the event would end the process as well.
    client.on('error', ignore);
    let isUsable = false;
    try {
      const { rows, rowCount, command } = await client.query(sql, values);
      isUsable = true;
      // As TypeORM returns it.
      return command === 'UPDATE' || command === 'DELETE' ? [rows, rowCount] : rows;
    } catch (error) {
      isUsable = (error as { severity?: string }).severity === 'ERROR';
      throw error;
    } finally {
      client.removeListener('error', ignore);
      client.release(!isUsable);
    }
  };
  return Object.assign(Object.create(manager), { query }) as Tx;
}
