/** SQL of the intervals between two readings of a meter, by which consumption is counted. */
import { hourOf } from '../time-buckets.ts';

/**
 * SQL: conversion of register units to kWh and m3, so that meters can be added up; a relation `u (unit, factor, base)`. Other units are not
 * converted.
 */
export const UNIT_FACTORS = `(VALUES ('Wh', 0.001, 'kWh'), ('kWh', 1, 'kWh'), ('MWh', 1000, 'kWh'), ('MJ', 1 / 3.6, 'kWh'), ('GJ', 1000 / 3.6, 'kWh'),
  ('L', 0.001, 'm3'), ('m3', 1, 'm3')) AS u (unit, factor, base)`;

/** A reading is ignored when it is outside of the range of its neighbours. */
const IS_IGNORED = 'coalesce(after >= before AND (value < before OR value > after), false)';

/** The readings of a meter up to a condition, from the newest one on, with the values of their neighbours. PostgreSQL reads no more than the outer query takes. */
const backwards = (meter: string, condition: string) =>
  `(SELECT time, value, lag(value) OVER one AS after, lead(value) OVER one AS before
    FROM meter_reading WHERE meter = ${meter} AND ${condition} WINDOW one AS (ORDER BY time DESC)) x`;

/** SQL: the last reading before a time that is not ignored; null: there is none. */
export const lastCountedBefore = (meter: string, time: string): string =>
  `(SELECT x.time FROM ${backwards(
    meter,
    `time <= coalesce((SELECT min(time) FROM meter_reading WHERE meter = ${meter} AND time >= ${time}), 'infinity')`,
  )} WHERE x.time < ${time} AND NOT ${IS_IGNORED} ORDER BY x.time DESC LIMIT 1)`;

/** SQL: the first reading at or after a time that is not ignored; null: there is none. */
export const firstCountedFrom = (meter: string, time: string): string =>
  `(SELECT x.time FROM (
      SELECT time, value, lag(value) OVER one AS before, lead(value) OVER one AS after FROM meter_reading
      WHERE meter = ${meter} AND time >= coalesce((SELECT max(time) FROM meter_reading WHERE meter = ${meter} AND time < ${time}), '-infinity')
      WINDOW one AS (ORDER BY time)
    ) x WHERE x.time >= ${time} AND NOT ${IS_IGNORED} ORDER BY x.time LIMIT 1)`;

/**
 * SQL: the whole hour before which no interval starts that a new, changed or deleted reading after all readings of the condition can change;
 * null: there is none. It is the hour of the last reading that is not ignored, apart from the newest one, whose neighbour may change.
 *
 * @param condition of readings, such as `time <= $2`
 */
export const settledHour = (meter: string, condition: string): string =>
  `(SELECT ${hourOf('x.time')} FROM ${backwards(meter, condition)} WHERE x.after IS NOT NULL AND NOT ${IS_IGNORED} ORDER BY x.time DESC LIMIT 1)`;

/**
 * SQL: common table expressions that end with `intervals (part, since, time, amount, estimated, suspect, corrected)`, the intervals between readings
 * that are not ignored, from `registers (part, time, value, quality, corrected_at, factor, modulus)`. `part` is one unbroken series of readings.
 *
 * `amount` is in kWh or m3, or in the meter's unit if it cannot be converted, with nine decimals. A register that decreased has rolled over if
 * its modulus is known and it was near it; otherwise the meter was reset and the amount is null and suspect. An interval that ends after an
 * ignored reading is suspect.
 */
export const INTERVALS = `neighbours AS (
    SELECT *, lag(value) OVER one AS before, lead(value) OVER one AS after FROM registers WINDOW one AS (PARTITION BY part ORDER BY time)
  ), judged AS (
    SELECT *, ${IS_IGNORED} AS ignored FROM neighbours
  ), marked AS (
    SELECT *, lag(ignored, 1, false) OVER (PARTITION BY part ORDER BY time) AS after_ignored FROM judged
  ), steps AS (
    SELECT part, time, value, quality, factor, modulus, after_ignored, lag(value) OVER one AS before, lag(time) OVER one AS since,
      greatest(corrected_at, lag(corrected_at) OVER one) AS corrected
    FROM marked WHERE NOT ignored WINDOW one AS (PARTITION BY part ORDER BY time)
  ), turned AS (
    SELECT *, coalesce(before > 0.9 * modulus AND value < 0.1 * modulus, false) AS rolled FROM steps WHERE since IS NOT NULL
  ), intervals AS (
    SELECT part, since, time, quality = 'ESTIMATED' AS estimated,
      round(coalesce(factor, 1) * CASE WHEN value >= before THEN value - before WHEN rolled THEN value + modulus - before END, 9) AS amount,
      after_ignored OR quality = 'SUSPECT' OR (value < before AND NOT rolled) AS suspect, corrected
    FROM turned
  )`;
