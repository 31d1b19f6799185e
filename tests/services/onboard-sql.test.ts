/** Tables of a real MariaDB by configuration alone: what it says of itself, and keys in one statement. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tableOperations, typedTable } from '../../connectors/configured/core/tabular-source.ts';
import { sqlReader } from '../../connectors/configured/sql/index.ts';
import { sqlSettings } from '../../connectors/configured/sql/settings.ts';
import { catalogueOf, writable } from '../../connectors/configured/sql/table-catalog.ts';
import { readSettings } from '../../connectors/kit/config/settings.ts';
import { openVendorDatabase } from '../../connectors/kit/protocols/sql.ts';
import { type Vendor, vendor } from './maria.ts';

const name = `onboard_${process.pid}`;
let maria: Vendor;

beforeAll(async () => {
  maria = await vendor(name, 'not-told');
  await maria.admin((admin) =>
    admin.query(`CREATE TABLE asset (id int PRIMARY KEY, site varchar(20), price decimal(12, 2), seen datetime, note json);
      INSERT INTO asset VALUES (1, 'B01', 1.50, '2026-03-01 08:00:00', '{}'), (2, 'B02', 2.50, NULL, NULL), (0, 'b01', 0, NULL, NULL)`),
  );
}, 60_000);

afterAll(async () => {
  await maria?.drop();
});

test('the catalogue, the account, and questions by key', async () => {
  const signal = AbortSignal.timeout(20_000);
  const database = await openVendorDatabase(maria.url, 5_000);
  const tables = await catalogueOf(database, 'mysql', signal);
  expect([...tables.keys()]).toEqual(['asset']);
  expect(tables.get('asset')?.key).toBe('id');
  const types = Object.fromEntries([...(tables.get('asset')?.columns ?? [])].map(([one, { type }]) => [one, type]));
  expect(types).toMatchObject({ id: 'Int', site: 'String', price: 'Decimal', seen: 'DateTime' });
  expect(await writable(database, 'mysql', ['asset'], signal)).toEqual({ tables: [], unknownRoles: [] });
  const whole = await openVendorDatabase(String(process.env['MARIADB_URL']).replace(/mysql$/, name), 5_000);
  expect(await writable(whole, 'mysql', ['asset'], signal)).toEqual({ tables: ['asset'], unknownRoles: [] });
  await expect(whole.select("INSERT INTO asset VALUES (9, '', 0, NULL, NULL)", [], signal)).rejects.toThrow();
  await Promise.all([database.close(), whole.close()]);

  const entities = {
    Asset: {
      ...{ key: 'id', fetch: { operation: 'asset', argument: 'id' } },
      fields: { price: { from: 'price', type: 'Decimal' }, seen: { from: 'seen', type: 'DateTime' } },
    },
  };
  const read = readSettings(sqlSettings, { system: 'assets', database: maria.url, entities });
  if (read.values === null) throw new Error(JSON.stringify(read.faults));
  const reader = sqlReader(tableOperations(read.values.entities), read.values, read.values.entities.map(typedTable));
  const ask = (id: readonly string[]) => reader.ask({ operation: 'asset', given: { id }, absent: true }, signal);
  // A text that is no number would be 0 for this server.
  expect(await ask(['no-number'])).toEqual([]);
  expect(await ask(['1', '2', '7', 'x'])).toEqual([
    { id: 1, price: '1.50', seen: '2026-03-01T08:00:00+08:00' },
    { id: 2, price: '2.50', seen: null },
  ]);
  const drift = async () => (await reader.drift?.(signal))?.();
  expect(await drift()).toEqual([]);
  await maria.admin((admin) => admin.query('ALTER TABLE asset DROP COLUMN price'));
  expect(await drift()).toEqual([{ what: 'the column asset.price is gone', fields: ['Asset.price'] }]);
  // No answer rather than one with nothing in that place.
  await expect(ask(['1'])).rejects.toMatchObject({ code: 'SOURCE_MALFORMED' });
  await reader.close();
}, 30_000);
