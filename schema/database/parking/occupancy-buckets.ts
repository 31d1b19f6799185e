/** Occupancy by time bucket, from sums by hour and from the observations that these do not contain. */
import { droppedBeforeSql } from '../retention/dropped-before.ts';
import { bucketsSql, hourOf, nextHourOf } from '../time-buckets.ts';
import type { Tx } from '../transaction.ts';

/** Occupancy of a lot in one bucket. */
export interface OccupancyBucketRow {
  readonly lot: string;
  readonly start: Date;
  readonly mean: string | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly flagged: number;
  /** SUSPECT: all observations are flagged, or retention has deleted some. MISSING: there is none. */
  readonly quality: 'GOOD' | 'SUSPECT' | 'MISSING';
  /** Milliseconds of the bucket without measurements: the hours (or the quarter hour) in which there is none. */
  readonly missing: number;
}

/** Parameters of the statement. */
const [FROM, TO, ZONE] = ['$3::timestamptz', '$4::timestamptz', '$5::text'] as const;

const OBSERVATION = `SELECT occupied, over_capacity OR negative OR duplicate AS flagged, time FROM occupancy WHERE installation = $1 AND lot = l.lot`;
const countedSql = (
  start: string,
  condition: string,
): string => `SELECT ${start} AS start, count(*) FILTER (WHERE NOT flagged) AS measured,
        sum(occupied) FILTER (WHERE NOT flagged) AS total, min(occupied) FILTER (WHERE NOT flagged) AS min,
        max(occupied) FILTER (WHERE NOT flagged) AS max, count(*) FILTER (WHERE flagged) AS flagged FROM (${OBSERVATION} AND ${condition}) o GROUP BY 1`;

/**
 * Occupancy of several lots, one row per lot and bucket from `from` to `to`; null without measurements. Flagged rows are counted but
 * excluded from the figures. Days, months and years are those of `zone`. A bucket that retention has partly dropped is null.
 *
 * Whole hours that are built are read from their sums, everything else from the observations, in one statement.
 */
export async function occupancyBuckets(
  tx: Tx,
  installation: string,
  lots: readonly string[],
  range: { from: Date; to: Date; bucket: string; zone: string },
): Promise<OccupancyBucketRow[]> {
  // Observations are counted in pieces that lie in one bucket: those of an hour, or of a quarter hour.
  const isQuarter = range.bucket === 'QUARTER_HOUR';
  const piece = (time: string) =>
    isQuarter ? `date_bin('15 minutes', ${time}, timestamptz '2000-01-01 00:00:00+00')` : hourOf(time);
  const width = isQuarter ? "interval '15 minutes'" : "interval '1 hour'";
  // Where a bucket begins within an hour, the piece begins there, too.
  const startOfPiece = `greatest(${piece('time')}, ${FROM}, (SELECT starts[width_bucket(time, starts)] FROM edges))`;
  return tx.query(
    `WITH buckets AS MATERIALIZED (
       ${bucketsSql(range.bucket, FROM, TO, ZONE)}
     ), edges AS MATERIALIZED (
       SELECT array_agg(start ORDER BY start) AS starts, bool_and(start = ${hourOf('start')} AND stop = ${hourOf('stop')}) AS aligned,
         ${nextHourOf(FROM)} AS lo, ${hourOf(TO)} AS hi, ${droppedBeforeSql('occupancy')} AS dropped_before FROM buckets
     ), wanted AS MATERIALIZED (
       SELECT g.lot, e.lo, greatest(e.lo, least(e.hi, d.start, CASE WHEN e.aligned AND r.lot IS NOT NULL THEN r.until ELSE '-infinity' END)) AS hi
       FROM unnest($2::text[]) AS g (lot) CROSS JOIN edges e
       LEFT JOIN occupancy_rollup r ON r.installation = $1 AND r.lot = g.lot
       LEFT JOIN (SELECT lot, min(start) AS start FROM occupancy_dirty WHERE installation = $1 GROUP BY 1) d ON d.lot = g.lot
     ), pieces AS (
       SELECT l.lot, p.* FROM wanted l CROSS JOIN LATERAL (
         SELECT start, measured, total, min, max, flagged FROM occupancy_hour
         WHERE installation = $1 AND lot = l.lot AND start >= l.lo AND start < l.hi OFFSET 0) p
       UNION ALL SELECT l.lot, p.* FROM wanted l CROSS JOIN LATERAL (
         ${countedSql(startOfPiece, `time >= ${FROM} AND time < least(l.lo, ${TO})`)}) p
       UNION ALL SELECT l.lot, p.* FROM wanted l CROSS JOIN LATERAL (
         ${countedSql(startOfPiece, `time >= l.hi AND time < ${TO}`)}) p
     ), placed AS (
       SELECT p.*, (SELECT starts[width_bucket(p.start, starts)] FROM edges) AS bucket FROM pieces p
     ), sums AS (
       SELECT p.lot, p.bucket, trim_scale(round(sum(total) / nullif(sum(measured), 0), 4))::text AS mean, min(min) AS min, max(max) AS max,
         sum(measured) AS measured, sum(flagged)::int AS flagged,
         sum(extract(epoch FROM least(${piece('p.start')} + ${width}, b.stop, ${TO}) - p.start)) FILTER (WHERE measured > 0) AS seconds
       FROM placed p JOIN buckets b ON b.start = p.bucket GROUP BY 1, 2
     )
     SELECT l.lot, b.start, s.mean, s.min, s.max, coalesce(s.flagged, 0) AS flagged,
       CASE WHEN d.dropped OR s.measured = 0 THEN 'SUSPECT' WHEN s.measured IS NULL THEN 'MISSING' ELSE 'GOOD' END AS quality,
       (1000 * (extract(epoch FROM least(b.stop, ${TO}) - greatest(b.start, ${FROM})) - coalesce(s.seconds, 0)))::float8 AS missing
     FROM wanted l CROSS JOIN buckets b
       CROSS JOIN LATERAL (SELECT coalesce(b.start < (SELECT dropped_before FROM edges), false) AS dropped) d
       LEFT JOIN sums s ON s.lot = l.lot AND s.bucket = b.start AND NOT d.dropped
     WHERE ${ZONE} IS NOT NULL
     ORDER BY l.lot, b.start`,
    [installation, lots, range.from, range.to, range.zone],
  );
}
