/** Sums of occupancy by hour (entities/parking.ts): which are outdated, and how they are built. docs/decisions/0035-rollups.md explains it. */
import { lockKey, tryLock } from '../advisory-locks.ts';
import { hourOf } from '../time-buckets.ts';
import type { Tx } from '../transaction.ts';

/** Lot and time of an observation. */
export interface ObservedPlace {
  readonly lot: string;
  readonly time: Date;
}

/** A writer of observations holds this lock until it commits; `claimOccupancySums` waits for all holders. */
export const lockAgainstSums = (tx: Tx): Promise<unknown> =>
  tx.query('SELECT pg_advisory_xact_lock_shared($1)', [lockKey('occupancySums')]);

/** Records the hours of observations that sums may contain. In the transaction that changes them, after `lockAgainstSums`. */
export async function recordOutdatedHours(
  tx: Tx,
  installation: string,
  places: readonly ObservedPlace[],
): Promise<void> {
  if (places.length === 0) return;
  await tx.query(
    `INSERT INTO occupancy_dirty (installation, lot, start)
     SELECT DISTINCT $1, g.lot, ${hourOf('g.time')} FROM unnest($2::text[], $3::timestamptz[]) AS g (lot, time)
     JOIN occupancy_rollup r ON r.installation = $1 AND r.lot = g.lot AND g.time < r.claimed`,
    [installation, places.map(({ lot }) => lot), places.map(({ time }) => time)],
  );
}

/** A lot whose sums can be extended or are outdated. */
export interface UnsummedLot {
  readonly installation: string;
  readonly lot: string;
  /** Whole hour before which its sums may reach, as text of the database. */
  readonly target: string;
}

/** The lots of these installations whose sums can be extended or are outdated. */
export function unsummedLots(tx: Tx, installations: readonly string[]): Promise<UnsummedLot[]> {
  // Lots are found one after the other in the index, each by one step.
  return tx.query(
    `WITH RECURSIVE lots AS (
       SELECT i.id AS installation, (SELECT min(lot) FROM occupancy WHERE installation = i.id) AS lot FROM unnest($1::text[]) AS i (id)
       UNION ALL
       SELECT installation, (SELECT min(o.lot) FROM occupancy o WHERE o.installation = lots.installation AND o.lot > lots.lot) FROM lots WHERE lot IS NOT NULL
     )
     SELECT l.installation, l.lot, coalesce(n.target, r.claimed)::text AS target FROM lots l
     LEFT JOIN occupancy_rollup r ON r.installation = l.installation AND r.lot = l.lot
     CROSS JOIN LATERAL (SELECT ${hourOf('max(time)')} AS target FROM occupancy WHERE installation = l.installation AND lot = l.lot) n
     WHERE l.lot IS NOT NULL AND (r.lot IS NULL OR r.until < n.target
       OR EXISTS (SELECT FROM occupancy_dirty d WHERE d.installation = l.installation AND d.lot = l.lot))
     ORDER BY 1, 2`,
    [installations],
  );
}

/** Values of statements about lots: `g (installation, lot, target)`. */
const LOTS = 'unnest($1::text[], $2::text[], $3::timestamptz[]) AS g (installation, lot, target)';
const valuesOf = (lots: readonly UnsummedLot[]) => [
  lots.map(({ installation }) => installation),
  lots.map(({ lot }) => lot),
  lots.map(({ target }) => target),
];

/** Announces how far the sums of lots will reach; as `claimSums` of the energy store does. */
export async function claimOccupancySums(tx: Tx, lots: readonly UnsummedLot[]): Promise<void> {
  await tx.query("SET LOCAL lock_timeout = '1s'");
  await tx.query('SELECT pg_advisory_xact_lock($1)', [lockKey('occupancySums')]);
  await tx.query(
    `INSERT INTO occupancy_rollup AS r (installation, lot, claimed, until) SELECT installation, lot, target, '-infinity' FROM ${LOTS}
     ON CONFLICT (installation, lot) DO UPDATE SET claimed = greatest(r.claimed, excluded.claimed)`,
    valuesOf(lots),
  );
}

/**
 * Makes one step for claimed lots: adds up to 31 days of observations, and builds outdated hours anew. Resolves with the lots that need
 * another step; null if another process builds sums at the moment.
 */
export async function buildOccupancySums(tx: Tx, lots: readonly UnsummedLot[]): Promise<UnsummedLot[] | null> {
  if (!(await tryLock(tx, 'sumBuilder'))) return null;
  const values = valuesOf(lots);
  const [outdated]: [{ installation: string; lot: string; start: Date }[], number] = await tx.query(
    `DELETE FROM occupancy_dirty d USING ${LOTS} WHERE d.installation = g.installation AND d.lot = g.lot
     RETURNING d.installation, d.lot, d.start`,
    values,
  );
  const steps: { installation: string; lot: string; since: Date; until: Date; complete: boolean }[] = await tx.query(
    `SELECT r.installation, r.lot, s.since, least(r.claimed, s.since + interval '31 days') AS until, s.since = '-infinity' OR s.since + interval '31 days' >= r.claimed AS complete
     FROM ${LOTS} JOIN occupancy_rollup r ON r.installation = g.installation AND r.lot = g.lot
     CROSS JOIN LATERAL (SELECT least(r.claimed, greatest(r.until, (SELECT ${hourOf('min(time)')} FROM occupancy
       WHERE installation = r.installation AND lot = r.lot AND time >= r.until))) AS since) s`,
    values,
  );
  const hours = [
    ...outdated.map(({ installation, lot, start }) => ({
      ...{ installation, lot, since: start, until: new Date(start.getTime() + 3_600_000) },
    })),
    ...steps,
  ];
  const ranges = [
    hours.map(({ installation }) => installation),
    hours.map(({ lot }) => lot),
    hours.map(({ since }) => since),
    hours.map(({ until }) => until),
  ];
  const RANGES =
    'unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[]) AS g (installation, lot, since, until)';
  await tx.query(
    `DELETE FROM occupancy_hour h USING ${RANGES}
     WHERE h.installation = g.installation AND h.lot = g.lot AND h.start >= g.since AND h.start < g.until`,
    ranges,
  );
  // An hour can be in several ranges; it is counted from all of its observations in each.
  await tx.query(
    `INSERT INTO occupancy_hour (installation, lot, start, measured, total, min, max, flagged)
     SELECT DISTINCT g.installation, g.lot, o.* FROM ${RANGES} CROSS JOIN LATERAL (
       SELECT ${hourOf('time')}, count(*) FILTER (WHERE NOT flagged), coalesce(sum(occupied) FILTER (WHERE NOT flagged), 0),
         min(occupied) FILTER (WHERE NOT flagged), max(occupied) FILTER (WHERE NOT flagged), count(*) FILTER (WHERE flagged)
       FROM (SELECT time, occupied, over_capacity OR negative OR duplicate AS flagged FROM occupancy
         WHERE installation = g.installation AND lot = g.lot AND time >= g.since AND time < g.until) x GROUP BY 1) o`,
    ranges,
  );
  await tx.query(
    `UPDATE occupancy_rollup r SET until = greatest(r.until, g.until) FROM ${RANGES} WHERE r.installation = g.installation AND r.lot = g.lot`,
    [
      steps.map((one) => one.installation),
      steps.map((one) => one.lot),
      steps.map((one) => one.since),
      steps.map((one) => one.until),
    ],
  );
  const unfinished = new Set(steps.flatMap((one) => (one.complete ? [] : [`${one.installation} ${one.lot}`])));
  return lots.filter(({ installation, lot }) => unfinished.has(`${installation} ${lot}`));
}
