/** The store of the energy connector. This file: meters. */
import { selectList } from '../column-names.ts';
import { MeterRow } from '../entities/energy.ts';
import type { Tx } from '../transaction.ts';

export { droppedBefore } from '../retention/dropped-before.ts';
export * from './consumption.ts';
export * from './meter-readings.ts';
export * from './rejected-payloads.ts';

/** Saves meters with data from the meter sheet or the meter; later values, also null, replace earlier ones. */
export const saveMeters = (tx: Tx, rows: readonly MeterRow[]): Promise<void> =>
  insertMeters(
    tx,
    rows,
    `UPDATE SET medium = excluded.medium, unit = excluded.unit, building = excluded.building, company = excluded.company,
       modulus = excluded.modulus`,
  );

/** Adds meters of which only the serial is known; existing ones do not change. */
export const addMissingMeters = (
  tx: Tx,
  rows: readonly Pick<MeterRow, 'id' | 'installation' | 'serial'>[],
): Promise<void> =>
  insertMeters(
    tx,
    rows.map((row) => ({ ...row, medium: null, unit: null, building: null, company: null, modulus: null })),
    'NOTHING',
  );

async function insertMeters(tx: Tx, rows: readonly MeterRow[], conflict: string): Promise<void> {
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

const METER = selectList(MeterRow);

/** Meters by id. */
export async function metersByIds(tx: Tx, ids: readonly string[]): Promise<Map<string, MeterRow>> {
  const rows: MeterRow[] = await tx.query(`SELECT ${METER} FROM meter WHERE id = ANY($1)`, [ids]);
  return new Map(rows.map((row) => [row.id, row]));
}

/** Filter of meters; all given conditions must hold. */
export interface MeterQuery {
  readonly installations: readonly string[];
  readonly ids?: readonly string[] | undefined;
  readonly media?: readonly string[] | undefined;
  readonly companies?: readonly string[] | undefined;
}

/** SQL condition with the parameters `filterValues`, from `$2` on. */
const MATCHES = `installation = ANY($2) AND ($3::text[] IS NULL OR id = ANY($3)) AND ($4::text[] IS NULL OR medium = ANY($4))
  AND ($5::text[] IS NULL OR company = ANY($5))`;
const filterValues = ({ installations, ids, media, companies }: MeterQuery): unknown[] => [
  installations,
  ids ?? null,
  media ?? null,
  companies ?? null,
];

/** A page of meters for each key: by id in reading direction, at most `limit` after `place`. */
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
       SELECT ${METER} FROM meter WHERE ${by} = k.key AND ${MATCHES} AND ($6::text IS NULL OR id ${compare} $6)
       ORDER BY id ${order} LIMIT $7) m`,
    [keys, ...filterValues(query), page.place, page.limit],
  );
  const found = new Map<string, MeterRow[]>(keys.map((key) => [key, []]));
  for (const { key, ...row } of rows) found.get(key)?.push(row);
  return found;
}

/** Number of meters of the key that match. */
export async function meterCount(tx: Tx, by: 'company' | 'building', key: string, query: MeterQuery): Promise<number> {
  const rows: { count: string }[] = await tx.query(`SELECT count(*) FROM meter WHERE ${by} = $1 AND ${MATCHES}`, [
    key,
    ...filterValues(query),
  ]);
  return Number(rows[0]?.count ?? 0);
}
