/** What the hand-written program reads from the hub's tables: one prepared statement per source. */
import type pg from 'pg';
import { HourlyConsumption } from './consumption.ts';

export interface CompanyRecord {
  readonly name: string | null;
  readonly identifiers: readonly { readonly system: string; readonly value: string }[];
}

/** The company and its ids in the installations of these parks (null: of all); null if no source has reported the code. */
export async function companyOf(
  pool: pg.Pool,
  uscc: string,
  parks: readonly string[] | null,
): Promise<CompanyRecord | null> {
  const { rows } = await pool.query<{ name: string | null; system: string | null; value: string }>({
    name: 'company',
    text: `SELECT c.name, i.system, i.value FROM company c
      LEFT JOIN identity i ON i.entity = 'COMPANY' AND i.key = c.uscc AND ($2::text[] IS NULL OR i.park = ANY($2))
      WHERE c.uscc = $1 ORDER BY i.system, i.value, i.installation`,
    values: [uscc, parks],
  });
  if (rows.length === 0) return null;
  return {
    name: rows[0]?.name ?? null,
    identifiers: rows.flatMap(({ system, value }) => (system === null ? [] : [{ system, value }])),
  };
}

/** The first companies by name, one more than `first` if there are more. */
export async function firstCompanies(
  pool: pg.Pool,
  first: number,
): Promise<{ readonly uscc: string; readonly name: string | null }[]> {
  const { rows } = await pool.query({
    name: 'companies',
    text: 'SELECT uscc, name FROM company ORDER BY sort_name, uscc LIMIT $1',
    values: [first + 1],
  });
  return rows;
}

export interface TaxRecord {
  readonly installation: string;
  readonly standing: string | null;
  readonly recordedAt: Date;
  /** When the installation's files were last listed; null: never. */
  readonly listedAt: string | null;
  readonly period: string | null;
  readonly amount: string | null;
  readonly currency: string | null;
}

/** The company's account and its last return, one row per installation with data about it. */
export async function taxOf(pool: pg.Pool, uscc: string, installations: readonly string[]): Promise<TaxRecord[]> {
  const { rows } = await pool.query<TaxRecord>({
    name: 'tax',
    text: `SELECT i.id AS installation, a.standing, coalesce(a.recorded_at, d.recorded_at) AS "recordedAt", s.value #>> '{}' AS "listedAt",
        f.period, f.amount, f.currency
      FROM unnest($2::text[]) AS i (id)
        LEFT JOIN tax_account a ON a.installation = i.id AND a.company = $1
        LEFT JOIN LATERAL (SELECT max(recorded_at) AS recorded_at FROM (
          SELECT recorded_at FROM tax_filing WHERE installation = i.id AND company = $1
          UNION ALL SELECT recorded_at FROM tax_invoice WHERE installation = i.id AND company = $1) dates) d ON a.company IS NULL
        LEFT JOIN state s ON s.installation = i.id AND s.name = 'listed'
        LEFT JOIN LATERAL (SELECT period, amount::text, currency FROM tax_filing WHERE installation = i.id AND company = $1
          ORDER BY ends DESC, number DESC LIMIT 1) f ON true
      WHERE coalesce(a.recorded_at, d.recorded_at) IS NOT NULL`,
    values: [uscc, installations],
  });
  return rows;
}

export interface MeterRecord {
  readonly id: string;
  readonly medium: string | null;
  readonly unit: string | null;
  readonly latest: { readonly time: string; readonly value: string } | null;
}
export interface EnergyRecord {
  readonly meters: readonly MeterRecord[];
  readonly series: {
    readonly total: { readonly value: string; readonly unit: string } | null;
    readonly buckets: readonly { readonly start: string; readonly value: string | null }[];
  };
}

/** The first five meters of the company with their newest readings, and the electricity of all its meters by the hour. */
export async function energyOf(
  pool: pg.Pool,
  uscc: string,
  query: { readonly installations: readonly string[]; readonly from: Date; readonly to: Date },
): Promise<EnergyRecord> {
  const { rows } = await pool.query<{
    id: string;
    medium: string | null;
    unit: string | null;
    modulus: string | null;
    time: Date | null;
    value: string;
    readings: string | null;
    dropped: Date | null;
  }>({
    name: 'energy',
    text: ENERGY,
    values: [uscc, query.installations, query.from, query.to],
  });
  const consumption = new HourlyConsumption(query.from.getTime(), query.to.getTime());
  for (const { id, medium, unit, modulus, readings, dropped } of rows) {
    if (medium !== 'ELECTRICITY') continue;
    if (unit !== 'kWh') throw new Error(`Meter ${id} counts ${unit}. This program adds up kWh only.`);
    if (dropped !== null && dropped > query.from)
      throw new Error('Retention has dropped readings of this range, which this program does not report.');
    consumption.add(readings ?? '', modulus);
  }
  const { buckets, total } = consumption.result();
  return {
    meters: rows.slice(0, 5).map(({ id, medium, unit, time, value }) => ({
      id,
      medium,
      unit,
      latest: time === null ? null : { time: time.toISOString(), value },
    })),
    series: { total: total === null ? null : { value: total, unit: 'kWh' }, buckets },
  };
}

const READINGS = 'SELECT time, value FROM meter_reading WHERE meter = m.id';
/** Two readings beyond either end, because the nearest one may be ignored. */
const ENERGY = `SELECT m.id, m.medium, m.unit, m.modulus::text, l.time, l.value, r.readings,
    (SELECT before FROM dropped_before WHERE what = 'readings') AS dropped
  FROM meter m
    LEFT JOIN LATERAL (SELECT time, trim_scale(value)::text AS value FROM meter_reading WHERE meter = m.id
      ORDER BY time DESC LIMIT 1) l ON true
    LEFT JOIN LATERAL (SELECT string_agg((extract(epoch FROM time) * 1000)::float8 || ' ' || value, ',' ORDER BY time) AS readings FROM (
      (${READINGS} AND time < $3 ORDER BY time DESC LIMIT 2)
      UNION ALL ${READINGS} AND time >= $3 AND time < $4
      UNION ALL (${READINGS} AND time >= $4 ORDER BY time LIMIT 2)) near) r ON m.medium = 'ELECTRICITY'
  WHERE m.company = $1 AND m.installation = ANY($2) ORDER BY m.id`;
