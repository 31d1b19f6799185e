/** How long readings and occupancy are kept: readings go by whole months with their partition, occupancy in batches. What went stays known. */

import type { Tx } from '../database.ts';
import { noteDropped } from './dropped-before.ts';

/** Drops the oldest month (UTC) of readings that ended at `before` or earlier; answers it, such as 2026-01, and null when there is none. */
export async function dropReadingMonth(tx: Tx, before: Date): Promise<string | null> {
  const month = before.toISOString().slice(0, 7).replace('-', '');
  const rows: { name: string }[] = await tx.query(
    `SELECT child.relname AS name FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
     WHERE inhparent = 'meter_reading'::regclass AND child.relname ~ '^meter_reading_[0-9]{6}$' AND child.relname < $1
     ORDER BY child.relname LIMIT 1`,
    [`meter_reading_${month}`],
  );
  const name = rows[0]?.name;
  if (name === undefined) return null;
  const [year, number] = [Number(name.slice(-6, -2)), Number(name.slice(-2))];
  const some: unknown[] = await tx.query(`SELECT 1 FROM "${name}" LIMIT 1`);
  // Of an empty month nothing is lost.
  if (some.length > 0) await noteDropped(tx, 'readings', new Date(Date.UTC(year, number, 1)));
  await tx.query(`DROP TABLE "${name}"`);
  return `${name.slice(-6, -2)}-${name.slice(-2)}`;
}

/** Forgets superseded values of the months that were dropped. At most `most`. */
export async function pruneReadingHistory(tx: Tx, most: number): Promise<number> {
  const [, count]: [unknown, number] = await tx.query(
    `DELETE FROM meter_reading_history WHERE ctid = ANY(ARRAY(SELECT ctid FROM meter_reading_history
       WHERE time < (SELECT before FROM dropped_before WHERE what = 'readings') LIMIT $1))`,
    [most],
  );
  return count;
}

/** Forgets observations of occupancy that were measured before that time. At most `most`. */
export async function pruneOccupancy(tx: Tx, before: Date, most: number): Promise<number> {
  const [, count]: [unknown, number] = await tx.query(
    'DELETE FROM occupancy WHERE ctid = ANY(ARRAY(SELECT ctid FROM occupancy WHERE time < $1 LIMIT $2))',
    [before, most],
  );
  if (count > 0) await noteDropped(tx, 'occupancy', before);
  return count;
}
