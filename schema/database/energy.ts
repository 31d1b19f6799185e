/** Meters, their raw registers, and what could not be understood. */
import type { Tx } from './open.ts';

export * from './energy-consumption.ts';

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

/** Keeps what the sheet or the meter itself says; the newest word stands, also where it says null. */
export const saveMeters = (tx: Tx, rows: readonly MeterRow[]): Promise<void> =>
  putMeters(
    tx,
    rows,
    `UPDATE SET medium = excluded.medium, unit = excluded.unit, building = excluded.building, company = excluded.company,
       modulus = excluded.modulus`,
  );

/** Keeps meters of which nothing is known but the serial; leaves alone what is there. */
export const meetMeters = (tx: Tx, rows: readonly Pick<MeterRow, 'id' | 'installation' | 'serial'>[]): Promise<void> =>
  putMeters(
    tx,
    rows.map((row) => ({ ...row, medium: null, unit: null, building: null, company: null, modulus: null })),
    'NOTHING',
  );

async function putMeters(tx: Tx, rows: readonly MeterRow[], conflict: string): Promise<void> {
  const distinct = [...new Map(rows.map((row) => [row.id, row])).values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  if (distinct.length === 0) return;
  const column = (pick: (row: MeterRow) => string | null) => distinct.map(pick);
  await tx.query(
    `INSERT INTO meter (id, installation, serial, medium, unit, building, company, modulus)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::numeric[])
     ON CONFLICT (id) DO ${conflict}`,
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
  readonly companies?: readonly string[] | undefined;
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
         AND ($5::text IS NULL OR id ${compare} $5) AND ($7::text[] IS NULL OR company = ANY($7))
       ORDER BY id ${order} LIMIT $6) m`,
    [
      keys,
      query.installations,
      query.ids ?? null,
      query.media ?? null,
      page.place,
      page.limit,
      query.companies ?? null,
    ],
  );
  const found = new Map<string, MeterRow[]>(keys.map((key) => [key, []]));
  for (const { key, ...row } of rows) found.get(key)?.push(row);
  return found;
}

export async function meterCount(tx: Tx, by: 'company' | 'building', key: string, query: MeterQuery): Promise<number> {
  const rows: { count: string }[] = await tx.query(
    `SELECT count(*) FROM meter WHERE ${by} = $1 AND installation = ANY($2) AND ($3::text[] IS NULL OR id = ANY($3)) AND ($4::text[] IS NULL OR medium = ANY($4))
       AND ($5::text[] IS NULL OR company = ANY($5))`,
    [key, query.installations, query.ids ?? null, query.media ?? null, query.companies ?? null],
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
