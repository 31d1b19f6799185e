/** Meters and their raw registers. Consumption is what registers differ by; it is computed when asked, never stored as a guess. */
import type { Tx } from './open.ts';

export interface MeterRow {
  readonly id: string;
  readonly installation: string;
  readonly serial: string;
  readonly medium: string | null;
  readonly unit: string | null;
  readonly building: string | null;
  readonly company: string | null;
  readonly modulus: string | null;
}

/** Keeps what is known of meters; null never overwrites what was known. */
export async function saveMeters(tx: Tx, rows: readonly MeterRow[]): Promise<void> {
  const distinct = [...new Map(rows.map((row) => [row.id, row])).values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  if (distinct.length === 0) return;
  const column = (pick: (row: MeterRow) => string | null) => distinct.map(pick);
  await tx.query(
    `INSERT INTO meter (id, installation, serial, medium, unit, building, company, modulus)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::numeric[])
     ON CONFLICT (id) DO UPDATE SET medium = coalesce(excluded.medium, meter.medium), unit = coalesce(excluded.unit, meter.unit),
       building = coalesce(excluded.building, meter.building), company = coalesce(excluded.company, meter.company),
       modulus = coalesce(excluded.modulus, meter.modulus)`,
    [
      column((row) => row.id),
      column((row) => row.installation),
      column((row) => row.serial),
      column((row) => row.medium),
      column((row) => row.unit),
      column((row) => row.building),
      column((row) => row.company),
      column((row) => row.modulus),
    ],
  );
}

export interface ReadingRow {
  readonly meter: string;
  readonly time: Date;
  readonly value: string;
  readonly quality: string;
}

const made = new Set<string>();

/** Keeps raw registers, each (meter, time) once; answers how many were new. Months get their partitions as they come. */
export async function saveReadings(tx: Tx, rows: readonly ReadingRow[]): Promise<number> {
  if (rows.length === 0) return 0;
  await makeMonths(tx, rows);
  const kept: unknown[] = await tx.query(
    `INSERT INTO meter_reading (meter, time, value, quality)
     SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::numeric[], $4::text[]) ON CONFLICT DO NOTHING RETURNING 1`,
    [
      rows.map((row) => row.meter),
      rows.map((row) => row.time),
      rows.map((row) => row.value),
      rows.map((row) => row.quality),
    ],
  );
  return kept.length;
}

async function makeMonths(tx: Tx, rows: readonly ReadingRow[]): Promise<void> {
  const database: { name: string }[] = await tx.query('SELECT current_database() AS name');
  const months = [...new Set(rows.map((row) => row.time.toISOString().slice(0, 7)))].sort();
  for (const month of months) {
    const mark = `${database[0]?.name} ${month}`;
    if (made.has(mark)) continue;
    const name = `meter_reading_${month.replace('-', '')}`;
    const there: { found: string | null }[] = await tx.query('SELECT to_regclass($1) AS found', [name]);
    if (!there[0]?.found) {
      const [year = 2000, number = 1] = month.split('-').map(Number);
      const next = new Date(Date.UTC(year, number, 1)).toISOString().slice(0, 10);
      // Several processes may come to a new month at once.
      await tx.query('SELECT pg_advisory_xact_lock(4739202)');
      await tx.query(
        `CREATE TABLE IF NOT EXISTS ${name} PARTITION OF meter_reading FOR VALUES FROM ('${month}-01 00:00:00+00') TO ('${next} 00:00:00+00')`,
      );
    } else made.add(mark);
  }
}

/** Payloads that could not be understood are kept with the reason, newest 1,000 of an installation. */
export async function refusePayload(
  tx: Tx,
  installation: string,
  topic: string,
  payload: Buffer,
  reason: string,
): Promise<void> {
  await tx.query(
    'INSERT INTO meter_refusal (installation, topic, payload, reason, at) VALUES ($1, $2, $3, $4, now())',
    [installation, topic, payload.subarray(0, 4_096), reason],
  );
  await tx.query(
    'DELETE FROM meter_refusal WHERE installation = $1 AND id <= (SELECT id FROM meter_refusal WHERE installation = $1 ORDER BY id DESC OFFSET 1000 LIMIT 1)',
    [installation],
  );
}

const METER = 'id, installation, serial, medium, unit, building, company, modulus::text AS modulus';

export async function metersByIds(tx: Tx, ids: readonly string[]): Promise<Map<string, MeterRow>> {
  const rows: MeterRow[] = await tx.query(`SELECT ${METER} FROM meter WHERE id = ANY($1)`, [ids]);
  return new Map(rows.map((row) => [row.id, row]));
}

export interface MeterQuery {
  readonly installations: readonly string[];
  readonly ids?: readonly string[] | undefined;
  readonly media?: readonly string[] | undefined;
}

/** A page of meters for each key in one query: by id, in reading direction, at most `limit` beyond `place`. */
export async function meterPages(
  tx: Tx,
  by: 'company' | 'building',
  keys: readonly string[],
  query: MeterQuery,
  page: { forward: boolean; limit: number; place: string | null },
): Promise<Map<string, MeterRow[]>> {
  const [compare, order] = page.forward ? ['>', 'ASC'] : ['<', 'DESC'];
  const rows: (MeterRow & { key: string })[] = await tx.query(
    `SELECT k.key, m.* FROM unnest($1::text[]) AS k (key) CROSS JOIN LATERAL (
       SELECT ${METER} FROM meter WHERE ${by} = k.key AND installation = ANY($2)
         AND ($3::text[] IS NULL OR id = ANY($3)) AND ($4::text[] IS NULL OR medium = ANY($4))
         AND ($5::text IS NULL OR id ${compare} $5)
       ORDER BY id ${order} LIMIT $6) m`,
    [keys, query.installations, query.ids ?? null, query.media ?? null, page.place, page.limit],
  );
  const found = new Map<string, MeterRow[]>(keys.map((key) => [key, []]));
  for (const { key, ...row } of rows) found.get(key)?.push(row);
  return found;
}

export async function meterCount(tx: Tx, by: 'company' | 'building', key: string, query: MeterQuery): Promise<number> {
  const rows: { count: string }[] = await tx.query(
    `SELECT count(*) FROM meter WHERE ${by} = $1 AND installation = ANY($2) AND ($3::text[] IS NULL OR id = ANY($3)) AND ($4::text[] IS NULL OR medium = ANY($4))`,
    [key, query.installations, query.ids ?? null, query.media ?? null],
  );
  return Number(rows[0]?.count ?? 0);
}

/** The newest register of each meter. */
export async function latestReadings(tx: Tx, ids: readonly string[]): Promise<Map<string, ReadingRow>> {
  const rows: ReadingRow[] = await tx.query(
    `SELECT r.meter, r.time, trim_scale(r.value)::text AS value, r.quality FROM unnest($1::text[]) AS k (id)
     CROSS JOIN LATERAL (SELECT * FROM meter_reading WHERE meter = k.id ORDER BY time DESC LIMIT 1) r`,
    [ids],
  );
  return new Map(rows.map((row) => [row.meter, row]));
}

export interface ConsumptionBucket {
  readonly key: string;
  readonly start: Date;
  readonly value: string | null;
  readonly quality: 'GOOD' | 'ESTIMATED' | 'SUSPECT';
  readonly unit: string | null;
}

const WIDTHS: Readonly<Record<string, string>> = {
  QUARTER_HOUR: '15 minutes',
  HOUR: '1 hour',
  DAY: '1 day',
  MONTH: '1 month',
  YEAR: '1 year',
};
const UNITS: Readonly<Record<string, string>> = { DAY: 'day', MONTH: 'month', YEAR: 'year' };

/**
 * Consumption of several keys in one query, a row per key and bucket from `from` to `to`; null where nothing was measured. What a register
 * grew between two readings belongs to the bucket in which the earlier one lies (an interval is labelled by its start). Over a
 * gap of more than two buckets it belongs to the bucket in which the gap ends, ESTIMATED. A register that fell has rolled over when its
 * modulus is known and it was near it; else the meter was reset and that difference is not known: SUSPECT.
 */
export async function consumption(
  tx: Tx,
  by: 'company' | 'building' | 'park' | 'meter',
  keys: readonly string[],
  query: { installations: readonly string[]; medium: string | null },
  range: { from: Date; to: Date; bucket: string; zone: string },
): Promise<ConsumptionBucket[]> {
  const width = WIDTHS[range.bucket] ?? '1 hour';
  const calendar = UNITS[range.bucket];
  const bin = (expression: string) =>
    calendar
      ? `date_trunc('${calendar}', ${expression}, $6)`
      : `date_bin('${width}', ${expression}, timestamptz '2000-01-01 00:00:00+00')`;
  const key = by === 'meter' ? 'm.id' : by === 'park' ? 'k.key' : `m.${by}`;
  const match = by === 'park' ? 'true' : by === 'meter' ? 'm.id = k.key' : `m.${by} = k.key`;
  return tx.query(
    `WITH wanted AS (
       SELECT ${key} AS key, m.id, m.unit, m.modulus FROM unnest($1::text[]) AS k (key) JOIN meter m ON ${match}
       WHERE m.installation = ANY($2) AND ($3::text IS NULL OR m.medium = $3)
     ), registers AS (
       SELECT w.key, w.unit, w.modulus, r.* FROM wanted w CROSS JOIN LATERAL (
         (SELECT meter, time, value, quality FROM meter_reading WHERE meter = w.id AND time < $4 ORDER BY time DESC LIMIT 1)
         UNION ALL
         SELECT meter, time, value, quality FROM meter_reading WHERE meter = w.id AND time >= $4 AND time <= $5
       ) r
     ), steps AS (
       SELECT key, unit, modulus, quality, value, time, lag(value) OVER one AS before, lag(time) OVER one AS since
       FROM registers WINDOW one AS (PARTITION BY meter ORDER BY time)
     ), grown AS (
       SELECT key, unit,
         CASE WHEN value >= before THEN value - before
           WHEN modulus IS NOT NULL AND before > 0.9 * modulus AND value < 0.1 * modulus THEN value + modulus - before END AS amount,
         CASE WHEN time - since > 2 * interval '${width}' THEN ${bin("time - interval '1 microsecond'")} ELSE ${bin('since')} END AS start,
         CASE WHEN time - since > 2 * interval '${width}' OR quality = 'ESTIMATED' THEN 1 ELSE 0 END AS estimated,
         CASE WHEN (value < before AND NOT (modulus IS NOT NULL AND before > 0.9 * modulus AND value < 0.1 * modulus)) OR quality = 'SUSPECT' THEN 1 ELSE 0 END AS suspect
       FROM steps WHERE since IS NOT NULL
     ), sums AS (
       SELECT key, start, trim_scale(sum(amount))::text AS value, max(suspect) AS suspect, max(estimated) AS estimated, min(unit) AS unit
       FROM grown WHERE start >= ${bin('$4::timestamptz')} AND start < $5 GROUP BY key, start
     ), buckets AS (
       SELECT k.key, ${calendar ? `(g.at AT TIME ZONE $6)` : 'g.at'} AS start FROM unnest($1::text[]) AS k (key) CROSS JOIN
         generate_series(${calendar ? `(${bin('$4::timestamptz')} AT TIME ZONE $6), ($5::timestamptz AT TIME ZONE $6) - interval '1 microsecond'` : `${bin('$4::timestamptz')}, $5::timestamptz - interval '1 microsecond'`}, interval '${width}') AS g (at)
     )
     SELECT b.key, b.start, s.value, s.unit,
       CASE WHEN s.suspect = 1 THEN 'SUSPECT' WHEN s.estimated = 1 THEN 'ESTIMATED' ELSE 'GOOD' END AS quality
     FROM buckets b LEFT JOIN sums s ON s.key = b.key AND s.start = b.start
     WHERE $6::text IS NOT NULL ORDER BY b.key, b.start`,
    [keys, query.installations, query.medium, range.from, range.to, range.zone],
  );
}
