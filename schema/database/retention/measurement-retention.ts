/** Retention of measurements: readings by whole months with their partitions, occupancy in batches. Dropped ranges are recorded. */
import type { Tx } from '../transaction.ts';
import { recordDropped } from './dropped-before.ts';

/** Drops the oldest month (UTC) of readings that ended at `before` or earlier; resolves with it, such as `2026-01`, or null. */
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
  const readings: unknown[] = await tx.query(`SELECT 1 FROM "${name}" LIMIT 1`);
  // An empty month loses no data.
  if (readings.length > 0) await recordDropped(tx, 'readings', new Date(Date.UTC(year, number, 1)));
  await tx.query(`DROP TABLE "${name}"`);
  return `${name.slice(-6, -2)}-${name.slice(-2)}`;
}

/** Deletes at most `limit` superseded readings of dropped months; resolves with their number. */
export async function pruneReadingHistory(tx: Tx, limit: number): Promise<number> {
  const [, count]: [unknown, number] = await tx.query(
    `DELETE FROM meter_reading_history WHERE ctid = ANY(ARRAY(SELECT ctid FROM meter_reading_history
       WHERE time < (SELECT before FROM dropped_before WHERE what = 'readings') LIMIT $1))`,
    [limit],
  );
  return count;
}

/** Deletes at most `limit` occupancy observations from before that time; resolves with their number. */
export async function pruneOccupancy(tx: Tx, before: Date, limit: number): Promise<number> {
  const [, count]: [unknown, number] = await tx.query(
    'DELETE FROM occupancy WHERE ctid = ANY(ARRAY(SELECT ctid FROM occupancy WHERE time < $1 LIMIT $2))',
    [before, limit],
  );
  if (count > 0) await recordDropped(tx, 'occupancy', before);
  return count;
}
