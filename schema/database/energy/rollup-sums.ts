/** Statements that replace the sums of meters (entities/energy.ts) in ranges of hours. */
import { hourOf, nextStartOfUnit, startOfUnit } from '../time-buckets.ts';
import type { Tx } from '../transaction.ts';
import { firstCountedFrom, INTERVALS, UNIT_FACTORS } from './reading-intervals.ts';

/** Whole hours, as milliseconds; -Infinity: from the first reading on. */
export interface HourRange {
  readonly from: number;
  readonly to: number;
}

/** Sums to build anew. */
export interface SumChange {
  readonly meter: string;
  readonly zone: string;
  readonly unit: string | null;
  readonly modulus: string | null;
  /** All existing sums were made for other settings. */
  readonly outOfDate: boolean;
  /** Ranges to build anew; they do not overlap. */
  readonly ranges: readonly HourRange[];
  /** Sums contain the intervals that start before this whole hour; null: none. */
  readonly end: Date | null;
}

const instant = (time: number): Date | string => (time === Number.NEGATIVE_INFINITY ? '-infinity' : new Date(time));

/** SQL: the ranges, each with its meter; `lo` inclusive, `hi` exclusive. */
const RANGES = `unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[], $7::numeric[]) WITH ORDINALITY
  AS g (meter, lo, hi, until, zone, unit, modulus, part)`;

/** Replaces hours, long intervals, days and months. The caller holds the lock of builders. */
export async function rebuildSums(tx: Tx, changes: readonly SumChange[]): Promise<void> {
  const reset = changes.flatMap((change) => (change.outOfDate ? [change.meter] : []));
  if (reset.length > 0)
    for (const table of ['energy_hour', 'energy_gap', 'energy_day', 'energy_month'])
      await tx.query(`DELETE FROM ${table} WHERE meter = ANY($1)`, [reset]);
  const ranges = changes.flatMap((change) => change.ranges.map((range) => ({ ...change, ...range })));
  if (ranges.length === 0) return;
  const values = [
    ranges.map((range) => range.meter),
    ranges.map((range) => instant(range.from)),
    ranges.map((range) => instant(range.to)),
    ranges.map((range) => range.end ?? '-infinity'),
    ranges.map((range) => range.zone),
    ranges.map((range) => range.unit),
    ranges.map((range) => range.modulus),
  ];
  await tx.query(
    `DELETE FROM energy_hour t USING ${RANGES} WHERE t.meter = g.meter AND t.start >= g.lo AND t.start < g.hi`,
    values,
  );
  await tx.query(
    `DELETE FROM energy_gap t USING ${RANGES} WHERE t.meter = g.meter AND t.level IN (1, 2, 3) AND t.since >= g.lo AND t.since < g.hi`,
    values,
  );
  await tx.query(INSERT_HOURS, values);
  for (const unit of ['day', 'month'] as const) {
    await tx.query(
      `WITH ${wholeUnits(unit)} DELETE FROM energy_${unit} t USING whole w WHERE t.meter = w.meter AND t.start >= w.lo AND t.start < w.hi`,
      values,
    );
    await tx.query(insertUnits(unit), values);
  }
}

/** Hours from the intervals of at most 2 hours; the longer ones become rows of `energy_gap`. */
const INSERT_HOURS = `WITH ranges AS MATERIALIZED (
    SELECT g.part, g.meter, g.lo, least(g.hi, g.until) AS hi, u.factor, g.modulus FROM ${RANGES} LEFT JOIN ${UNIT_FACTORS} ON u.unit = g.unit
    WHERE g.lo < g.until
  ), registers AS (
    SELECT s.part, s.factor, s.modulus, r.* FROM (
      SELECT *, coalesce((SELECT max(time) FROM meter_reading WHERE meter = ranges.meter AND time < ranges.lo), '-infinity') AS read_from,
        coalesce(${firstCountedFrom('ranges.meter', 'ranges.hi')}, 'infinity') AS read_to
      FROM ranges OFFSET 0
    ) s CROSS JOIN LATERAL (
      SELECT time, value, quality, corrected_at FROM meter_reading WHERE meter = s.meter AND time >= s.read_from AND time <= s.read_to OFFSET 0) r
  ), ${INTERVALS}, found AS MATERIALIZED (
    SELECT r.meter, i.* FROM intervals i JOIN ranges r USING (part) WHERE i.since >= r.lo AND i.since < r.hi
  ), gaps AS (
    INSERT INTO energy_gap (meter, level, since, time, amount, estimated, suspect, corrected)
    SELECT meter, CASE WHEN time - since <= interval '48 hours' THEN 1 WHEN time - since <= interval '60 days' THEN 2 ELSE 3 END,
      since, time, amount, estimated, suspect, corrected
    FROM found WHERE time - since > interval '2 hours'
  )
  INSERT INTO energy_hour (meter, start, amount, measured, estimated, suspect, corrected)
  SELECT meter, ${hourOf('since')}, sum(amount), coalesce(sum(time - since) FILTER (WHERE amount IS NOT NULL), interval '0'),
    bool_or(estimated), bool_or(suspect), max(corrected)
  FROM found WHERE time - since <= interval '2 hours' GROUP BY 1, 2`;

/** The ranges, widened to whole days or months of the zone and joined. */
const wholeUnits = (unit: 'day' | 'month'): string => `whole AS MATERIALIZED (
    SELECT w.meter, w.zone, lower(x) AS lo, upper(x) AS hi FROM (
      SELECT g.meter, g.zone, range_agg(tstzrange(${startOfUnit(unit, 'g.lo', 'g.zone')}, ${nextStartOfUnit(unit, 'g.hi', 'g.zone')})) AS all_ranges
      FROM ${RANGES} GROUP BY 1, 2
    ) w CROSS JOIN LATERAL unnest(w.all_ranges) AS x
  )`;

/** Days from hours, months from days, each with the intervals that only the wider unit contains. */
function insertUnits(unit: 'day' | 'month'): string {
  const [narrower, level] = unit === 'day' ? ['hour', 1] : ['day', 2];
  return `WITH ${wholeUnits(unit)}
    INSERT INTO energy_${unit} (meter, start, amount, measured, estimated, suspect, corrected)
    SELECT meter, ${startOfUnit(unit, 'at', 'zone')}, sum(amount), sum(measured), bool_or(estimated), bool_or(suspect), max(corrected) FROM (
      SELECT w.meter, w.zone, t.* FROM whole w CROSS JOIN LATERAL (
        SELECT start AS at, amount, measured, estimated, suspect, corrected FROM energy_${narrower}
        WHERE meter = w.meter AND start >= w.lo AND start < w.hi OFFSET 0) t
      UNION ALL SELECT w.meter, w.zone, t.* FROM whole w CROSS JOIN LATERAL (
        SELECT since, amount, CASE WHEN amount IS NULL THEN interval '0' ELSE time - since END, estimated, suspect, corrected FROM energy_gap
        WHERE meter = w.meter AND level = ${level} AND since >= w.lo AND since < w.hi OFFSET 0) t
    ) parts GROUP BY 1, 2`;
}
