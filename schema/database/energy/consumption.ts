/** Consumption: the difference of meter registers, computed at each query and not stored. */
import { droppedBeforeSql } from '../retention/dropped-before.ts';
import { timeBuckets } from '../time-buckets.ts';
import type { Tx } from '../transaction.ts';

/** Consumption of a key in one bucket. */
export interface ConsumptionBucket {
  readonly key: string;
  readonly start: Date;
  readonly value: string | null;
  readonly quality: 'GOOD' | 'ESTIMATED' | 'SUSPECT';
  readonly unit: string | null;
  /** When one of its readings was last corrected; null: none was. */
  readonly corrected: Date | null;
}

type By = 'company' | 'building' | 'park' | 'meter';

const metersOfKeys = (condition: string): string => `unnest($1::text[]) AS k (key) JOIN meter m ON ${condition}`;
/** SQL: the meters `m` of each key `k.key`. */
const METERS_OF_KEYS: Readonly<Record<By, string>> = {
  company: metersOfKeys('m.company = k.key'),
  building: metersOfKeys('m.building = k.key'),
  meter: metersOfKeys('m.id = k.key'),
  // The caller restricts the installations to those of the park.
  park: metersOfKeys('true'),
};
const IS_WANTED = 'm.installation = ANY($2) AND ($3::text IS NULL OR m.medium = $3)';

/** The installations with meters of each key; a key without meters is not in the map. */
export async function meterSources(
  tx: Tx,
  by: By,
  keys: readonly string[],
  query: { installations: readonly string[]; medium: string | null },
): Promise<Map<string, string[]>> {
  const rows: { key: string; sources: string[] }[] = await tx.query(
    `SELECT k.key, array_agg(DISTINCT m.installation ORDER BY m.installation) AS sources
     FROM ${METERS_OF_KEYS[by]} WHERE ${IS_WANTED} GROUP BY k.key`,
    [keys, query.installations, query.medium],
  );
  return new Map(rows.map((row) => [row.key, row.sources]));
}

/** The companies of the meters in each building (null: meters without a building). */
export function companiesByBuilding(
  tx: Tx,
  query: { installations: readonly string[]; medium: string | null },
): Promise<{ building: string | null; companies: string[] }[]> {
  return tx.query(
    `SELECT building, coalesce(array_agg(DISTINCT company) FILTER (WHERE company IS NOT NULL), '{}') AS companies
     FROM meter WHERE installation = ANY($1) AND ($2::text IS NULL OR medium = $2) GROUP BY building`,
    [query.installations, query.medium],
  );
}

const DROPPED_BEFORE = droppedBeforeSql('readings');

/** SQL: conversion of register units to kWh and m3, so that meters can be added up. */
const FACTORS = `(VALUES ('Wh', 0.001, 'kWh'), ('kWh', 1, 'kWh'), ('MWh', 1000, 'kWh'), ('MJ', 1 / 3.6, 'kWh'), ('GJ', 1000 / 3.6, 'kWh'),
  ('L', 0.001, 'm3'), ('m3', 1, 'm3')) AS u (unit, factor, base)`;

/**
 * Consumption of several keys, one row per key and bucket, in kWh or m3 with nine decimals; null without measurements. The increase
 * between two readings belongs to the bucket in which the interval starts, so that adjacent ranges add up. After a gap of more than two
 * buckets it belongs to the bucket in which the gap ends: ESTIMATED. A register that decreased has rolled over if its modulus is known
 * and it was near it; otherwise the meter was reset and the difference is unknown: SUSPECT. A single reading outside the range of its
 * neighbours is ignored: SUSPECT. If retention has dropped readings, earlier buckets are null and SUSPECT, and so is the interval before a
 * meter's first reading within a month after that time.
 */
export async function consumption(
  tx: Tx,
  by: By,
  keys: readonly string[],
  query: { installations: readonly string[]; medium: string | null },
  range: { from: Date; to: Date; bucket: string; zone: string },
): Promise<ConsumptionBucket[]> {
  const { width, startOf, series, seriesStart } = timeBuckets(range.bucket, '$6');
  const gap = `time - since > 2 * interval '${width}'`;
  const rolled = 'modulus IS NOT NULL AND before > 0.9 * modulus AND value < 0.1 * modulus';
  const readings = 'SELECT meter, time, value, quality, corrected_at FROM meter_reading WHERE meter = w.id';
  // Two readings beyond each end, because the nearest one may be ignored.
  return tx.query(
    `WITH wanted AS (
       SELECT k.key, m.id, m.modulus, u.factor, u.base FROM ${METERS_OF_KEYS[by]} LEFT JOIN ${FACTORS} ON u.unit = m.unit
       WHERE ${IS_WANTED}
     ), registers AS (
       SELECT w.key, w.base, w.factor, w.modulus, r.* FROM wanted w CROSS JOIN LATERAL (
         (${readings} AND time < $4 ORDER BY time DESC LIMIT 2)
         UNION ALL
         ${readings} AND time >= $4 AND time < $5
         UNION ALL
         (${readings} AND time >= $5 ORDER BY time LIMIT 2)
       ) r
     ), neighbours AS (
       SELECT *, lag(value) OVER one AS before, lead(value) OVER one AS after FROM registers WINDOW one AS (PARTITION BY key, meter ORDER BY time)
     ), judged AS (
       SELECT *, coalesce(after >= before AND (value < before OR value > after), false) AS odd FROM neighbours
     ), marked AS (
       SELECT *, lag(odd, 1, false) OVER (PARTITION BY key, meter ORDER BY time) AS after_odd FROM judged
     ), steps AS (
       SELECT key, base, factor, modulus, quality, after_odd, value, time, lag(value) OVER one AS before, lag(time) OVER one AS since,
         greatest(corrected_at, lag(corrected_at) OVER one) AS corrected
       FROM marked WHERE NOT odd WINDOW one AS (PARTITION BY key, meter ORDER BY time)
     ), grown AS (
       SELECT key, base, CASE WHEN ${gap} THEN time - interval '1 microsecond' ELSE since END AS at,
         round(coalesce(factor, 1) * CASE WHEN value >= before THEN value - before WHEN ${rolled} THEN value + modulus - before END, 9) AS amount,
         CASE WHEN ${gap} OR quality = 'ESTIMATED' THEN 1 ELSE 0 END AS estimated,
         CASE WHEN after_odd OR quality = 'SUSPECT' OR (value < before AND NOT (${rolled})) THEN 1 ELSE 0 END AS suspect, corrected
       FROM steps WHERE since IS NOT NULL
       UNION ALL
       SELECT key, base, time - interval '1 microsecond', NULL, 0, 1, NULL FROM steps WHERE since IS NULL AND time > $4
         AND time >= ${DROPPED_BEFORE} AND time < ${DROPPED_BEFORE} + interval '31 days'
     ), sums AS (
       SELECT key, ${startOf('at')} AS start, trim_scale(sum(amount))::text AS value, max(suspect) AS suspect, max(estimated) AS estimated, min(base) AS unit,
         max(corrected) AS corrected
       FROM grown WHERE at >= $4 AND at < $5 GROUP BY 1, 2
     ), buckets AS (
       SELECT k.key, ${seriesStart} AS start FROM unnest($1::text[]) AS k (key)
         CROSS JOIN ${series('$4::timestamptz', '$5::timestamptz')}
     )
     SELECT b.key, b.start, CASE WHEN b.start < ${DROPPED_BEFORE} THEN NULL ELSE s.value END AS value, s.unit, s.corrected,
       CASE WHEN s.suspect = 1 OR b.start < ${DROPPED_BEFORE} THEN 'SUSPECT' WHEN s.estimated = 1 THEN 'ESTIMATED' ELSE 'GOOD' END AS quality
     FROM buckets b LEFT JOIN sums s ON s.key = b.key AND s.start = b.start
     WHERE $6::text IS NOT NULL ORDER BY b.key, b.start`,
    [keys, query.installations, query.medium, range.from, range.to, range.zone],
  );
}
