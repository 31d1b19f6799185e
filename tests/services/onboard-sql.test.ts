/** Configured SQL tables of a MariaDB: catalogue, write permissions, queries by key, drift. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tableOperations, withDeclaredTypes } from '../../connectors/configured/core/tabular-source.ts';
import { createSqlReader } from '../../connectors/configured/sql/index.ts';
import { sqlSettings } from '../../connectors/configured/sql/settings.ts';
import { readCatalog, readWriteRights } from '../../connectors/configured/sql/table-catalog.ts';
import { readSettings } from '../../connectors/kit/config/settings.ts';
import { openVendorDatabase } from '../../connectors/kit/protocols/sql.ts';
import { createVendorDatabase, type VendorDatabase } from './mariadb-vendor.ts';

const name = `onboard_${process.pid}`;
let maria: VendorDatabase;

beforeAll(async () => {
  maria = await createVendorDatabase(name, 'not-printed');
  await maria.admin((admin) =>
    admin.query(`CREATE TABLE asset (id int PRIMARY KEY, site varchar(20), price decimal(12, 2), seen datetime, note json);
      INSERT INTO asset VALUES (1, 'B01', 1.50, '2026-03-01 08:00:00', '{}'), (2, 'B02', 2.50, NULL, NULL), (0, 'b01', 0, NULL, NULL)`),
  );
}, 60_000);

afterAll(async () => {
  await maria?.drop();
});

test('isthmus onboard sql: reads catalogue and write permissions, queries by key, and detects a dropped column', async () => {
  const signal = AbortSignal.timeout(20_000);
  const database = await openVendorDatabase(maria.url, 5_000);
  const tables = await readCatalog(database, 'mysql', signal);
  expect([...tables.keys()]).toEqual(['asset']);
  expect(tables.get('asset')?.key).toBe('id');
  const types = Object.fromEntries([...(tables.get('asset')?.columns ?? [])].map(([one, { type }]) => [one, type]));
  expect(types).toMatchObject({ id: 'Int', site: 'String', price: 'Decimal', seen: 'DateTime' });
  expect(await readWriteRights(database, 'mysql', ['asset'], signal)).toEqual({ tables: [], unknownRoles: [] });
  const adminDatabase = await openVendorDatabase(String(process.env['MARIADB_URL']).replace(/mysql$/, name), 5_000);
  expect(await readWriteRights(adminDatabase, 'mysql', ['asset'], signal)).toEqual({
    tables: ['asset'],
    unknownRoles: [],
  });
  await expect(adminDatabase.select("INSERT INTO asset VALUES (9, '', 0, NULL, NULL)", [], signal)).rejects.toThrow();
  await Promise.all([database.close(), adminDatabase.close()]);

  const entities = {
    Asset: {
      ...{ key: 'id', fetch: { operation: 'asset', argument: 'id' } },
      fields: { price: { from: 'price', type: 'Decimal' }, seen: { from: 'seen', type: 'DateTime' } },
    },
  };
  const read = readSettings(sqlSettings, { system: 'assets', database: maria.url, entities });
  if (read.values === null) throw new Error(JSON.stringify(read.errors));
  const reader = createSqlReader(
    tableOperations(read.values.entities),
    read.values,
    read.values.entities.map(withDeclaredTypes),
  );
  const readByIds = (id: readonly string[]) =>
    reader.call({ operation: 'asset', args: { id }, nullIfNotFound: true }, signal);
  // MariaDB would compare text that is not a number as 0.
  expect(await readByIds(['no-number'])).toEqual([]);
  expect(await readByIds(['1', '2', '7', 'x'])).toEqual([
    { id: 1, price: '1.50', seen: '2026-03-01T08:00:00+08:00' },
    { id: 2, price: '2.50', seen: null },
  ]);
  const drift = async () => (await reader.drift?.(signal))?.();
  expect(await drift()).toEqual([]);
  await maria.admin((admin) => admin.query('ALTER TABLE asset DROP COLUMN price'));
  expect(await drift()).toEqual([{ description: 'the column asset.price is gone', fields: ['Asset.price'] }]);
  // An error rather than null for the missing column.
  await expect(readByIds(['1'])).rejects.toMatchObject({ code: 'SOURCE_MALFORMED' });
  await reader.close();
}, 30_000);
