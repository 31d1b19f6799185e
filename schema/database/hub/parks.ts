/** Parks and buildings, copied from isthmus.yaml at each start. */
import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Tx } from '../transaction.ts';

@Entity('park')
export class ParkRow {
  @PrimaryColumn('text') id!: string;
  @Column('text') name!: string;
  @Column('text') region!: string;
  @Column('text', { nullable: true }) kind!: string | null;
  @Column('text', { nullable: true }) function!: string | null;
  @Column('text', { name: 'led_by', nullable: true }) ledBy!: string | null;
  @Column('text', { nullable: true }) level!: string | null;
  @Column('integer') position!: number;
}

@Entity('building')
export class BuildingRow {
  @PrimaryColumn('text') id!: string;
  @Column('text') park!: string;
  @Column('text') name!: string;
  @Column('numeric', { name: 'floor_area', nullable: true }) floorArea!: string | null;
  /** Codes of the building in source systems. */
  @Column('text', { array: true }) known!: string[];
  @Column('integer') position!: number;
}

/** Replaces the content of both tables; parks and buildings that are not given are deleted. */
export async function replaceParks(
  tx: Tx,
  parks: readonly ParkRow[],
  buildings: readonly BuildingRow[],
): Promise<void> {
  const parkIds = parks.map((park) => park.id);
  await tx.query('DELETE FROM building WHERE NOT (id = ANY($1))', [buildings.map((building) => building.id)]);
  await tx.query('DELETE FROM park WHERE NOT (id = ANY($1))', [parkIds]);
  if (parks.length > 0) await tx.upsert(ParkRow, [...parks], ['id']);
  if (buildings.length > 0) await tx.upsert(BuildingRow, [...buildings], ['id']);
}

/** All parks, in the order of isthmus.yaml. */
export const allParks = (tx: Tx): Promise<ParkRow[]> => tx.find(ParkRow, { order: { position: 'ASC' } });

/** Parks by id. */
export async function parksByIds(tx: Tx, ids: readonly string[]): Promise<Map<string, ParkRow>> {
  const rows = await tx.query('SELECT *, led_by AS "ledBy" FROM park WHERE id = ANY($1)', [ids]);
  return new Map((rows as ParkRow[]).map((row) => [row.id, row]));
}

const BUILDING = 'id, park, name, floor_area AS "floorArea", known, position';

/** Buildings by id. */
export async function buildingsByIds(tx: Tx, ids: readonly string[]): Promise<Map<string, BuildingRow>> {
  const rows = await tx.query(`SELECT ${BUILDING} FROM building WHERE id = ANY($1)`, [ids]);
  return new Map((rows as BuildingRow[]).map((row) => [row.id, row]));
}

/** The buildings of each park, in the order of isthmus.yaml. */
export async function buildingsByPark(tx: Tx, parks: readonly string[]): Promise<Map<string, BuildingRow[]>> {
  const rows: BuildingRow[] = await tx.query(
    `SELECT ${BUILDING} FROM building WHERE park = ANY($1) ORDER BY position`,
    [parks],
  );
  const found = new Map<string, BuildingRow[]>(parks.map((park) => [park, []]));
  for (const row of rows) found.get(row.park)?.push(row);
  return found;
}
