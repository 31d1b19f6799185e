/** The store of the parking connector. This file: vehicles by opaque id. */
import { selectList } from '../column-names.ts';
import { VehicleRow } from '../entities/parking.ts';
import { genericPlan } from '../pool/prepared-statements.ts';
import type { Tx } from '../transaction.ts';

export { droppedBefore } from '../retention/dropped-before.ts';
export * from './occupancy.ts';
export * from './occupancy-buckets.ts';

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
