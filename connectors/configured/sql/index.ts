import { systemClock } from '../../kit/clock.ts';
import { malformed, rejected } from '../../kit/errors.ts';
import { findMissing } from '../../kit/monitoring/drift.ts';
import { openVendorDatabase, type Row, type VendorDatabase } from '../../kit/protocols/sql.ts';
import type { Services } from '../../kit/services.ts';
import { createFamily, queriesOf } from '../core/connector-family.ts';
import type { TypedEntity } from '../core/mapping.ts';
import type { Operation, Reader } from '../core/source-description.ts';
import { queriedColumns, tableOperations } from '../core/tabular-source.ts';
import { normalizeRow } from '../core/value-formats.ts';
import { type SqlSettings, sqlSettings } from './settings.ts';
import { dialectOf, fitsColumn, quoteName, quoteTable, readCatalog, type Table } from './table-catalog.ts';

interface Tables {
  readonly operations: ReadonlyMap<string, Operation>;
}

/** Maximum number of rows of one query. */
const MAX_ROWS = 10_000;
/** Milliseconds for which the catalog of tables and columns is used before it is read again. */
const CATALOG_MAX_AGE = 600_000;

/** Family of connectors for tables and views of PostgreSQL, MySQL and MariaDB databases. */
export default createFamily<SqlSettings, Tables>({
  name: 'sql',
  settings: sqlSettings,
  protocol: () => 'sql',
  // The URL is secret, and the graph depends on the declaration only.
  descriptionKey: () => 'the database',
  readDescription: async (settings) => ({ operations: tableOperations(settings.entities) }),
  createReader: ({ operations }, settings, _services: Services, entities) =>
    createSqlReader(operations, settings, entities),
});

/** Queries one installation. Opens no connection before the first call. */
export function createSqlReader(
  operations: ReadonlyMap<string, Operation>,
  settings: SqlSettings,
  entities: readonly TypedEntity[],
): Reader {
  let opened: Promise<VendorDatabase> | undefined;
  const open = () => {
    opened ??= openVendorDatabase(settings.database, settings.timeout);
    return opened;
  };
  let catalog: { tables: ReadonlyMap<string, Table>; until: number } | null = null;
  const readTables = async (signal: AbortSignal) => {
    if (catalog === null || catalog.until < systemClock.monotonic())
      catalog = {
        tables: await readCatalog(await open(), dialectOf(settings.database), signal),
        until: systemClock.monotonic() + CATALOG_MAX_AGE,
      };
    return catalog.tables;
  };
  const columns = new Map([...operations.keys()].map((name) => [name, columnsOf(name, settings, entities)]));

  return {
    operations,
    call: async ({ operation, args }, signal) => {
      const selected = columns.get(operation);
      if (!selected) throw rejected(`there is no table ${operation}`);
      const table = (await readTables(signal)).get(operation);
      if (!table) {
        catalog = null;
        throw malformed(`the account cannot see the table ${operation}`);
      }
      const values: string[] = [];
      const conditions: string[] = [];
      for (const [column, value] of Object.entries(args)) {
        const keys = (Array.isArray(value) ? value : [value]).map(String);
        const validKeys = keys.filter((key) => fitsColumn(table.columns.get(column)?.sqlType ?? '', key));
        if (validKeys.length === 0) return [];
        conditions.push(`${quoteName(column)} IN (${validKeys.map(() => '?').join(', ')})`);
        values.push(...validKeys);
      }
      const where = conditions.length > 0 ? ` WHERE ${conditions.join(' AND ')}` : '';
      const list = selected.map(quoteName).join(', ');
      let rows: readonly Row[];
      try {
        rows = await (await open()).select(
          `SELECT ${list} FROM ${quoteTable(operation)}${where} {limit ${MAX_ROWS + 1}}`,
          values,
          signal,
        );
      } catch (error) {
        // The table may have changed: read the catalog again.
        catalog = null;
        throw error;
      }
      if (rows.length > MAX_ROWS)
        throw rejected(`${operation} returns more than ${MAX_ROWS} rows; remove its list, or use a view`);
      const own = entities.filter((entity) => queriesOf(entity).some((query) => query.operation === operation));
      return rows.map((row) => own.reduce<Row>((cells, entity) => normalizeRow(cells, entity, settings.zone), row));
    },
    check: async (signal) => {
      await (await open()).select('SELECT 1 AS "one"', [], signal);
    },
    drift: async (signal) => {
      catalog = null;
      const tables = await readTables(signal);
      const expected = Object.fromEntries(
        [...columns].flatMap(([table, names]) =>
          names.map((name) => [`${table}.${name}`, fieldsOn(table, name, entities)]),
        ),
      );
      const offered = [...tables.values()].flatMap((table) =>
        [...table.columns.keys()].map((column) => `${table.name}.${column}`),
      );
      return async () => findMissing(expected, offered, (part) => `the column ${part} is gone`);
    },
    close: async () => {
      await (await opened?.catch(() => undefined))?.close();
    },
  };
}

/** Columns of a table that its entities contain or are queried by. */
function columnsOf(table: string, settings: SqlSettings, entities: readonly TypedEntity[]): string[] {
  const own = entities.filter((entity) => queriesOf(entity).some((query) => query.operation === table));
  const named = own.flatMap(({ key, recordedAt, fields }) => [key, recordedAt, ...fields.map(({ from }) => from)]);
  return [...new Set([...named, ...queriedColumns(settings.entities, table)].filter((name) => name !== null))];
}

/** Graph fields that depend on a column; the entity itself if the column is its key. */
function fieldsOn(table: string, column: string, entities: readonly TypedEntity[]): string[] {
  const own = entities.filter((entity) => queriesOf(entity).some((query) => query.operation === table));
  return own.flatMap((entity) => {
    const fields = entity.fields.filter(({ from }) => from === column).map(({ name }) => `${entity.name}.${name}`);
    return fields.length > 0 ? fields : [entity.name];
  });
}
