/** The statement that answers consumption from sums and readings. docs/decisions/0035-rollups.md explains it. */
import { droppedBeforeSql } from '../retention/dropped-before.ts';
import { bucketsSql, hourOf, nextHourOf, nextStartOfUnit, startOfUnit } from '../time-buckets.ts';
import { firstCountedFrom, INTERVALS, lastCountedBefore, UNIT_FACTORS } from './reading-intervals.ts';

/** What consumption is added up for. */
export type MeterGroup = 'company' | 'building' | 'park' | 'meter';

const metersOfKeys = (condition: string): string =>
  `unnest($1::text[]) WITH ORDINALITY AS k (key, number) JOIN meter m ON ${condition}`;
/** SQL: the meters `m` of each key `k.key`, the `k.number`th. */
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
/** Number of the bucket that contains a time, from 1 on. */
const bucketOf = (time: string): string => `width_bucket(${time}, ${STARTS})`;
/** Readings after a deletion: the first one within this time is the end of an interval whose start may be deleted. */
const AFTER_DROPPED = "interval '31 days'";

/** Starts of the buckets, and the whole hours, days and months in the range. */
const edges = `SELECT array_agg(start ORDER BY start) AS starts, array_agg(stop ORDER BY start) AS stops,
      bool_and(start = ${hourOf('start')} AND stop = ${hourOf('stop')}) AS aligned, ${nextHourOf(FROM)} AS lo, ${hourOf(TO)} AS hi,
      ${nextStartOfUnit('day', nextHourOf(FROM), ZONE)} AS day_lo, ${nextStartOfUnit('month', nextHourOf(FROM), ZONE)} AS month_lo,
      ${droppedBeforeSql('readings')} AS dropped_before
    FROM buckets`;

/**
 * The meters of each key, numbered. Intervals that start before the whole hour `until` are counted by sums, later ones by readings. `raw`: by
 * readings only, because sums are not built, or with another unit or modulus, or a bucket does not begin at a whole hour, or so few sums are
 * right that reading the range is cheaper.
 */
const wanted = (by: MeterGroup, medium: boolean, { sums }: BucketPlan): string => `
  SELECT row_number() OVER ()::int AS n, w.*, CASE WHEN raw THEN '-infinity' ELSE built END AS until FROM (
    SELECT k.number AS key_number, m.id AS meter, m.modulus, u.factor, u.base, r.zone = ${ZONE} AS same_zone,
      least(r.until, d.since) AS built, d.since < r.until AS marked, least(r.read_from, d.read_from) AS read_from,
      r.meter IS NULL OR ${sums === 'none'} OR NOT e.aligned OR ((d.meter IS NOT NULL OR NOT r.complete)
        AND least(r.until, d.since) < r.claimed - greatest(${TO} - ${FROM}, interval '1 day')) AS raw
    FROM ${METERS_OF_KEYS[by]} CROSS JOIN edges e LEFT JOIN ${UNIT_FACTORS} ON u.unit = m.unit
      LEFT JOIN energy_rollup r ON r.meter = m.id AND r.unit IS NOT DISTINCT FROM m.unit AND r.modulus IS NOT DISTINCT FROM m.modulus
      LEFT JOIN (SELECT meter, min(since) AS since, min(read_from) AS read_from FROM energy_dirty GROUP BY meter) d ON d.meter = m.id
    WHERE m.installation = ANY($2)${medium ? ' AND m.medium = $6' : ''}
  ) w`;

/**
 * The part `lo` to `hi` of the range that sums answer. Whole days are from `day_lo` to `day_hi`, whole months in these from `month_lo` to
 * `month_hi`; without any, both are the end of the wider part. The last day or month may be one that the sums have reached but not finished. Zones
 * are computed once for each end, since most meters have the same.
 */
const clean = ({ sums }: BucketPlan): string => {
  const days = sums === 'day' || sums === 'month' ? 'same_zone AND first_day < last_day' : 'false';
  const months = sums === 'month' ? 'first_month < last_month' : 'false';
  const unit = sums === 'month' ? 'month' : 'day';
  return `ends AS MATERIALIZED (
    SELECT c.*, greatest(c.day_lo, e.month_lo) AS first_month, ${startOfUnit('month', 'c.day_hi', ZONE)} AS last_month FROM (
      SELECT ns, meters, lo, hi, CASE WHEN ${days} THEN first_day ELSE hi END AS day_lo, CASE WHEN ${days} THEN last_day ELSE hi END AS day_hi
      FROM (SELECT w.*, e.day_lo AS first_day, ${startOfUnit('day', 'w.hi', ZONE)} AS last_day FROM (
          SELECT ns, meters, same_zone, lo, CASE WHEN reached AND same_zone THEN ${nextStartOfUnit(unit, 'hi', ZONE)} ELSE hi END AS hi
          FROM (SELECT array_agg(w.n) AS ns, array_agg(w.meter) AS meters, w.same_zone, e.lo, least(e.hi, w.until) AS hi,
              w.until <= e.hi AND w.marked IS NOT TRUE AS reached
            FROM wanted w CROSS JOIN edges e WHERE e.lo < least(e.hi, w.until) GROUP BY 3, 4, 5, 6) w
        ) w CROSS JOIN edges e) d
    ) c CROSS JOIN edges e
    ), clean AS MATERIALIZED (
    SELECT n, meter, lo, hi, day_lo, day_hi, CASE WHEN ${months} THEN first_month ELSE day_hi END AS month_lo,
      CASE WHEN ${months} THEN last_month ELSE day_hi END AS month_hi
    FROM ends CROSS JOIN LATERAL unnest(ns, meters) AS m (n, meter)
    )`;
};

const SUM = 'start AS at, amount, measured, estimated, suspect, corrected';
const GAP = 'since, time, amount, estimated, suspect, corrected';
type Span = readonly [from: string, to: string];
/** Reads a table once per meter, in parts of the range. OFFSET 0 keeps the index scan per meter. */
const perMeter = (columns: string, table: string, column: string, condition: string, spans: readonly Span[]): string =>
  spans
    .map(
      ([lo, hi]) => `SELECT c.n, t.* FROM clean c CROSS JOIN LATERAL (SELECT ${columns} FROM ${table}
        WHERE meter = c.meter${condition} AND ${column} >= c.${lo} AND ${column} < c.${hi} OFFSET 0) t WHERE c.${lo} < c.${hi}`,
    )
    .join('\n      UNION ALL ');
/** The sums of one width, and the intervals that these leave out. */
const sumsOf = (width: string, ...spans: Span[]) => perMeter(SUM, `energy_${width}`, 'start', '', spans);
const gapsOf = (levels: string, ...spans: Span[]) =>
  perMeter(GAP, 'energy_gap', 'since', ` AND level IN (${levels})`, spans);

/** Series of readings to count, one per meter: those that the sums do not contain. */
const NEWEST_READINGS = `SELECT n, meter, factor, modulus, read_from, 'infinity'::timestamptz AS read_to, until AS lo, 'infinity'::timestamptz AS hi
      FROM wanted WHERE until < ${TO} AND NOT raw`;
const cut = (from: string, to: string, lo: string, condition: string): string =>
  `SELECT w.n, w.meter, w.factor, w.modulus, coalesce(${lastCountedBefore('w.meter', from)}, '-infinity'),
        coalesce(${firstCountedFrom('w.meter', to)}, 'infinity'), ${lo}, ${to} FROM wanted w CROSS JOIN edges e WHERE ${condition}`;
const LAST_HOUR = 'greatest(e.lo, e.hi)';
/** Those of meters without sums, and of the hours that the range cuts. */
const OTHER_READINGS = [
  cut(FROM, TO, "'-infinity'", 'w.raw'),
  cut(FROM, `least(e.lo, ${TO})`, FROM, `w.until > ${FROM} AND e.lo > ${FROM}`),
  cut(LAST_HOUR, `least(${TO}, w.until)`, LAST_HOUR, `${LAST_HOUR} < least(${TO}, w.until)`),
];

const IS_AFTER_DROPPED = `${DROPPED_BEFORE} > ${FROM} - ${AFTER_DROPPED} AND ${DROPPED_BEFORE} < ${TO}`;
/** After a deletion, the interval before a meter's first reading: its start may be deleted. */
const FIRST_READINGS = `SELECT n, time - interval '1 microsecond', NULL, interval '0', false, true, NULL::timestamptz
      FROM (SELECT w.n, ${firstCountedFrom('w.meter', "'-infinity'::timestamptz")} AS time FROM wanted w WHERE ${IS_AFTER_DROPPED}) f
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
  const segments = [NEWEST_READINGS, ...(readings ? OTHER_READINGS : [])];
  const incomplete = `coalesce((SELECT bool_or(raw) FROM wanted) OR (${IS_AFTER_DROPPED}), false)`;
  const length = `extract(epoch FROM least((SELECT stops FROM edges)[b.bucket], ${TO}) - greatest(${STARTS}[b.bucket], ${FROM}))`;
  return `WITH buckets AS MATERIALIZED (
      ${bucketsSql(bucket, FROM, TO, ZONE)}
    ), edges AS MATERIALIZED (
      ${edges}
    ), wanted AS MATERIALIZED (${wanted(by, medium, plan)}
    ), ${clean(plan)}, segments AS (
      SELECT row_number() OVER () AS part, s.* FROM (${segments.join('\n      UNION ALL ')}) s
    ), registers AS (
      SELECT s.part, s.factor, s.modulus, r.* FROM segments s CROSS JOIN LATERAL (
        SELECT time, value, quality, corrected_at FROM meter_reading WHERE meter = s.meter AND time >= s.read_from AND time <= s.read_to OFFSET 0) r
    ), ${INTERVALS}, long AS (
      ${gapsOf('1, 2, 3', ['lo', 'day_lo'], ['day_hi', 'hi'])}
      UNION ALL ${gapsOf('2, 3', ['day_lo', 'month_lo'], ['month_hi', 'day_hi'])}
      UNION ALL ${gapsOf('3', ['month_lo', 'month_hi'])}
      UNION ALL SELECT w.n, g.* FROM wanted w CROSS JOIN unnest(ARRAY[${plan.gapLevels}]) AS l (level) CROSS JOIN LATERAL (
        SELECT ${GAP} FROM energy_gap WHERE meter = w.meter AND level = l.level AND since < least(${FROM}, w.until) ORDER BY since DESC LIMIT 1) g
      UNION ALL SELECT s.n, ${GAP} FROM intervals i JOIN segments s USING (part) WHERE i.since >= s.lo AND i.since < s.hi
    ), placed AS (
      SELECT *, CASE WHEN ${isGap} THEN time - interval '1 microsecond' ELSE since END AS at FROM long
    ), counted AS (
      ${sumsOf('hour', ['lo', 'day_lo'], ['day_hi', 'hi'])}
      UNION ALL ${sumsOf('day', ['day_lo', 'month_lo'], ['month_hi', 'day_hi'])}
      UNION ALL ${sumsOf('month', ['month_lo', 'month_hi'])}
      UNION ALL SELECT n, at, amount, CASE WHEN amount IS NULL THEN interval '0'
          WHEN ${isGap} THEN time - greatest(since, ${STARTS}[${bucketOf('at')}]) ELSE time - since END,
        estimated OR ${isGap}, suspect, corrected
      FROM placed WHERE at >= ${FROM} AND at < ${TO}${readings ? `\n      UNION ALL ${FIRST_READINGS}` : ''}
    ), by_meter AS (
      SELECT n, ${bucketOf('at')} AS bucket, sum(amount) AS amount, extract(epoch FROM sum(measured)) AS measured,
        bool_or(estimated) AS estimated, bool_or(suspect) AS suspect, max(corrected) AS corrected
      FROM counted WHERE at >= ${FROM} AND at < ${TO} GROUP BY 1, 2
    ), sums AS (
      SELECT w.key_number * 1000000 + b.bucket AS slot, trim_scale(sum(b.amount))::text AS value, count(b.amount)::int AS reported, min(w.base) AS unit,
        sum(least(b.measured, ${length})) AS measured,
        bool_or(b.estimated) AS estimated, bool_or(b.suspect) AS suspect, max(b.corrected) AS corrected
      FROM by_meter b JOIN wanted w USING (n) GROUP BY 1
    ), keys AS (
      SELECT k.key, k.number, count(w.n)::int AS known FROM unnest($1::text[]) WITH ORDINALITY AS k (key, number)
        LEFT JOIN wanted w ON w.key_number = k.number GROUP BY 1, 2
    )
    SELECT k.key, b.start, s.unit, s.corrected, k.known, CASE WHEN d.dropped THEN NULL ELSE s.value END AS value,
      CASE WHEN d.dropped THEN 0 ELSE coalesce(s.reported, 0) END AS reported,
      (1000 * (extract(epoch FROM least(b.stop, ${TO}) - greatest(b.start, ${FROM}))
        - CASE WHEN d.dropped OR s.measured IS NULL THEN 0 ELSE s.measured / k.known END))::float8 AS missing,
      CASE WHEN d.dropped OR s.suspect THEN 'SUSPECT' WHEN s.slot IS NULL THEN 'MISSING' WHEN s.estimated THEN 'ESTIMATED' ELSE 'GOOD' END AS quality,
      ${readings ? 'false' : incomplete} AS incomplete
    FROM keys k CROSS JOIN (SELECT *, row_number() OVER (ORDER BY start)::int AS n FROM buckets) b
      CROSS JOIN LATERAL (SELECT coalesce(b.start < ${DROPPED_BEFORE}, false) AS dropped) d
      LEFT JOIN sums s ON s.slot = k.number * 1000000 + b.n
    ORDER BY k.key, b.start`;
}
