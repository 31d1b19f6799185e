/** The statement that answers consumption from sums and readings. docs/decisions/0035-rollups.md explains it. */
import { droppedBeforeSql } from '../retention/dropped-before.ts';
import { bucketsSql, hourOf, nextHourOf, nextStartOfUnit, startOfUnit } from '../time-buckets.ts';
import { firstCountedFrom, INTERVALS, lastCountedBefore, UNIT_FACTORS } from './reading-intervals.ts';

/** What consumption is added up for. */
export type MeterGroup = 'company' | 'building' | 'park' | 'meter';

const metersOfKeys = (condition: string): string => `unnest($1::text[]) AS k (key) JOIN meter m ON ${condition}`;
/** SQL: the meters `m` of each key `k.key`. */
export const METERS_OF_KEYS: Readonly<Record<MeterGroup, string>> = {
  company: metersOfKeys('m.company = k.key'),
  building: metersOfKeys('m.building = k.key'),
  meter: metersOfKeys('m.id = k.key'),
  // The caller restricts the installations to those of the park.
  park: metersOfKeys('true'),
};

/** How a bucket is answered. */
interface BucketPlan {
  /** A longer interval is a gap: it belongs to the bucket in which it ends. Twice the bucket's width. */
  readonly gap: string;
  /** Widest sums that are used. */
  readonly sums: 'none' | 'hour' | 'day' | 'month';
  /** Levels of `energy_gap` in which such gaps are. */
  readonly gapLevels: string;
}
const PLANS: Readonly<Record<string, BucketPlan>> = {
  QUARTER_HOUR: { gap: '30 minutes', sums: 'none', gapLevels: '1, 2, 3' },
  DAY: { gap: '48 hours', sums: 'day', gapLevels: '2, 3' },
  MONTH: { gap: '60 days', sums: 'month', gapLevels: '3' },
  YEAR: { gap: '720 days', sums: 'month', gapLevels: '3' },
};
const HOUR_PLAN: BucketPlan = { gap: '2 hours', sums: 'hour', gapLevels: '1, 2, 3' };

/** Parameters of the statement. */
const [FROM, TO, ZONE] = ['$3::timestamptz', '$4::timestamptz', '$5::text'] as const;
const STARTS = '(SELECT starts FROM edges)';
const DROPPED_BEFORE = '(SELECT dropped_before FROM edges)';
/** Readings after a deletion: the first one within this time is the end of an interval whose start may be deleted. */
const AFTER_DROPPED = "interval '31 days'";

/** Starts of the buckets, and the whole hours, days and months in the range. */
const edges = `SELECT (SELECT array_agg(start ORDER BY start) FROM buckets) AS starts,
    (SELECT bool_and(start = ${hourOf('start')} AND stop = ${hourOf('stop')}) FROM buckets) AS aligned,
    ${nextHourOf(FROM)} AS lo, ${hourOf(TO)} AS hi,
    ${nextStartOfUnit('day', nextHourOf(FROM), ZONE)} AS day_lo, ${nextStartOfUnit('month', nextHourOf(FROM), ZONE)} AS month_lo,
    ${droppedBeforeSql('readings')} AS dropped_before`;

/**
 * The meters of each key. Intervals that start before the whole hour `until` are counted by sums, later ones by readings. `raw`: by readings
 * only, because sums are not built, or with another unit or modulus, or a bucket does not begin at a whole hour, or so few sums are right that
 * reading the range is cheaper.
 */
const wanted = (by: MeterGroup, medium: boolean, { sums }: BucketPlan): string => `
  SELECT w.*, CASE WHEN raw THEN '-infinity' ELSE built END AS until FROM (
    SELECT k.key, m.id AS meter, m.modulus, u.factor, u.base, r.zone = ${ZONE} AS same_zone,
      least(r.until, d.since) AS built, least(r.read_from, d.read_from) AS read_from,
      r.meter IS NULL OR ${sums === 'none'} OR NOT e.aligned OR ((d.meter IS NOT NULL OR NOT r.complete)
        AND least(r.until, d.since) < r.claimed - greatest(${TO} - ${FROM}, interval '1 day')) AS raw
    FROM ${METERS_OF_KEYS[by]} CROSS JOIN edges e LEFT JOIN ${UNIT_FACTORS} ON u.unit = m.unit
      LEFT JOIN energy_rollup r ON r.meter = m.id AND r.unit IS NOT DISTINCT FROM m.unit AND r.modulus IS NOT DISTINCT FROM m.modulus
      LEFT JOIN (SELECT meter, min(since) AS since, min(read_from) AS read_from FROM energy_dirty GROUP BY meter) d ON d.meter = m.id
    WHERE m.installation = ANY($2)${medium ? ' AND m.medium = $6' : ''}
  ) w`;

/**
 * The part `lo` to `hi` of the range that sums answer. Whole days are from `day_lo` to `day_hi`, whole months in these from `month_lo` to
 * `month_hi`; without any, both are the end of the wider part.
 */
const clean = ({ sums }: BucketPlan): string => {
  const days = sums === 'day' || sums === 'month' ? 'same_zone AND first_day < last_day' : 'false';
  const months = sums === 'month' ? 'first_month < last_month' : 'false';
  return `
  SELECT key, meter, lo, hi, day_lo, day_hi, CASE WHEN ${months} THEN first_month ELSE day_hi END AS month_lo,
    CASE WHEN ${months} THEN last_month ELSE day_hi END AS month_hi
  FROM (SELECT c.*, greatest(c.day_lo, e.month_lo) AS first_month, ${startOfUnit('month', 'c.day_hi', ZONE)} AS last_month FROM (
      SELECT key, meter, lo, hi, CASE WHEN ${days} THEN first_day ELSE hi END AS day_lo, CASE WHEN ${days} THEN last_day ELSE hi END AS day_hi
      FROM (SELECT w.*, e.day_lo AS first_day, ${startOfUnit('day', 'w.hi', ZONE)} AS last_day FROM (
          SELECT w.key, w.meter, w.same_zone, e.lo, least(e.hi, w.until) AS hi FROM wanted w CROSS JOIN edges e
        ) w CROSS JOIN edges e WHERE w.lo < w.hi) d
    ) c CROSS JOIN edges e) m`;
};

const SUM = 'start AS at, amount, measured, estimated, suspect, corrected';
/** The sums of one width, in the parts of the range that they answer. OFFSET 0 keeps one index scan per meter. */
const sumsOf = (width: string, ...spans: readonly (readonly [string, string])[]): string =>
  spans
    .map(
      ([lo, hi]) => `SELECT c.key, c.meter, t.* FROM clean c CROSS JOIN LATERAL (
        SELECT ${SUM} FROM energy_${width} WHERE meter = c.meter AND start >= c.${lo} AND start < c.${hi} OFFSET 0) t WHERE c.${lo} < c.${hi}`,
    )
    .join('\n      UNION ALL ');

const GAP = 'since, time, amount, estimated, suspect, corrected';
/** The intervals that the sums of one width leave out, in the same parts. */
const gapsOf = (levels: string, ...spans: readonly (readonly [string, string])[]): string =>
  spans
    .map(
      ([lo, hi]) => `SELECT c.key, c.meter, g.* FROM clean c CROSS JOIN LATERAL (
        SELECT ${GAP} FROM energy_gap WHERE meter = c.meter AND level IN (${levels}) AND since >= c.${lo} AND since < c.${hi} OFFSET 0) g WHERE c.${lo} < c.${hi}`,
    )
    .join('\n      UNION ALL ');

/** Series of readings to count, one per meter: those that the sums do not contain. */
const NEWEST_READINGS = `SELECT key, meter, factor, modulus, read_from, 'infinity'::timestamptz AS read_to, until AS lo, 'infinity'::timestamptz AS hi
      FROM wanted WHERE until < ${TO} AND NOT raw`;
const cut = (from: string, to: string, lo: string, condition: string): string =>
  `SELECT w.key, w.meter, w.factor, w.modulus, coalesce(${lastCountedBefore('w.meter', from)}, '-infinity'),
        coalesce(${firstCountedFrom('w.meter', to)}, 'infinity'), ${lo}, ${to} FROM wanted w CROSS JOIN edges e WHERE ${condition}`;
/** Those of meters without sums, and of the hours that the range cuts. */
const OTHER_READINGS = [
  cut(FROM, TO, "'-infinity'", 'w.raw'),
  cut(FROM, `least(e.lo, ${TO})`, FROM, `w.until > ${FROM} AND e.lo > ${FROM}`),
  cut(
    'greatest(e.lo, e.hi)',
    `least(${TO}, w.until)`,
    'greatest(e.lo, e.hi)',
    `greatest(e.lo, e.hi) < least(${TO}, w.until)`,
  ),
];

/** After a deletion, the interval before a meter's first reading: its start may be deleted. */
const FIRST_READINGS = `SELECT key, meter, time - interval '1 microsecond', NULL, interval '0', false, true, NULL::timestamptz
      FROM (SELECT w.key, w.meter, ${firstCountedFrom('w.meter', "'-infinity'::timestamptz")} AS time FROM wanted w
        WHERE ${DROPPED_BEFORE} > ${FROM} - ${AFTER_DROPPED} AND ${DROPPED_BEFORE} < ${TO}) f
      WHERE time > ${FROM} AND time >= ${DROPPED_BEFORE} AND time < ${DROPPED_BEFORE} + ${AFTER_DROPPED}`;

/**
 * SQL: consumption by key and bucket, with the parameters keys, installations, from, to, zone and, with `medium`, the medium. Without
 * `readings` it reads only those after the sums; rows are then `incomplete` if others count too.
 */
export function consumptionSql(
  by: MeterGroup,
  bucket: string,
  { medium, readings }: { readonly medium: boolean; readonly readings: boolean },
): string {
  const plan = PLANS[bucket] ?? HOUR_PLAN;
  const isGap = `time - since > interval '${plan.gap}'`;
  return `WITH buckets AS MATERIALIZED (
      ${bucketsSql(bucket, FROM, TO, ZONE)}
    ), edges AS MATERIALIZED (
      ${edges}
    ), wanted AS MATERIALIZED (${wanted(by, medium, plan)}
    ), clean AS MATERIALIZED (${clean(plan)}
    ), segments AS (
      SELECT row_number() OVER () AS part, s.* FROM (${[NEWEST_READINGS, ...(readings ? OTHER_READINGS : [])].join('\n      UNION ALL ')}) s
    ), registers AS (
      SELECT s.part, s.factor, s.modulus, r.* FROM segments s CROSS JOIN LATERAL (
        SELECT time, value, quality, corrected_at FROM meter_reading WHERE meter = s.meter AND time >= s.read_from AND time <= s.read_to OFFSET 0) r
    ), ${INTERVALS}, long AS (
      ${gapsOf('1, 2, 3', ['lo', 'day_lo'], ['day_hi', 'hi'])}
      UNION ALL ${gapsOf('2, 3', ['day_lo', 'month_lo'], ['month_hi', 'day_hi'])}
      UNION ALL ${gapsOf('3', ['month_lo', 'month_hi'])}
      UNION ALL SELECT w.key, w.meter, g.* FROM wanted w CROSS JOIN unnest(ARRAY[${plan.gapLevels}]) AS l (level) CROSS JOIN LATERAL (
        SELECT ${GAP} FROM energy_gap WHERE meter = w.meter AND level = l.level AND since < least(${FROM}, w.until) ORDER BY since DESC LIMIT 1) g
      UNION ALL SELECT s.key, s.meter, ${GAP} FROM intervals i JOIN segments s USING (part) WHERE i.since >= s.lo AND i.since < s.hi
    ), placed AS (
      SELECT *, CASE WHEN ${isGap} THEN time - interval '1 microsecond' ELSE since END AS at FROM long
    ), counted AS (
      ${sumsOf('hour', ['lo', 'day_lo'], ['day_hi', 'hi'])}
      UNION ALL ${sumsOf('day', ['day_lo', 'month_lo'], ['month_hi', 'day_hi'])}
      UNION ALL ${sumsOf('month', ['month_lo', 'month_hi'])}
      UNION ALL SELECT key, meter, at, amount, CASE WHEN amount IS NULL THEN interval '0'
          WHEN ${isGap} THEN time - greatest(since, (${STARTS})[width_bucket(at, ${STARTS})]) ELSE time - since END,
        estimated OR ${isGap}, suspect, corrected
      FROM placed WHERE at >= ${FROM} AND at < ${TO}${readings ? `\n      UNION ALL ${FIRST_READINGS}` : ''}
    ), by_meter AS (
      SELECT key, meter, (${STARTS})[width_bucket(at, ${STARTS})] AS start, sum(amount) AS amount, extract(epoch FROM sum(measured)) AS measured,
        bool_or(estimated) AS estimated, bool_or(suspect) AS suspect, max(corrected) AS corrected
      FROM counted WHERE at >= ${FROM} AND at < ${TO} GROUP BY 1, 2, 3
    ), sums AS (
      SELECT b.key, b.start, trim_scale(sum(b.amount))::text AS value, count(b.amount)::int AS reported, min(w.base) AS unit,
        sum(least(b.measured, extract(epoch FROM least(t.stop, ${TO}) - greatest(t.start, ${FROM})))) AS measured,
        bool_or(b.estimated) AS estimated, bool_or(b.suspect) AS suspect, max(b.corrected) AS corrected
      FROM by_meter b JOIN wanted w USING (key, meter) JOIN buckets t ON t.start = b.start GROUP BY 1, 2
    ), keys AS (
      SELECT k.key, count(w.meter)::int AS known FROM unnest($1::text[]) AS k (key) LEFT JOIN wanted w USING (key) GROUP BY 1
    )
    SELECT k.key, b.start, s.unit, s.corrected, k.known, CASE WHEN d.dropped THEN NULL ELSE s.value END AS value,
      CASE WHEN d.dropped THEN 0 ELSE coalesce(s.reported, 0) END AS reported,
      (1000 * (extract(epoch FROM least(b.stop, ${TO}) - greatest(b.start, ${FROM}))
        - CASE WHEN d.dropped OR s.measured IS NULL THEN 0 ELSE s.measured / k.known END))::float8 AS missing,
      CASE WHEN d.dropped OR s.suspect THEN 'SUSPECT' WHEN s.start IS NULL THEN 'MISSING' WHEN s.estimated THEN 'ESTIMATED' ELSE 'GOOD' END AS quality,
      ${readings ? 'false' : `coalesce((SELECT bool_or(raw) FROM wanted) OR (${DROPPED_BEFORE} > ${FROM} - ${AFTER_DROPPED} AND ${DROPPED_BEFORE} < ${TO}), false)`} AS incomplete
    FROM keys k CROSS JOIN buckets b CROSS JOIN LATERAL (SELECT coalesce(b.start < ${DROPPED_BEFORE}, false) AS dropped) d
      LEFT JOIN sums s ON s.key = k.key AND s.start = b.start
    ORDER BY k.key, b.start`;
}
