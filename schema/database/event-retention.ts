/** How long the log is kept: whole days are dropped with their partition, and what is left tells where it begins. */
import type { Tx } from './open.ts';

/**
 * Drops the days that ended before `before`, and the foreign ids of their events: a legacy system that delivers one of them again
 * after that time would be believed. Answers the days dropped. `event_day` keeps where each day began, so that a gap can say since
 * when. In a transaction of its own.
 */
export async function dropEventsBefore(tx: Tx, before: Date): Promise<string[]> {
  const days: { day: string; partition: string }[] = await tx.query(
    `SELECT day::text AS day, 'event_' || to_char(day, 'YYYYMMDD') AS partition FROM event_day
     WHERE (day + 1)::timestamp AT TIME ZONE 'UTC' <= $1 AND to_regclass('event_' || to_char(day, 'YYYYMMDD')) IS NOT NULL
     ORDER BY day`,
    [before],
  );
  for (const { partition } of days) await tx.query(`DROP TABLE "${partition}"`);
  const last = days.at(-1)?.day;
  if (last !== undefined) {
    await tx.query(`DELETE FROM event_key WHERE recorded_at < ($1::date + 1)::timestamp AT TIME ZONE 'UTC'`, [last]);
  }
  return days.map((one) => one.day);
}

/** The position before the oldest event still held, and when that event was recorded; null for a log that never held one. */
export async function logStart(tx: Tx): Promise<{ before: bigint; time: Date } | null> {
  const rows: { position: string; time: Date }[] = await tx.query(
    'SELECT position, recorded_at AS time FROM event ORDER BY recorded_at, position LIMIT 1',
  );
  const row = rows[0];
  if (row) return { before: BigInt(row.position) - 1n, time: row.time };
  // Every day was dropped: the log begins behind its head, when the last day ended.
  const [empty]: { position: string; time: Date | null }[] = await tx.query(
    `SELECT position, (SELECT (max(day) + 1)::timestamp AT TIME ZONE 'UTC' FROM event_day) AS time FROM event_head`,
  );
  return empty?.time ? { before: BigInt(empty.position), time: empty.time } : null;
}

/** The begin of the day in which the event behind this position was recorded, whether it is still held or not. */
export async function dayBehind(tx: Tx, position: string): Promise<Date | null> {
  const rows: { time: Date | null }[] = await tx.query(
    `SELECT coalesce(max(day) FILTER (WHERE first_position <= $1::bigint + 1), min(day))::timestamp AT TIME ZONE 'UTC' AS time
     FROM event_day`,
    [position],
  );
  return rows[0]?.time ?? null;
}
