/** Records which sums of a meter (entities/energy.ts) are outdated by readings that were added late, corrected or deleted. */
import { lockKey } from '../advisory-locks.ts';
import { hourOf } from '../time-buckets.ts';
import type { Tx } from '../transaction.ts';
import { settledHour } from './reading-intervals.ts';

/**
 * SQL: a writer of readings holds this lock until it commits. `claimSums` waits for all holders, so that each writer either is finished, or
 * knows the claim and records what it outdates.
 */
export const WRITER_LOCK = `pg_advisory_xact_lock_shared(${lockKey('energySums')})`;

/** Readings of a meter that have changed, from the first to the last: times, as dates or as text of the database. */
export interface ChangedReadings {
  readonly meter: string;
  readonly first: Date | string;
  readonly last: Date | string;
}

/** SQL: `ChangedReadings` of those rows of a relation `c (meter, time)` that sums may contain. */
export const changedInSums = (relation: string): string =>
  `SELECT c.meter, min(c.time) AS first, max(c.time) AS last FROM ${relation}
   JOIN energy_rollup r ON r.meter = c.meter AND c.time <= r.claimed GROUP BY c.meter`;

/**
 * Records the sums that these readings outdate: those of the intervals around them, since a reading decides whether its neighbours are
 * ignored. In the transaction that changes them, after the change.
 */
export async function recordOutdated(tx: Tx, changes: readonly ChangedReadings[]): Promise<void> {
  if (changes.length === 0) return;
  const reading = (what: 'min' | 'max', condition: string) =>
    `(SELECT ${what}(time) FROM meter_reading WHERE meter = g.meter AND ${condition})`;
  await tx.query(
    `INSERT INTO energy_dirty (meter, since, until, read_from)
     SELECT g.meter, s.since, ${hourOf(`coalesce(${reading('min', 'time > g.last')}, g.last)`)} + interval '1 hour',
       coalesce(${reading('max', 'time < s.since')}, '-infinity')
     FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS g (meter, first, last)
     CROSS JOIN LATERAL (SELECT coalesce(${settledHour('g.meter', 'time < g.first')}, '-infinity') AS since) s`,
    [changes.map((one) => one.meter), changes.map((one) => one.first), changes.map((one) => one.last)],
  );
}

/**
 * Records that all readings before a time were deleted. After the deletion, in a transaction that keeps others from reading `meter_reading`
 * until it ends.
 */
export async function recordDeleted(tx: Tx, before: Date): Promise<void> {
  await tx.query(
    `INSERT INTO energy_dirty (meter, since, until, read_from)
     SELECT r.meter, '-infinity', ${hourOf(`greatest($1, (SELECT min(time) FROM meter_reading WHERE meter = r.meter))`)} + interval '1 hour', '-infinity'
     FROM energy_rollup r`,
    [before],
  );
}
