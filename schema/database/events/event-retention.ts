/** How long the log is kept: whole days are dropped with their partition, and what is left tells where it begins. */
import type { Tx } from '../database.ts';

/** Drops the days (UTC) that ended at `before` or earlier, also empty ones. `event_day` keeps where each began. Answers the days, oldest first. */
export async function dropEventsBefore(tx: Tx, before: Date): Promise<string[]> {
  const rows: { name: string }[] = await tx.query(
    `SELECT child.relname AS name FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
     WHERE inhparent = 'event'::regclass AND child.relname < $1 ORDER BY child.relname`,
    [`event_${before.toISOString().slice(0, 10).replaceAll('-', '')}`],
  );
  const days = rows.flatMap(({ name }) => {
    const found = /^event_(\d{4})(\d\d)(\d\d)$/.exec(name);
    return found ? [{ name, day: `${found[1]}-${found[2]}-${found[3]}` }] : [];
  });
  for (const { name } of days) await tx.query(`DROP TABLE "${name}"`);
  return days.map((one) => one.day);
}

/** The position before the oldest event still held, and when that event was recorded; null for a log that never held one. */
export async function logStart(tx: Tx): Promise<{ before: bigint; time: Date } | null> {
  // Within a day a clock may have been set back: then the oldest by time is not the first by position.
  const rows: { position: string; time: Date }[] = await tx.query(
    `SELECT coalesce((SELECT first_position FROM event_day WHERE day = (oldest.recorded_at AT TIME ZONE 'UTC')::date), position)
       AS position, recorded_at AS time
     FROM (SELECT position, recorded_at FROM event ORDER BY recorded_at, position LIMIT 1) AS oldest`,
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
