/** The store of the energy connector. This file: meters. */
import { selectList } from '../column-names.ts';
import { MeterRow } from '../entities/energy.ts';
import { genericPlan } from '../pool/prepared-statements.ts';
import type { Tx } from '../transaction.ts';
import * as computed from './consumption.ts';

export { droppedBefore } from '../retention/dropped-before.ts';
export * from './consumption.ts';
export * from './meter-readings.ts';
export * from './rejected-payloads.ts';

/** As `consumption` of consumption.ts, planned once per connection: planning its ten steps takes longer than executing them. */
export const consumption: typeof computed.consumption = (tx, ...rest) =>
  computed.consumption(
    Object.create(tx, {
      query: { value: (sql: string, values: unknown[]) => tx.query(genericPlan(sql), values) },
    }) as Tx,
    ...rest,
  );

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
  const rows: MeterRow[] = await tx.query(genericPlan(`SELECT ${METER} FROM meter WHERE id = ANY($1)`), [ids]);
  return new Map(rows.map((row) => [row.id, row]));
}

/** Filter of meters; all given conditions must hold. */
export interface MeterQuery {
  readonly installations: readonly string[];
  readonly ids?: readonly string[] | undefined;
  readonly media?: readonly string[] | undefined;
  readonly companies?: readonly string[] | undefined;
}

/** SQL condition of the query; adds its parameters to `values`. Without a branch for absent filters, which would need another plan. */
function matches({ installations, ids, media, companies }: MeterQuery, values: unknown[]): string {
  const isOneOf = (column: string, wanted: readonly string[] | undefined) =>
    wanted ? [`${column} = ANY($${values.push(wanted)})`] : [];
  return [
    ...isOneOf('installation', installations),
    ...isOneOf('id', ids),
    ...isOneOf('medium', media),
    ...isOneOf('company', companies),
  ].join(' AND ');
}

/** An installation and a medium of the meters of a key. */
export interface MeterKind {
  readonly installation: string;
  readonly medium: string | null;
}

/** A page of meters, and the kinds of all meters of the key, whatever the filter. */
export interface MeterPage {
  readonly meters: MeterRow[];
  readonly kinds: readonly MeterKind[];
}

/** A page of meters for each key: by id in reading direction, at most `limit` after `place`. */
export async function meterPages(
  tx: Tx,
  by: 'company' | 'building',
  keys: readonly string[],
  query: MeterQuery,
  page: { forward: boolean; limit: number; place: string | null },
): Promise<Map<string, MeterPage>> {
  const [compare, order] = page.forward ? ['>', 'ASC'] : ['<', 'DESC'];
  const values: unknown[] = [keys, query.installations, page.limit];
  const place = page.place === null ? '' : `AND id ${compare} $${values.push(page.place)}`;
  const rows: (MeterRow & { key: string; kinds: [string, string | null][] | null })[] = await tx.query(
    genericPlan(`SELECT k.key, a.kinds, m.* FROM unnest($1::text[]) AS k (key) CROSS JOIN LATERAL (
       SELECT array_agg(DISTINCT ARRAY[installation, medium]) AS kinds FROM meter WHERE ${by} = k.key AND installation = ANY($2)
     ) a LEFT JOIN LATERAL (
       SELECT ${METER} FROM meter WHERE ${by} = k.key AND ${matches(query, values)} ${place} ORDER BY id ${order} LIMIT $3
     ) m ON true`),
    values,
  );
  const found = new Map<string, MeterPage>(keys.map((key) => [key, { meters: [], kinds: [] }]));
  for (const { key, kinds, ...meter } of rows) {
    const known = found.get(key);
    const meters = [...(known?.meters ?? []), ...(meter.id === null ? [] : [meter])];
    found.set(key, { meters, kinds: (kinds ?? []).map(([installation, medium]) => ({ installation, medium })) });
  }
  return found;
}

const OF_KEYS = {
  company: 'm.company = k.key',
  building: 'm.building = k.key',
  meter: 'm.id = k.key',
  // The caller restricts the installations to those of the park.
  park: 'true',
};

/** The kinds of the meters of each key in these installations, by installation; a key without meters is not in the map. */
export async function meterKinds(
  tx: Tx,
  by: keyof typeof OF_KEYS,
  keys: readonly string[],
  installations: readonly string[],
): Promise<Map<string, MeterKind[]>> {
  const rows: (MeterKind & { key: string })[] = await tx.query(
    genericPlan(`SELECT DISTINCT k.key, m.installation, m.medium FROM unnest($1::text[]) AS k (key)
     JOIN meter m ON ${OF_KEYS[by]} WHERE m.installation = ANY($2) ORDER BY k.key, m.installation, m.medium`),
    [keys, installations],
  );
  const found = new Map<string, MeterKind[]>();
  for (const { key, ...kind } of rows) found.set(key, [...(found.get(key) ?? []), kind]);
  return found;
}

/** Number of meters of the key that match. */
export async function meterCount(tx: Tx, by: 'company' | 'building', key: string, query: MeterQuery): Promise<number> {
  const values: unknown[] = [key];
  const rows: { count: string }[] = await tx.query(
    genericPlan(`SELECT count(*) FROM meter WHERE ${by} = $1 AND ${matches(query, values)}`),
    values,
  );
  return Number(rows[0]?.count ?? 0);
}
