/** Maintenance of the event log: partitions in advance, pruning of event keys and of stored mutation responses. */
import { deleteBatch } from '../retention/delete-batch.ts';
import type { Tx } from '../transaction.ts';
import { createDayPartition, isDayMissing } from './event-partitions.ts';

const DAY = 86_400_000;
const dayOf = (time: number): string => new Date(time).toISOString().slice(0, 10);

/** Claims the maintenance until the transaction ends; resolves with false if another replica runs it. */
export async function claimMaintenance(tx: Tx): Promise<boolean> {
  const rows: { free: boolean }[] = await tx.query(
    "SELECT pg_try_advisory_xact_lock(hashtext('isthmus event upkeep')) AS free",
  );
  // Readers and writers queue behind a waiting lock: this run should rather fail and be repeated.
  await tx.query("SET LOCAL lock_timeout = '5s'");
  return rows[0]?.free === true;
}

/** Creates the partitions of the day of `now` and the next, so that no writer has to. The first event of a day records its position. */
export async function createDaysAhead(tx: Tx, now: Date): Promise<void> {
  const days = [dayOf(now.getTime()), dayOf(now.getTime() + DAY)];
  if (!(await isDayMissing(tx, days))) return;
  // The same lock under which the first event of a day creates its partition.
  await tx.query('SELECT position FROM event_head FOR UPDATE');
  for (const day of days) await createDayPartition(tx, day);
}

/** Deletes at most `limit` foreign ids recorded before that time; a later repetition counts as a new event. Resolves with their number. */
export const pruneEventKeys = (tx: Tx, before: Date, limit: number): Promise<number> =>
  deleteBatch(tx, 'event_key', 'recorded_at < $1', [before], limit);

/** Deletes at most `limit` completed mutations started before that time; unfinished ones stay for inspection. Resolves with their number. */
export const pruneMutations = (tx: Tx, before: Date, limit: number): Promise<number> =>
  deleteBatch(tx, 'mutation', "state = 'DONE' AND started_at < $1", [before], limit);
