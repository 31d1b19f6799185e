/** Parks and buildings, copied from isthmus.yaml at each start. */
import { Any, Not } from 'typeorm';
import { BuildingRow, ParkRow } from '../entities/parks.ts';
import type { Tx } from '../transaction.ts';

/** Replaces the content of both tables; parks and buildings that are not given are deleted. */
export async function replaceParks(
  tx: Tx,
  parks: readonly ParkRow[],
  buildings: readonly BuildingRow[],
): Promise<void> {
  await tx.delete(BuildingRow, { id: Not(Any(buildings.map((building) => building.id))) });
  await tx.delete(ParkRow, { id: Not(Any(parks.map((park) => park.id))) });
  if (parks.length > 0) await tx.upsert(ParkRow, [...parks], ['id']);
  if (buildings.length > 0) await tx.upsert(BuildingRow, [...buildings], ['id']);
}

/** All parks, in the order of isthmus.yaml. */
export const allParks = (tx: Tx): Promise<ParkRow[]> => tx.find(ParkRow, { order: { position: 'ASC' } });

/** Parks by id. */
export async function parksByIds(tx: Tx, ids: readonly string[]): Promise<Map<string, ParkRow>> {
  const rows = await tx.findBy(ParkRow, { id: Any(ids) });
  return new Map(rows.map((row) => [row.id, row]));
}

/** Buildings by id. */
export async function buildingsByIds(tx: Tx, ids: readonly string[]): Promise<Map<string, BuildingRow>> {
  const rows = await tx.findBy(BuildingRow, { id: Any(ids) });
  return new Map(rows.map((row) => [row.id, row]));
}

/** The buildings of each park, in the order of isthmus.yaml. */
export async function buildingsByPark(tx: Tx, parks: readonly string[]): Promise<Map<string, BuildingRow[]>> {
  const rows = await tx.find(BuildingRow, { where: { park: Any(parks) }, order: { position: 'ASC' } });
  const found = new Map<string, BuildingRow[]>(parks.map((park) => [park, []]));
  for (const row of rows) found.get(row.park)?.push(row);
  return found;
}
