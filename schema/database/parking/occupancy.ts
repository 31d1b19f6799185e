/** Occupancy observations; implausible ones are flagged. */
import type { Tx } from '../transaction.ts';
import { lockAgainstSums, type ObservedPlace, recordOutdatedHours } from './occupancy-rollup.ts';

/** An occupancy observation. */
export interface ObservationInput {
  readonly id: string;
  readonly lot: string;
  readonly time: Date;
  readonly occupied: number;
  readonly capacity: number | null;
}

/**
 * Saves observations, one per vendor id; resolves with the new ids. With `correct`, changed figures of a saved one are updated.
 * Flags implausible ones: more cars than places, a negative count, a second one of the same lot and time.
 */
export async function saveObservations(
  tx: Tx,
  installation: string,
  all: readonly ObservationInput[],
  options: { correct: boolean },
): Promise<Set<string>> {
  const distinct = [...new Map(all.map((observation) => [observation.id, observation])).values()].sort((a, b) =>
    a.id < b.id ? -1 : 1,
  );
  if (distinct.length === 0) return new Set();
  await lockAgainstSums(tx);
  const changed: ObservedPlace[] = [];
  const given = [
    installation,
    distinct.map((observation) => observation.id),
    distinct.map((observation) => observation.lot),
    distinct.map((observation) => observation.time),
    distinct.map((observation) => observation.occupied),
    distinct.map((observation) => observation.capacity),
  ];
  const observations =
    'unnest($2::text[], $3::text[], $4::timestamptz[], $5::int[], $6::int[]) AS g (id, lot, time, occupied, capacity)';
  if (options.correct) {
    const [moved]: [(ObservedPlace & { to: string; at: Date })[], number] = await tx.query(
      `UPDATE occupancy o SET lot = g.lot, time = g.time, occupied = g.occupied, capacity = g.capacity,
         over_capacity = coalesce(g.occupied > g.capacity, false), negative = g.occupied < 0
       FROM ${observations}, occupancy before
       WHERE o.installation = $1 AND o.vendor_id = g.id AND before.installation = $1 AND before.vendor_id = g.id
         AND (o.lot, o.time, o.occupied, o.capacity) IS DISTINCT FROM (g.lot, g.time, g.occupied, g.capacity)
       RETURNING before.lot, before.time, o.lot AS to, o.time AS at`,
      given,
    );
    if (moved.length > 0) await flagDuplicates(tx, installation, [...moved, ...distinct]);
    changed.push(...moved, ...moved.map(({ to, at }) => ({ lot: to, time: at })));
  }
  const rows: { id: string }[] = await tx.query(
    `WITH given AS (
       SELECT * FROM ${observations}
       WHERE NOT EXISTS (SELECT 1 FROM occupancy o WHERE o.installation = $1 AND o.vendor_id = g.id)
     )
     INSERT INTO occupancy (installation, vendor_id, lot, time, occupied, capacity, over_capacity, negative, duplicate)
     SELECT $1, id, lot, time, occupied, capacity, coalesce(occupied > capacity, false), occupied < 0,
       row_number() OVER (PARTITION BY lot, time ORDER BY id) > 1
         OR EXISTS (SELECT 1 FROM occupancy o WHERE o.installation = $1 AND o.lot = given.lot AND o.time = given.time)
     FROM given
     ON CONFLICT (installation, vendor_id) DO NOTHING RETURNING vendor_id AS id`,
    given,
  );
  const added = new Set(rows.map((row) => row.id));
  changed.push(...distinct.filter(({ id }) => added.has(id)));
  await recordOutdatedHours(tx, installation, changed);
  return added;
}

/** Deletes observations that the vendor has deleted, and updates the duplicate flags of others. */
export async function deleteObservations(tx: Tx, installation: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await lockAgainstSums(tx);
  const [deleted]: [ObservedPlace[], number] = await tx.query(
    'DELETE FROM occupancy WHERE installation = $1 AND vendor_id = ANY($2) RETURNING lot, time',
    [installation, ids],
  );
  if (deleted.length === 0) return;
  await flagDuplicates(tx, installation, deleted);
  await recordOutdatedHours(tx, installation, deleted);
}

/** Of each lot and time, one row is not a duplicate: the current one, or the one with the lowest id. */
async function flagDuplicates(tx: Tx, installation: string, places: readonly ObservedPlace[]): Promise<void> {
  await tx.query(
    `UPDATE occupancy o SET duplicate = ranked.n > 1
     FROM (SELECT vendor_id, row_number() OVER (PARTITION BY lot, time ORDER BY duplicate, vendor_id) AS n
       FROM occupancy WHERE installation = $1 AND (lot, time) IN (SELECT * FROM unnest($2::text[], $3::timestamptz[]))) ranked
     WHERE o.installation = $1 AND o.vendor_id = ranked.vendor_id AND o.duplicate IS DISTINCT FROM (ranked.n > 1)`,
    [installation, places.map((place) => place.lot), places.map((place) => place.time)],
  );
}
