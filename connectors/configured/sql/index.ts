import { systemClock } from '../../kit/clock.ts';
import type { Services } from '../../kit/connector.ts';
import { malformed, rejected } from '../../kit/errors.ts';
import { missing } from '../../kit/monitoring/drift.ts';
import { openVendorDatabase, type Row, type VendorDatabase } from '../../kit/protocols/sql.ts';
import { asksOf, familyOf } from '../core/connector-family.ts';
import type { TypedEntity } from '../core/mapping.ts';
import type { Operation, Reader } from '../core/source-description.ts';
import { askedColumns, tableOperations } from '../core/tabular-source.ts';
import { spelledRow } from '../core/value-formats.ts';
import { type SqlSettings, sqlSettings } from './settings.ts';
import { catalogueOf, dialectOf, fitsColumn, quotedName, quotedTable, type Table } from './table-catalog.ts';

interface Tables {
  readonly operations: ReadonlyMap<string, Operation>;
}

/** Rows of one answer, at most: whoever needs more asks for less at a time. */
const MOST = 10_000;
/** How long what the database says of its tables is believed, in milliseconds. */
const BELIEVED = 600_000;

/** Tables and views of a PostgreSQL, MySQL or MariaDB database, by configuration alone. */
export default familyOf<SqlSettings, Tables>({
  name: 'sql',
  settings: sqlSettings,
  protocol: () => 'sql',
  // The address is secret, and the declaration says all that a graph needs.
  place: () => 'the database',
  describe: async (settings) => ({ operations: tableOperations(settings.entities) }),
  reader: ({ operations }, settings, _services: Services, entities) => sqlReader(operations, settings, entities),
});

/** One installation. Opens no connection before it is asked. */
export function sqlReader(
  operations: ReadonlyMap<string, Operation>,
  settings: SqlSettings,
  entities: readonly TypedEntity[],
): Reader {
  let opened: Promise<VendorDatabase> | undefined;
  const open = () => {
    opened ??= openVendorDatabase(settings.database, settings.timeout);
    return opened;
  };
  let known: { tables: ReadonlyMap<string, Table>; until: number } | null = null;
  const tables = async (signal: AbortSignal) => {
    if (known === null || known.until < systemClock.monotonic())
      known = {
        tables: await catalogueOf(await open(), dialectOf(settings.database), signal),
        until: systemClock.monotonic() + BELIEVED,
      };
    return known.tables;
  };
  const columns = new Map([...operations.keys()].map((name) => [name, columnsOf(name, settings, entities)]));

  return {
    operations,
    ask: async ({ operation, given }, signal) => {
      const wanted = columns.get(operation);
      if (!wanted) throw rejected(`there is no table ${operation}`);
      const table = (await tables(signal)).get(operation);
      if (!table) {
        known = null;
        throw malformed(`the account is shown no table ${operation}`);
      }
      const values: string[] = [];
      const conditions: string[] = [];
      for (const [column, value] of Object.entries(given)) {
        const keys = (Array.isArray(value) ? value : [value]).map(String);
        const fitting = keys.filter((key) => fitsColumn(table.columns.get(column)?.kind ?? '', key));
        if (fitting.length === 0) return [];
        conditions.push(`${quotedName(column)} IN (${fitting.map(() => '?').join(', ')})`);
        values.push(...fitting);
      }
      const where = conditions.length > 0 ? ` WHERE ${conditions.join(' AND ')}` : '';
      const list = wanted.map(quotedName).join(', ');
      let rows: readonly Row[];
      try {
        rows = await (await open()).select(
          `SELECT ${list} FROM ${quotedTable(operation)}${where} {limit ${MOST + 1}}`,
          values,
          signal,
        );
      } catch (error) {
        // The table may be another than it was: what is known of it is asked again.
        known = null;
        throw error;
      }
      if (rows.length > MOST)
        throw rejected(`${operation} answers more than ${MOST} rows; leave out its list, or name a view`);
      const own = entities.filter((entity) => asksOf(entity).some((ask) => ask.operation === operation));
      return rows.map((row) => own.reduce<Row>((cells, entity) => spelledRow(cells, entity, settings.zone), row));
    },
    check: async (signal) => {
      await (await open()).select('SELECT 1 AS "one"', [], signal);
    },
    drift: async (signal) => {
      known = null;
      const found = await tables(signal);
      const expected = Object.fromEntries(
        [...columns].flatMap(([table, names]) =>
          names.map((name) => [`${table}.${name}`, fieldsOn(table, name, entities)]),
        ),
      );
      const offered = [...found.values()].flatMap((one) =>
        [...one.columns.keys()].map((name) => `${one.name}.${name}`),
      );
      return async () => missing(expected, offered, (part) => `the column ${part} is gone`);
    },
    close: async () => {
      await (await opened?.catch(() => undefined))?.close();
    },
  };
}

/** Columns that an entity of this table is made of, and those that questions are asked by. */
function columnsOf(table: string, settings: SqlSettings, entities: readonly TypedEntity[]): string[] {
  const own = entities.filter((entity) => asksOf(entity).some((ask) => ask.operation === table));
  const named = own.flatMap((one) => [one.key, one.recordedAt, ...one.fields.map((field) => field.from)]);
  return [...new Set([...named, ...askedColumns(settings.entities, table)].filter((one) => one !== null))];
}

/** Fields of the graph that live on a column; the entity itself where it is a key. */
function fieldsOn(table: string, column: string, entities: readonly TypedEntity[]): string[] {
  const own = entities.filter((entity) => asksOf(entity).some((ask) => ask.operation === table));
  return own.flatMap((entity) => {
    const fields = entity.fields.filter((one) => one.from === column).map((one) => `${entity.name}.${one.name}`);
    return fields.length > 0 ? fields : [entity.name];
  });
}
