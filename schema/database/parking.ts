/** What parking keeps: which vehicle an opaque id means, and every observation of occupancy, impossible ones flagged. */
import type { Tx } from './open.ts';

export interface KnownVehicle {
  readonly id: string;
  readonly plate: string;
  readonly colour: string;
  /** Credit code of the newest right or session it was named with; null when none. */
  readonly company: string | null;
}

/** Keeps what the ids mean. Rows are sorted, so that writers never lock crosswise; a known company is not forgotten. */
export async function saveVehicles(tx: Tx, installation: string, vehicles: readonly KnownVehicle[]): Promise<void> {
  const distinct = new Map(vehicles.map((one) => [one.id, one]));
  const rows = [...distinct.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  if (rows.length === 0) return;
  await tx.query(
    `INSERT INTO vehicle (id, installation, plate, colour, company)
     SELECT id, $1, plate, colour, company FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS given (id, plate, colour, company)
     ON CONFLICT (id, installation) DO UPDATE SET company = coalesce(excluded.company, vehicle.company)
     WHERE vehicle.company IS DISTINCT FROM coalesce(excluded.company, vehicle.company)`,
    [
      installation,
      rows.map((one) => one.id),
      rows.map((one) => one.plate),
      rows.map((one) => one.colour),
      rows.map((one) => one.company),
    ],
  );
}

/** By id, as this installation knows them. */
export async function vehiclesByIds(
  tx: Tx,
  installation: string,
  ids: readonly string[],
): Promise<Map<string, KnownVehicle>> {
  const rows: KnownVehicle[] = await tx.query(
    'SELECT id, plate, colour, company FROM vehicle WHERE installation = $1 AND id = ANY($2)',
    [installation, ids],
  );
  return new Map(rows.map((row) => [row.id, row]));
}

/** All colours under which this installation knows the plate. */
export const vehiclesByPlate = (tx: Tx, installation: string, plate: string): Promise<KnownVehicle[]> =>
  tx.query('SELECT id, plate, colour, company FROM vehicle WHERE installation = $1 AND plate = $2', [
    installation,
    plate,
  ]);

export interface ObservationInput {
  readonly id: string;
  readonly lot: string;
  readonly time: Date;
  readonly occupied: number;
  readonly capacity: number | null;
}

/**
 * Keeps observations, each vendor id once; answers the ids that were new. Flags what cannot be: more cars than places,
 * fewer than none, a second one of the same lot and time.
 */
export async function saveObservations(
  tx: Tx,
  installation: string,
  all: readonly ObservationInput[],
): Promise<Set<string>> {
  const distinct = [...new Map(all.map((one) => [one.id, one])).values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  if (distinct.length === 0) return new Set();
  const rows: { id: string }[] = await tx.query(
    `WITH given AS (
       SELECT * FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::int[], $6::int[]) AS g (id, lot, time, occupied, capacity)
       WHERE NOT EXISTS (SELECT 1 FROM occupancy o WHERE o.installation = $1 AND o.vendor_id = g.id)
     )
     INSERT INTO occupancy (installation, vendor_id, lot, time, occupied, capacity, over_capacity, negative, duplicate)
     SELECT $1, id, lot, time, occupied, capacity, coalesce(occupied > capacity, false), occupied < 0,
       row_number() OVER (PARTITION BY lot, time ORDER BY id) > 1
         OR EXISTS (SELECT 1 FROM occupancy o WHERE o.installation = $1 AND o.lot = given.lot AND o.time = given.time)
     FROM given
     ON CONFLICT (installation, vendor_id) DO NOTHING RETURNING vendor_id AS id`,
    [
      installation,
      distinct.map((one) => one.id),
      distinct.map((one) => one.lot),
      distinct.map((one) => one.time),
      distinct.map((one) => one.occupied),
      distinct.map((one) => one.capacity),
    ],
  );
  return new Set(rows.map((row) => row.id));
}

export interface OccupancyBucketRow {
  readonly lot: string;
  readonly start: Date;
  readonly mean: string | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly flagged: number;
}

/** Widths that a clock knows, in minutes; the others follow the park's calendar. */
const WIDTHS: Readonly<Record<string, string>> = { QUARTER_HOUR: '15 minutes', HOUR: '1 hour' };
const CALENDAR: Readonly<Record<string, string>> = { DAY: 'day', MONTH: 'month', YEAR: 'year' };

/** Buckets of several lots in one query; flagged rows count, but not in the rates. Days, months and years are of `zone`. */
export async function occupancyBuckets(
  tx: Tx,
  installation: string,
  lots: readonly string[],
  range: { from: Date; to: Date; bucket: string; zone: string },
): Promise<OccupancyBucketRow[]> {
  const width = WIDTHS[range.bucket];
  const start = width
    ? `date_bin('${width}', time, timestamptz '2000-01-01 00:00:00+00')`
    : `date_trunc('${CALENDAR[range.bucket] ?? 'day'}', time, $5)`;
  return tx.query(
    `SELECT lot, ${start} AS start,
       trim_scale(round(avg(occupied) FILTER (WHERE NOT flagged), 4))::text AS mean,
       min(occupied) FILTER (WHERE NOT flagged) AS min, max(occupied) FILTER (WHERE NOT flagged) AS max,
       count(*) FILTER (WHERE flagged)::int AS flagged
     FROM (SELECT *, over_capacity OR negative OR duplicate AS flagged FROM occupancy) o
     WHERE installation = $1 AND lot = ANY($2) AND time >= $3 AND time < $4 AND $5::text IS NOT NULL
     GROUP BY lot, 2 ORDER BY lot, 2`,
    [installation, lots, range.from, range.to, range.zone],
  );
}
