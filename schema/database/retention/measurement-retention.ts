/** Retention of measurements: readings by whole months with their partitions, occupancy in batches. Dropped ranges are recorded. */
import { recordDeleted } from '../energy/outdated-sums.ts';
import type { Tx } from '../transaction.ts';
import { deleteBatch } from './delete-batch.ts';
import { droppedBeforeSql, recordDropped } from './dropped-before.ts';
import { partitionsBefore } from './old-partitions.ts';

/** Drops the oldest month (UTC) of readings that ended at `before` or earlier; resolves with it, such as `2026-01`, or null. */
export async function dropReadingMonth(tx: Tx, before: Date): Promise<string | null> {
  const month = before.toISOString().slice(0, 7).replace('-', '');
  const [name] = await partitionsBefore(tx, 'meter_reading', /^meter_reading_\d{6}$/, `meter_reading_${month}`);
  if (name === undefined) return null;
  const [year, number] = [Number(name.slice(-6, -2)), Number(name.slice(-2))];
  const readings: unknown[] = await tx.query(`SELECT 1 FROM "${name}" LIMIT 1`);
  // An empty month loses no data.
  if (readings.length > 0) await recordDropped(tx, 'readings', new Date(Date.UTC(year, number, 1)));
  await tx.query(`DROP TABLE "${name}"`);
  if (readings.length > 0) await recordDeleted(tx, new Date(Date.UTC(year, number, 1)));
  return `${name.slice(-6, -2)}-${name.slice(-2)}`;
}

/** Deletes at most `limit` superseded readings of dropped months; resolves with their number. */
export const pruneReadingHistory = (tx: Tx, limit: number): Promise<number> =>
  deleteBatch(tx, 'meter_reading_history', `time < ${droppedBeforeSql('readings')}`, [], limit);

/** Deletes at most `limit` hours of occupancy of dropped days; resolves with their number. */
export const pruneOccupancyHours = (tx: Tx, limit: number): Promise<number> =>
  deleteBatch(tx, 'occupancy_hour', `start < ${droppedBeforeSql('occupancy')}`, [], limit);

/** Deletes at most `limit` occupancy observations from before that time; resolves with their number. */
export async function pruneOccupancy(tx: Tx, before: Date, limit: number): Promise<number> {
  const count = await deleteBatch(tx, 'occupancy', 'time < $1', [before], limit);
  if (count > 0) await recordDropped(tx, 'occupancy', before);
  return count;
}
