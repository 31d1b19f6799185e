/** A database of Isthmus 0.1 is migrated without loss, and back until 0.1 accepts it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase } from '../connectors/kit/testing/test-database.ts';
import { eventPage } from '../schema/database/events/event-query.ts';
import { consentsOf } from '../schema/database/hub/consents.ts';
import { allParks } from '../schema/database/hub/parks.ts';
import { readTables } from '../schema/database/snapshot/read-tables.ts';
import { migrations } from './index.ts';
import { isEmptyDatabase, migrate, migrateDown, SchemaVersionError } from './migrate.ts';

/** Made by commit 2b8e532; see tests/data/README.md. */
const DUMP = gunzipSync(readFileSync(join(import.meta.dirname, '../tests/data/database-0.1.sql.gz'))).toString();
/** Migrations that this version adds to it. */
const ADDED = migrations.map((Migration) => new Migration().name).slice(11);

let database: Awaited<ReturnType<typeof createTestDatabase>>;
beforeAll(async () => {
  database = await createTestDatabase({ migrated: false });
  await database.plain.query(DUMP);
});
afterAll(() => database?.drop());

/** The columns of each table of 0.1, partitions as part of their table. */
async function columnsOfTables(): Promise<Map<string, string[]>> {
  const rows: { table: string; columns: string[] }[] = await database.plain.query(`
    SELECT relname::text AS "table", array_agg(quote_ident(attname) ORDER BY attnum) AS columns
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND attnum > 0 AND NOT attisdropped
    GROUP BY relname`);
  return new Map(rows.map(({ table, columns }) => [table, columns]));
}

/** The number of rows in each table and a digest of their values in these columns. */
async function contents(tables: ReadonlyMap<string, readonly string[]>): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const [table, columns] of tables) {
    const row = `ROW(${columns.join(', ')})::text`;
    [found[table]] = await database.plain.query(
      `SELECT count(*)::int AS rows, md5(coalesce(string_agg(${row}, E'\\n' ORDER BY ${row}), '')) AS digest FROM ${table}`,
    );
  }
  return found;
}

const formerRecords = async (): Promise<string[]> =>
  (await database.plain.query('SELECT name FROM schema_step ORDER BY number')).map((row: { name: string }) => row.name);

test('upgrade of a database of 0.1: every row of every table is kept, value by value, and the tables become those of a new database', async () => {
  const { plain, source } = database;
  const tables = await columnsOfTables();
  tables.delete('schema_step');
  const before = await contents(tables);
  expect(before).toMatchObject({ event: { rows: 496 }, meter_reading: { rows: 828 }, tax_invoice: { rows: 493 } });
  expect(await isEmptyDatabase(source)).toBe(false);
  const recorded = await formerRecords();

  expect(await migrate(source)).toEqual(ADDED);
  expect(await contents(tables)).toEqual(before);
  const fresh = await createTestDatabase();
  expect(await readTables(source)).toEqual(await readTables(fresh.source));
  await fresh.drop();
  expect(await migrate(source)).toEqual([]);

  // The hub's own statements read the old rows.
  expect((await allParks(plain)).map((park) => park.id)).toEqual(['lakeside']);
  expect(await eventPage(plain, {}, { forward: false, limit: 600, place: null })).toHaveLength(496);
  const [company] = await plain.query('SELECT company FROM consent LIMIT 1');
  expect((await consentsOf(plain, company.company)).map(({ client, purpose }) => [client, purpose])).toEqual(
    expect.arrayContaining([
      ['city-portal', 'tax'],
      ['bank', 'financing'],
    ]),
  );
  // Records of 0.1 stay, and a name that 0.1 does not know is added: it refuses the database.
  expect((await formerRecords()).slice(0, recorded.length)).toEqual(recorded);
  expect((await formerRecords()).at(-1)).toBe('MigrationTable0018');
});

test('upgrade of a database of 0.1: reverting down to the migrations of 0.1 gives its tables, rows and records', async () => {
  for (const expected of [...ADDED].reverse()) expect(await migrateDown(database.source)).toBe(expected);
  const former = await createTestDatabase({ migrated: false });
  await former.plain.query(DUMP);
  expect(await readTables(database.source)).toEqual(await readTables(former.source));
  await former.drop();
  expect((await formerRecords()).at(-1)).toBe('CompanyFact0012');
  expect(await migrate(database.source)).toEqual(ADDED);
});

test('upgrade of a database of 0.1: a database with a migration unknown to this version is refused, in either table of records', async () => {
  const { plain, source } = database;
  await plain.query("INSERT INTO schema_migration (timestamp, name) VALUES (999, 'Later0000000000999')");
  await expect(migrate(source)).rejects.toThrow(SchemaVersionError);
  await expect(migrateDown(source)).rejects.toThrow('it has migration Later0999, this version ends at');
  await plain.query('DELETE FROM schema_migration WHERE timestamp = 999');
  expect(await migrate(source)).toEqual([]);

  const former = await createTestDatabase({ migrated: false });
  await former.plain.query(DUMP);
  await former.plain.query("INSERT INTO schema_step (number, name) VALUES (999, 'Later0999')");
  await expect(migrate(former.source)).rejects.toThrow('it has migration Later0999');
  expect(await former.plain.query("SELECT to_regclass('schema_migration') AS found")).toEqual([{ found: null }]);
  await former.drop();
});

test('upgrade of a database of 0.1: a failing migration leaves nothing behind, and the ones before it stay', async () => {
  const { plain, source } = database;
  while ((await migrateDown(source)) !== 'ConnectorOutage0017');
  await plain.query('CREATE TABLE connector_outage (taken boolean)');
  await expect(migrate(source)).rejects.toThrow('relation "connector_outage" already exists');
  await plain.query('DROP TABLE connector_outage');
  expect(await migrate(source)).toEqual(ADDED.slice(ADDED.indexOf('ConnectorOutage0017')));
  expect(await plain.query("SELECT to_regclass('typeorm_metadata') AS found")).toEqual([{ found: null }]);
});
