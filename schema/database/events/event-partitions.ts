/** The partitions of the event log, one for each day (UTC). */
import type { Tx } from '../transaction.ts';

/**
 * Creates the day's partition for its first event, under the lock of the head row. The day may be known without a partition, if
 * retention dropped it while a clock was ahead.
 */
export async function createDay(tx: Tx, day: string, first: bigint): Promise<void> {
  await createDayPartition(tx, day);
  await tx.query('INSERT INTO event_day (day, first_position) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
    day,
    first.toString(),
  ]);
}

/**
 * Creates the partition of that day (UTC) if there is none; the caller holds the lock of the head row. The table is created first and
 * then attached: CREATE … PARTITION OF would block all readers of the log until the transaction ends.
 */
export async function createDayPartition(tx: Tx, day: string): Promise<void> {
  if (!(await isDayMissing(tx, [day]))) return;
  const table = partitionName(day);
  const next = new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
  await tx.query(`CREATE TABLE "${table}" (LIKE event INCLUDING DEFAULTS INCLUDING CONSTRAINTS)`);
  await tx.query(
    `ALTER TABLE event ATTACH PARTITION "${table}" FOR VALUES FROM ('${day} 00:00:00+00') TO ('${next} 00:00:00+00')`,
  );
}

/** Name of the partition of a day (UTC), such as `event_20260131`. */
const partitionName = (day: string): string => `event_${day.replaceAll('-', '')}`;

/**
 * Whether one of these days (UTC) has no partition. Reads the catalog's rows, because `to_regclass` may use the session's cache from
 * before it waited for the lock.
 */
export async function isDayMissing(tx: Tx, days: readonly string[]): Promise<boolean> {
  const known: { count: number }[] = await tx.query(
    'SELECT count(*)::int AS count FROM pg_class WHERE relname = ANY($1) AND relnamespace = current_schema()::regnamespace',
    [days.map(partitionName)],
  );
  return known[0]?.count !== days.length;
}
