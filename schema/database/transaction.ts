/**
 * The first argument of every function that queries the hub's database, and statements that concern no table. Plain reads and writes of
 * one table use TypeORM's methods. They take 45 to 95 µs more CPU each, so statements of frequent requests are SQL, as are batches and
 * conditional updates.
 */
import type { EntityManager } from 'typeorm';

/** A transaction, or `Database.plain` or `Database.requests` for single statements outside of one. */
export type Tx = EntityManager;

/** Notifies the listeners of a channel when the transaction commits. */
export async function notify(tx: Tx, channel: string, payload: string): Promise<void> {
  await tx.query('SELECT pg_notify($1, $2)', [channel, payload]);
}

/** Whether a table of that name exists. */
export async function hasTable(tx: Tx, name: string): Promise<boolean> {
  const rows: { found: string | null }[] = await tx.query('SELECT to_regclass($1) AS found', [name]);
  return rows[0]?.found != null;
}
