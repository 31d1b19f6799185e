/** The event log's upkeep: a day's partition made ahead, keys and kept answers pruned. */

import type { Tx } from '../database.ts';
import { lacksDay, makeDayTable } from './event-log.ts';

const DAY = 86_400_000;
const dayOf = (time: number): string => new Date(time).toISOString().slice(0, 10);

/** One replica at a time does the upkeep; false: another is at it. Holds until the transaction ends. */
export async function claimUpkeep(tx: Tx): Promise<boolean> {
  const rows: { free: boolean }[] = await tx.query(
    "SELECT pg_try_advisory_xact_lock(hashtext('isthmus event upkeep')) AS free",
  );
  // Readers and writers queue behind a lock that waits; rather this round fails and the next tries again.
  await tx.query("SET LOCAL lock_timeout = '5s'");
  return rows[0]?.free === true;
}

/** Makes the partitions of `now`'s day and the next, so that no writer has to. A day's first position is noted by its first event. */
export async function makeDaysAhead(tx: Tx, now: Date): Promise<void> {
  const days = [dayOf(now.getTime()), dayOf(now.getTime() + DAY)];
  if (!(await lacksDay(tx, days))) return;
  // The first event of a day makes its partition under this lock.
  await tx.query('SELECT position FROM event_head FOR UPDATE');
  for (const day of days) await makeDayTable(tx, day);
}

/** Forgets foreign ids noted before that time: an event that comes again after it counts as new. At most `most`. */
export async function pruneEventKeys(tx: Tx, before: Date, most: number): Promise<number> {
  const [, count]: [unknown, number] = await tx.query(
    `DELETE FROM event_key WHERE ctid = ANY(ARRAY(SELECT ctid FROM event_key WHERE recorded_at < $1 LIMIT $2))`,
    [before, most],
  );
  return count;
}

/** Forgets answers of mutations begun before that time; those without an end stay, for someone has to look. At most `most`. */
export async function pruneAnswers(tx: Tx, before: Date, most: number): Promise<number> {
  const [, count]: [unknown, number] = await tx.query(
    `DELETE FROM mutation WHERE ctid = ANY(
       ARRAY(SELECT ctid FROM mutation WHERE state = 'DONE' AND started_at < $1 LIMIT $2))`,
    [before, most],
  );
  return count;
}
