/** Consumption: what registers have increased by, from sums by hour, day and month, and from the readings that these do not contain. */
import type { Tx } from '../transaction.ts';
import { consumptionSql, METERS_OF_KEYS, type MeterGroup } from './consumption-sql.ts';

/** Consumption of a key in one bucket. */
export interface ConsumptionBucket {
  readonly key: string;
  readonly start: Date;
  /** In `unit`; null: nothing was measured. */
  readonly value: string | null;
  readonly quality: 'GOOD' | 'ESTIMATED' | 'SUSPECT' | 'MISSING';
  readonly unit: string | null;
  /** When one of its readings was last corrected; null: none was. */
  readonly corrected: Date | null;
  /** Meters of the key whose consumption is known in this bucket, … */
  readonly reported: number;
  /** … of all its meters. */
  readonly known: number;
  /** Milliseconds of the bucket for which no consumption is known: the mean of its meters. */
  readonly missing: number;
}

/** The meters to add up: those of visible installations, of one medium (null: any). */
export interface ConsumptionQuery {
  readonly installations: readonly string[];
  readonly medium: string | null;
}

/** The installations with meters of each key; a key without meters is not in the map. */
export async function meterSources(
  tx: Tx,
  by: MeterGroup,
  keys: readonly string[],
  query: ConsumptionQuery,
): Promise<Map<string, string[]>> {
  const rows: { key: string; sources: string[] }[] = await tx.query(
    `SELECT k.key, array_agg(DISTINCT m.installation ORDER BY m.installation) AS sources
     FROM ${METERS_OF_KEYS[by]} WHERE m.installation = ANY($2) AND ($3::text IS NULL OR m.medium = $3) GROUP BY k.key`,
    [keys, query.installations, query.medium],
  );
  return new Map(rows.map((row) => [row.key, row.sources]));
}

/** The companies of the meters in each building (null: meters without a building). */
export function companiesByBuilding(
  tx: Tx,
  query: ConsumptionQuery,
): Promise<{ building: string | null; companies: string[] }[]> {
  return tx.query(
    `SELECT building, coalesce(array_agg(DISTINCT company) FILTER (WHERE company IS NOT NULL), '{}') AS companies
     FROM meter WHERE installation = ANY($1) AND ($2::text IS NULL OR medium = $2) GROUP BY building`,
    [query.installations, query.medium],
  );
}

const HOUR = 3_600_000;
const isWholeHour = (time: Date): boolean => time.getTime() % HOUR === 0;

/**
 * Consumption of several keys, one row per key and bucket, in kWh or m3 with nine decimals; null without measurements. The increase
 * between two readings belongs to the bucket in which the interval starts, so that adjacent ranges add up. After a gap of more than two
 * buckets it belongs to the bucket in which the gap ends: ESTIMATED. A register that decreased has rolled over if its modulus is known
 * and it was near it; otherwise the meter was reset and the difference is unknown: SUSPECT. A single reading outside the range of its
 * neighbours is ignored: SUSPECT. If retention has dropped readings, earlier buckets are null and SUSPECT, and so is the interval before a
 * meter's first reading within a month after that time. A bucket in which no interval belongs is MISSING.
 *
 * Whole hours, days and months that are built are read from their sums, everything else from the readings. The answer is that of all readings:
 * one statement sees sums and readings of the same moment, and sums that late or corrected readings have outdated are not used.
 */
export async function consumption(
  tx: Tx,
  by: MeterGroup,
  keys: readonly string[],
  query: ConsumptionQuery,
  range: { readonly from: Date; readonly to: Date; readonly bucket: string; readonly zone: string },
): Promise<ConsumptionBucket[]> {
  const values = [keys, query.installations, range.from, range.to, range.zone];
  if (query.medium !== null) values.push(query.medium);
  const run = (readings: boolean): Promise<(ConsumptionBucket & { readonly incomplete: boolean })[]> =>
    tx.query(consumptionSql(by, range.bucket, { medium: query.medium !== null, readings }), values);
  const hasCutEnds = !isWholeHour(range.from) || !isWholeHour(range.to) || range.bucket === 'QUARTER_HOUR';
  const fromSums = hasCutEnds ? [] : await run(false);
  const rows = hasCutEnds || fromSums[0]?.incomplete ? await run(true) : fromSums;
  return rows.map(({ incomplete, ...bucket }) => bucket);
}
