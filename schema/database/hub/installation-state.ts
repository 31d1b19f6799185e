/** Small values that a connector keeps for one of its installations, such as the last cursor read. */
import { genericPlan } from '../pool/prepared-statements.ts';
import type { Tx } from '../transaction.ts';

/** The value of that name; null if there is none. */
export async function getState<T>(tx: Tx, installation: string, name: string): Promise<T | null> {
  const rows: { value: T | null }[] = await tx.query(
    genericPlan('SELECT value FROM state WHERE installation = $1 AND name = $2'),
    [installation, name],
  );
  return rows[0]?.value ?? null;
}

/** The values of that name, by installation. */
export async function statesNamed<T>(tx: Tx, name: string): Promise<Map<string, T>> {
  const rows: { installation: string; value: T }[] = await tx.query(
    'SELECT installation, value FROM state WHERE name = $1',
    [name],
  );
  return new Map(rows.map((row) => [row.installation, row.value]));
}

/** Saves a JSON value under that name. In SQL, because TypeORM would write JSON's null as NULL. */
export async function setState(tx: Tx, installation: string, name: string, value: unknown): Promise<void> {
  await tx.query(
    `INSERT INTO state (installation, name, value) VALUES ($1, $2, $3)
     ON CONFLICT (installation, name) DO UPDATE SET value = excluded.value`,
    [installation, name, JSON.stringify(value)],
  );
}
