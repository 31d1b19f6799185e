/** Tables of the parking connector: vehicles by opaque id, and occupancy observations with implausible ones flagged. */
import { selectList } from './column-names.ts';
import { VehicleRow } from './entities/parking.ts';
import { genericPlan } from './pool/prepared-statements.ts';
import { droppedBeforeSql } from './retention/dropped-before.ts';
import { timeBuckets } from './time-buckets.ts';
import type { Tx } from './transaction.ts';

export { droppedBefore } from './retention/dropped-before.ts';

/** A vehicle of one installation. */
export type KnownVehicle = Readonly<Omit<VehicleRow, 'installation'>>;

/** Saves vehicles. A company is set only if none is known: the source may be an old session. */
export const addVehicles = (tx: Tx, installation: string, vehicles: readonly KnownVehicle[]): Promise<void> =>
  saveVehicles(tx, installation, vehicles, 'coalesce(vehicle.company, excluded.company)');

/** Saves vehicles with their companies from the vendor's full list of rights; null removes the company. */
export const assignVehicles = (tx: Tx, installation: string, vehicles: readonly KnownVehicle[]): Promise<void> =>
  saveVehicles(tx, installation, vehicles, 'excluded.company');

/** Rows are sorted, so that concurrent writers cannot deadlock. `company`: new value of an existing row. */
async function saveVehicles(
  tx: Tx,
  installation: string,
  vehicles: readonly KnownVehicle[],
  company: 'coalesce(vehicle.company, excluded.company)' | 'excluded.company',
): Promise<void> {
  const distinct = new Map<string, KnownVehicle>();
  for (const vehicle of vehicles)
    distinct.set(vehicle.id, { ...vehicle, company: vehicle.company ?? distinct.get(vehicle.id)?.company ?? null });
  const rows = [...distinct.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  if (rows.length === 0) return;
  await tx.query(
    genericPlan(`INSERT INTO vehicle (id, installation, plate, colour, company)
     SELECT id, $1, plate, colour, company FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS given (id, plate, colour, company)
     ON CONFLICT (id, installation) DO UPDATE SET company = ${company} WHERE vehicle.company IS DISTINCT FROM ${company}`),
    [
      installation,
      rows.map((row) => row.id),
      rows.map((row) => row.plate),
      rows.map((row) => row.colour),
      rows.map((row) => row.company),
    ],
  );
}

const VEHICLE = selectList(VehicleRow, ['installation']);

/** The installation's vehicles by id. */
export async function vehiclesByIds(
  tx: Tx,
  installation: string,
  ids: readonly string[],
): Promise<Map<string, KnownVehicle>> {
  const rows: KnownVehicle[] = await tx.query(
    genericPlan(`SELECT ${VEHICLE} FROM vehicle WHERE installation = $1 AND id = ANY($2)`),
    [installation, ids],
  );
  return new Map(rows.map((row) => [row.id, row]));
}

/** The installation's vehicles with this plate, one per plate colour. */
export const vehiclesByPlate = (tx: Tx, installation: string, plate: string): Promise<KnownVehicle[]> =>
  tx.query(genericPlan(`SELECT ${VEHICLE} FROM vehicle WHERE installation = $1 AND plate = $2`), [installation, plate]);

/** An occupancy observation. */
export interface ObservationInput {
  readonly id: string;
  readonly lot: string;
  readonly time: Date;
  readonly occupied: number;
  readonly capacity: number | null;
}

/**
 * Saves observations, one per vendor id; resolves with the new ids. With `correct`, changed figures of a saved one are updated.
 * Flags implausible ones: more cars than places, a negative count, a second one of the same lot and time.
 */
export async function saveObservations(
  tx: Tx,
  installation: string,
  all: readonly ObservationInput[],
  options: { correct: boolean },
): Promise<Set<string>> {
  const distinct = [...new Map(all.map((observation) => [observation.id, observation])).values()].sort((a, b) =>
    a.id < b.id ? -1 : 1,
  );
  if (distinct.length === 0) return new Set();
  const given = [
    installation,
    distinct.map((observation) => observation.id),
    distinct.map((observation) => observation.lot),
    distinct.map((observation) => observation.time),
    distinct.map((observation) => observation.occupied),
    distinct.map((observation) => observation.capacity),
  ];
  const observations =
    'unnest($2::text[], $3::text[], $4::timestamptz[], $5::int[], $6::int[]) AS g (id, lot, time, occupied, capacity)';
  if (options.correct) {
    const [moved]: [{ lot: string; time: Date }[], number] = await tx.query(
      `UPDATE occupancy o SET lot = g.lot, time = g.time, occupied = g.occupied, capacity = g.capacity,
         over_capacity = coalesce(g.occupied > g.capacity, false), negative = g.occupied < 0
       FROM ${observations}, occupancy before
       WHERE o.installation = $1 AND o.vendor_id = g.id AND before.installation = $1 AND before.vendor_id = g.id
         AND (o.lot, o.time, o.occupied, o.capacity) IS DISTINCT FROM (g.lot, g.time, g.occupied, g.capacity)
       RETURNING before.lot, before.time`,
      given,
    );
    if (moved.length > 0) await flagDuplicates(tx, installation, [...moved, ...distinct]);
  }
  const rows: { id: string }[] = await tx.query(
    `WITH given AS (
       SELECT * FROM ${observations}
       WHERE NOT EXISTS (SELECT 1 FROM occupancy o WHERE o.installation = $1 AND o.vendor_id = g.id)
     )
     INSERT INTO occupancy (installation, vendor_id, lot, time, occupied, capacity, over_capacity, negative, duplicate)
     SELECT $1, id, lot, time, occupied, capacity, coalesce(occupied > capacity, false), occupied < 0,
       row_number() OVER (PARTITION BY lot, time ORDER BY id) > 1
         OR EXISTS (SELECT 1 FROM occupancy o WHERE o.installation = $1 AND o.lot = given.lot AND o.time = given.time)
     FROM given
     ON CONFLICT (installation, vendor_id) DO NOTHING RETURNING vendor_id AS id`,
    given,
  );
  return new Set(rows.map((row) => row.id));
}

/** Deletes observations that the vendor has deleted, and updates the duplicate flags of others. */
export async function deleteObservations(tx: Tx, installation: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  const [deleted]: [{ lot: string; time: Date }[], number] = await tx.query(
    'DELETE FROM occupancy WHERE installation = $1 AND vendor_id = ANY($2) RETURNING lot, time',
    [installation, ids],
  );
  if (deleted.length > 0) await flagDuplicates(tx, installation, deleted);
}

/** Of each lot and time, one row is not a duplicate: the current one, or the one with the lowest id. */
async function flagDuplicates(
  tx: Tx,
  installation: string,
  places: readonly { readonly lot: string; readonly time: Date }[],
): Promise<void> {
  await tx.query(
    `UPDATE occupancy o SET duplicate = ranked.n > 1
     FROM (SELECT vendor_id, row_number() OVER (PARTITION BY lot, time ORDER BY duplicate, vendor_id) AS n
       FROM occupancy WHERE installation = $1 AND (lot, time) IN (SELECT * FROM unnest($2::text[], $3::timestamptz[]))) ranked
     WHERE o.installation = $1 AND o.vendor_id = ranked.vendor_id AND o.duplicate IS DISTINCT FROM (ranked.n > 1)`,
    [installation, places.map((place) => place.lot), places.map((place) => place.time)],
  );
}

/** Occupancy of a lot in one bucket. */
export interface OccupancyBucketRow {
  readonly lot: string;
  readonly start: Date;
  readonly mean: string | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly flagged: number;
}

/**
 * Occupancy of several lots, one row per lot and bucket from `from` to `to`; null without measurements. Flagged rows are counted but
 * excluded from the figures. Days, months and years are those of `zone`. A bucket that retention has partly dropped is null.
 */
export async function occupancyBuckets(
  tx: Tx,
  installation: string,
  lots: readonly string[],
  range: { from: Date; to: Date; bucket: string; zone: string },
): Promise<OccupancyBucketRow[]> {
  const { startOf, series, seriesStart } = timeBuckets(range.bucket, '$5');
  return tx.query(
    `WITH measured AS (
       SELECT lot, ${startOf('time')} AS start, occupied, over_capacity OR negative OR duplicate AS flagged
       FROM occupancy WHERE installation = $1 AND lot = ANY($2) AND time >= $3 AND time < $4
         AND ${startOf('time')} >= coalesce(${droppedBeforeSql('occupancy')}, '-infinity')
     ), rates AS (
       SELECT lot, start, trim_scale(round(avg(occupied) FILTER (WHERE NOT flagged), 4))::text AS mean,
         min(occupied) FILTER (WHERE NOT flagged) AS min, max(occupied) FILTER (WHERE NOT flagged) AS max,
         count(*) FILTER (WHERE flagged)::int AS flagged
       FROM measured GROUP BY lot, start
     ), buckets AS (
       SELECT l.lot, ${seriesStart} AS start
       FROM unnest($2::text[]) AS l (lot) CROSS JOIN ${series('$3::timestamptz', '$4::timestamptz')}
     )
     SELECT b.lot, b.start, r.mean, r.min, r.max, coalesce(r.flagged, 0) AS flagged
     FROM buckets b LEFT JOIN rates r ON r.lot = b.lot AND r.start = b.start
     WHERE $5::text IS NOT NULL ORDER BY b.lot, b.start`,
    [installation, lots, range.from, range.to, range.zone],
  );
}
