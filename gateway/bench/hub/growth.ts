/**
 * Grows the demo in the hub's database: companies, meters and a year of hourly readings, written by the server itself. The simulators do
 * not know them; the sources' live data stays that of the demo.
 */
import type { Client } from 'pg';
import { organisationCheck, usccCheck } from '../../../schema/graph/identifiers.ts';

/** What to add. */
export interface Growth {
  readonly companies: number;
  readonly meters: number;
  /** Readings of the first meters, a year of hours each. */
  readonly readings: number;
}

/** Companies, meters and readings for each unit of `--scale`. */
const PER_SCALE: Growth = { companies: 2_000, meters: 400, readings: 1_000_000 };
/** More readings take longer to load than the bench itself. */
const MAX_READINGS = 10_000_000;
const HOURS_OF_YEAR = 8_760;
const HOUR = 3_600_000;
/** Companies of one INSERT. */
const BATCH = 10_000;

export const growthOf = (scale: number): Growth => ({
  companies: PER_SCALE.companies * scale,
  meters: PER_SCALE.meters * scale,
  readings: Math.min(PER_SCALE.readings * scale, MAX_READINGS),
});

/** Valid credit codes of companies that nobody has, `from` to `to`. They begin with 0001, which is never assigned. */
export function creditCodes(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => {
    const organisation = `1${String(from + i).padStart(7, '0')}`;
    const unchecked = `91500112${organisation}${organisationCheck(organisation)}`;
    return unchecked + usccCheck(unchecked);
  });
}

/** Where the grown records are. */
export interface GrowthPlace {
  /** Installations by park; companies and meters are spread over them. */
  readonly installations: readonly { readonly park: string; readonly register: string; readonly meters: string }[];
}

/**
 * Adds the records, and waits until the planner knows them. Resolves with the credit code of a company whose meters have readings of a
 * year before `now`.
 */
export async function grow(
  database: Client,
  { companies, meters, readings }: Growth,
  { installations }: GrowthPlace,
  now: Date,
): Promise<string> {
  const parks = installations.map(({ park }) => park);
  const registers = installations.map(({ register }) => register);
  for (let from = 0; from < companies; from += BATCH) {
    const codes = creditCodes(from, Math.min(from + BATCH, companies));
    await database.query(
      `WITH given AS (SELECT uscc, n, '增长企业' || lpad(n::text, 7, '0') AS name, ($3::text[])[1 + n % cardinality($3::text[])] AS park,
          ($4::text[])[1 + n % cardinality($4::text[])] AS register
        FROM (SELECT uscc, (i + $2 - 1)::int AS n FROM unnest($1::text[]) WITH ORDINALITY AS codes (uscc, i)) numbered),
      added AS (INSERT INTO company (uscc, name, name_source, name_fetched_at, sort_name) SELECT uscc, name, register, now(), name FROM given)
      INSERT INTO identity (entity, key, system, value, installation, connector, park, first_seen, last_seen)
      SELECT 'COMPANY', uscc, 'uscc', uscc, register, 'registration', park, now(), now() FROM given`,
      [codes, from, parks, registers],
    );
  }
  const withReadings = Math.min(Math.ceil(readings / HOURS_OF_YEAR), meters);
  // Before the meters: what the hub derives from a meter's readings is never derived from a part of them.
  await addReadings(database, withReadings, installations, now);
  const owners = creditCodes(0, Math.min(companies, meters));
  await database.query(
    `INSERT INTO meter (id, installation, serial, medium, unit, building, company)
     SELECT installation || ':G' || n, installation, 'G' || n, 'ELECTRICITY', 'kWh', NULL, ($2::text[])[1 + n % cardinality($2::text[])]
     FROM (SELECT n, ($3::text[])[1 + n % cardinality($3::text[])] AS installation FROM generate_series(0, $1::int - 1) AS n) numbered`,
    [meters, owners, installations.map((place) => place.meters)],
  );
  await database.query('ANALYZE');
  return owners[0] as string;
}

/** Adds a year of hourly readings of the first `count` grown meters. */
async function addReadings(
  database: Client,
  count: number,
  installations: GrowthPlace['installations'],
  now: Date,
): Promise<void> {
  const start = new Date(Math.floor(now.getTime() / HOUR) * HOUR - HOURS_OF_YEAR * HOUR);
  await addPartitions(database, start, now);
  await database.query(
    `INSERT INTO meter_reading (meter, time, value, quality, received_at)
     SELECT ($4::text[])[1 + n % cardinality($4::text[])] || ':G' || n, $2::timestamptz + h * interval '1 hour',
       n * 1000 + h * (5 + n % 7) * 0.25, 'GOOD', now()
     FROM generate_series(0, $1::int - 1) AS n CROSS JOIN generate_series(0, $3::int - 1) AS h`,
    [count, start, HOURS_OF_YEAR, installations.map(({ meters }) => meters)],
  );
}

/** Creates the monthly partitions of readings between two times, as the hub does. */
async function addPartitions(database: Client, from: Date, to: Date): Promise<void> {
  const day = (month: number) => new Date(Date.UTC(from.getUTCFullYear(), month, 1));
  for (let month = from.getUTCMonth(); day(month) <= to; month++) {
    const [start, end] = [day(month), day(month + 1)].map((one) => one.toISOString().slice(0, 10)) as [string, string];
    await database.query(
      `CREATE TABLE IF NOT EXISTS meter_reading_${start.slice(0, 7).replace('-', '')} PARTITION OF meter_reading
       FOR VALUES FROM ('${start} 00:00:00+00') TO ('${end} 00:00:00+00')`,
    );
  }
}
