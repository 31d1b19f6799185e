/** Retention of the event log: drops whole days with their partitions, and finds the start of the log. */
import { partitionsBefore } from '../retention/old-partitions.ts';
import type { Tx } from '../transaction.ts';

/** Drops the days (UTC) that ended at `before` or earlier, also empty ones. `event_day` keeps their first positions. Resolves with the days, oldest first. */
export async function dropEventsBefore(tx: Tx, before: Date): Promise<string[]> {
  const names = await partitionsBefore(
    tx,
    'event',
    /^event_\d{8}$/,
    `event_${before.toISOString().slice(0, 10).replaceAll('-', '')}`,
  );
  for (const name of names) await tx.query(`DROP TABLE "${name}"`);
  return names.map((name) => name.replace(/^event_(\d{4})(\d\d)(\d\d)$/, '$1-$2-$3'));
}

/** The position before the oldest stored event, and when that event was recorded; null if there was never an event. */
export async function logStart(tx: Tx): Promise<{ before: bigint; time: Date } | null> {
  // If a clock was set back within a day, the oldest event by time is not the first by position.
  const rows: { position: string; time: Date }[] = await tx.query(
    `SELECT coalesce((SELECT first_position FROM event_day WHERE day = (oldest.recorded_at AT TIME ZONE 'UTC')::date), position)
       AS position, recorded_at AS time
     FROM (SELECT position, recorded_at FROM event ORDER BY recorded_at, position LIMIT 1) AS oldest`,
  );
  const row = rows[0];
  if (row) return { before: BigInt(row.position) - 1n, time: row.time };
  // All days were dropped: the log starts after its head, at the end of the last day.
  const [empty]: { position: string; time: Date | null }[] = await tx.query(
    `SELECT position, (SELECT (max(day) + 1)::timestamp AT TIME ZONE 'UTC' FROM event_day) AS time FROM event_head`,
  );
  return empty?.time ? { before: BigInt(empty.position), time: empty.time } : null;
}

/** Start of the day in which the event after this position was recorded, even if it was dropped; null for an empty log. */
export async function dayOfNextEvent(tx: Tx, position: string): Promise<Date | null> {
  const rows: { time: Date | null }[] = await tx.query(
    `SELECT coalesce(max(day) FILTER (WHERE first_position <= $1::bigint + 1), min(day))::timestamp AT TIME ZONE 'UTC' AS time
     FROM event_day`,
    [position],
  );
  return rows[0]?.time ?? null;
}
