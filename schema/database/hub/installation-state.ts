/** Small values that a connector keeps for one of its installations, such as the last cursor read. */
import type { Tx } from '../transaction.ts';

/** The value of that name; null if there is none. */
export async function getState<T>(tx: Tx, installation: string, name: string): Promise<T | null> {
  const rows: { value: T }[] = await tx.query('SELECT value FROM state WHERE installation = $1 AND name = $2', [
    installation,
    name,
  ]);
  return rows[0]?.value ?? null;
}

/** Saves a JSON value under that name. */
export async function setState(tx: Tx, installation: string, name: string, value: unknown): Promise<void> {
  await tx.query(
    `INSERT INTO state (installation, name, value) VALUES ($1, $2, $3)
     ON CONFLICT (installation, name) DO UPDATE SET value = excluded.value`,
    [installation, name, JSON.stringify(value)],
  );
}
