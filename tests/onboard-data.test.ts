/** `isthmus onboard` for dropped files and database tables: draft, queries, reload on change, rejection with line and reason. */
import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import iconv from 'iconv-lite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { undoOnboard } from '../gateway/commands/actions/onboard.ts';
import type { Hub } from '../gateway/main.ts';
import { type OnboardingTest, startOnboardingTest } from './onboarding.ts';
import { waitFor } from './test-hub.ts';

const UNITS = join(import.meta.dirname, '..', 'connectors', 'configured', 'files', 'fixtures', 'units.xlsx');
const HEAD = 'Lease No,Building,Floor,Rent,Begins,Contact phone,租户';
const lease = (n: number, rent = '52.50') => `L-${n},B0${1 + (n % 2)},3,${rent},2026/3/1,13800000001,湖畔软件`;
const leases = (count: number, ...rents: string[]) =>
  [HEAD, ...Array.from({ length: count }, (_, i) => lease(i + 1, rents[i]))].join('\r\n');

let park: OnboardingTest;
let folder: string;
let hub: Hub;
/** Writes the file and renames it into place, as a vendor should. */
const drop = (name: string, text: string) => {
  writeFileSync(join(park.directory, 'part'), iconv.encode(text, 'gb18030'));
  renameSync(join(park.directory, 'part'), join(folder, name));
};

beforeAll(async () => {
  park = await startOnboardingTest();
  folder = join(park.directory, 'drops');
  mkdirSync(folder);
  drop('leases-1.csv', leases(30, '52.50', 'n.a.'));
  copyFileSync(UNITS, join(folder, 'units.xlsx'));
  writeFileSync(join(folder, 'orders.json'), '{"data":[{"id":"o1","place":{"site":"B01"},"open":true}]}');
});
afterAll(async () => {
  await park?.close();
}, 30_000);

const onboardOutput = async (kind: 'csv' | 'sql', source: string, system: string, tables: string[] = []) =>
  (await park.onboard(kind, source, system, { tables })).output;

test('isthmus onboard: drafts a file with inferred types, answers by key, by building and as a list, and undoes it', async () => {
  const drafted = await onboardOutput('csv', join(folder, 'leases-*.csv'), 'leases');
  expect(drafted).toContain('GB18030, comma');
  expect(drafted).toContain('key: Lease No, unique in all 30 rows');
  expect(drafted).toContain('rent: Decimal (29 of 30 values, such as "52.50"; other rows are rejected)');
  expect(drafted).toContain('line 3: Rent is not a decimal number');
  expect(drafted).toContain('contactPhone: String (text); personal data: requires access:persons');
  expect(await onboardOutput('csv', join(folder, 'units.xlsx'), 'units')).toContain('area: Decimal (2 of 2 values');
  expect(await onboardOutput('csv', join(folder, 'orders.json'), 'orders')).toContain('open: Boolean');

  hub = await park.start({ drift: 300 });
  await waitFor('three sources are up', 30, () => hub.sources().every((one) => one.state !== 'DOWN'));
  const { data, errors } = await park.query(`{
    building(id: "b2") { leases(first: 50) { totalCount nodes { id rent begins column7 building { name } provenance { source recordedAt stale } } }
      units { nodes { unit area handedOver } } }
    lease(id: "lakeside-leases:L-4") { leaseNo contactPhone }
    building1: building(id: "b1") { orders { nodes { open } } }
  }`);
  expect(errors).toBeUndefined();
  expect(data.building.leases.totalCount).toBe(15);
  const one = data.building.leases.nodes.find((node: { id: string }) => node.id === 'lakeside-leases:L-1');
  expect(one).toMatchObject({ rent: '52.50', begins: '2026-03-01', column7: '湖畔软件', building: { name: 'Two' } });
  expect(one.provenance).toMatchObject({ source: 'lakeside-leases', stale: false });
  expect(one.provenance.recordedAt).toMatch(/^\d{4}-/);
  expect(data.building.units.nodes).toEqual([{ unit: 'U-2', area: '80', handedOver: '2026-03-01' }]);
  expect(data.building1.orders.nodes).toEqual([{ open: true }]);
  expect(data.lease).toEqual({ leaseNo: 'L-4', contactPhone: '13800000001' });

  undoOnboard({ system: 'orders', config: park.file, say: () => undefined });
  expect(await hub.applyConfig(park.read())).toMatchObject({ removed: ['orders'] });
}, 60_000);

test('isthmus onboard: reports rejected rows by line and reason, reloads a changed file, and keeps the rows when a file is rejected', async () => {
  const source = () => hub.sources().find((one) => one.id === 'lakeside-leases');
  const rent = async (id: string) =>
    (await park.query(`{ lease(id: "lakeside-leases:${id}") { rent } }`)).data?.lease?.rent;
  await waitFor('the rejected row is reported', 20, () => source()?.state === 'DEGRADED');
  expect(source()?.reason).toBe('1 of 30 rows of leases-1.csv were rejected: line 3: Rent is not a decimal number');
  expect(await rent('L-2')).toBeUndefined();

  drop('leases-2.csv', leases(30, '60.00', '61.00'));
  await waitFor(
    'the new file is loaded',
    30,
    async () => (await rent('L-1')) === '60.00' && (await rent('L-2')) === '61.00',
  );
  await waitFor('the source recovers', 20, () => source()?.state === 'UP');

  drop('leases-3.csv', leases(4, '?', '?'));
  await waitFor('the file is rejected', 20, () => source()?.state === 'DEGRADED');
  expect(source()?.reason).toMatch(
    /^leases-3.csv was rejected: 2 of 4 rows .*at most 10 % may be rejected; the previously loaded rows are kept$/,
  );
  expect(await rent('L-30')).toBe('52.50');
}, 90_000);

test('isthmus onboard: drafts tables and views, answers by key and by building in batches, undoes them, and never prints a password', async () => {
  const { database } = park;
  const name = `onboard_${process.pid}`;
  await database.plain.query(`CREATE SCHEMA assets;
    CREATE TABLE assets.asset (id integer PRIMARY KEY, site text, name text, price numeric(12, 2), bought date, seen timestamptz, photo bytea);
    INSERT INTO assets.asset SELECT n, 'B0' || 1 + n % 2, 'Pump ' || n, n * 1.5, '2026-03-01', '2026-03-01 08:00+08', NULL FROM generate_series(1, 40) n;
    CREATE VIEW assets.site_value AS SELECT site, sum(price) AS total FROM assets.asset GROUP BY site;
    CREATE ROLE ${name} LOGIN PASSWORD 'not-printed'; GRANT USAGE ON SCHEMA assets TO ${name};
    GRANT SELECT ON ALL TABLES IN SCHEMA assets TO ${name}; ALTER ROLE ${name} SET search_path = assets`);
  const address = new URL(database.url);
  address.username = name;
  address.password = 'not-printed';
  park.secrets['ASSETS_DB'] = address.toString();
  try {
    await expect(onboardOutput('sql', address.toString(), 'assets')).rejects.toThrow(/Do not pass a password/);
    await expect(onboardOutput('sql', 'ASSETS_DB', 'assets', ['nowhere'])).rejects.toThrow(
      /cannot see the table nowhere.*asset, site_value/,
    );
    const drafted = await onboardOutput('sql', 'ASSETS_DB', 'assets', ['asset', 'site_value']);
    expect(drafted).toContain('the account is read-only');
    expect(drafted).not.toContain('key: id, unique');
    expect(drafted).toContain('bought: Date (from the database)');
    expect(drafted).toContain('40 rows; the first: {');
    expect(drafted).not.toContain('not-printed');
    expect(readFileSync(park.file, 'utf8')).toContain('database: "${ASSETS_DB}"'.replaceAll('"', ''));
    const quicker = readFileSync(park.file, 'utf8').replace('      Asset:\n', '      Asset:\n        fresh: 500ms\n');
    writeFileSync(park.file, quicker);
    expect(await hub.applyConfig(park.read())).toMatchObject({ added: ['assets'] });
    const source = () => hub.sources().find((one) => one.id === 'lakeside-assets');
    await waitFor('the database is up', 20, () => source()?.state === 'UP');
    const { data, errors } = await park.query(`{
      one: building(id: "b1") { siteValues { nodes { total } } assets(first: 2) { totalCount nodes { id } } }
      two: building(id: "b2") { assets(first: 50) { nodes { id name price bought seen building: site { name } provenance { source } } } }
      asset(id: "lakeside-assets:7") { name }
      none: asset(id: "lakeside-assets:no-number") { name }
    }`);
    expect(errors).toBeUndefined();
    expect(data.one).toMatchObject({ siteValues: { nodes: [{ total: '630.00' }] }, assets: { totalCount: 20 } });
    expect(data.two.assets.nodes.find((node: { id: string }) => node.id === 'lakeside-assets:7')).toEqual({
      ...{ id: 'lakeside-assets:7', name: 'Pump 7', price: '10.50', bought: '2026-03-01' },
      ...{ seen: '2026-03-01T00:00:00.000Z', building: { name: 'Two' }, provenance: { source: 'lakeside-assets' } },
    });
    expect(data.asset).toEqual({ name: 'Pump 7' });
    expect(data.none).toBeNull();
    const buildings = await park.query('{ park(id: "lakeside") { buildings { assets { totalCount } } } }');
    expect(buildings.data.park.buildings).toEqual([{ assets: { totalCount: 20 } }, { assets: { totalCount: 20 } }]);

    // Drop a column while the hub runs.
    const bought = async () =>
      await park.query(
        '{ two: building(id: "b2") { assets(first: 50) { nodes { name bought provenance { stale } } } } }',
      );
    expect((await bought()).data.two.assets.nodes[0].bought).toBe('2026-03-01');
    await database.plain.query('ALTER TABLE assets.asset DROP COLUMN bought');
    await waitFor('the drift is reported', 30, () => source()?.state === 'DEGRADED');
    expect(source()?.reason).toMatch(/the column asset\.bought is gone \(affects Asset\.bought\)/);
    // The last known value is returned, marked stale; never null without an error.
    const after = await waitFor('the last known values are stale', 30, async () => {
      const { data, errors } = await bought();
      const nodes: { bought: string | null; provenance: { stale: boolean } }[] = data?.two?.assets?.nodes ?? [];
      for (const node of nodes) expect(node.bought).toBe('2026-03-01');
      if (nodes.length === 0) expect(errors?.[0]?.extensions['code']).toBe('SOURCE_MALFORMED');
      return nodes.length > 0 && nodes.every((node) => node.provenance.stale) ? nodes : null;
    });
    expect(after).toHaveLength(20);
    expect(
      (await park.query('{ asset(id: "lakeside-assets:9") { name bought } }')).errors?.[0]?.extensions['code'],
    ).toBe('SOURCE_MALFORMED');

    undoOnboard({ system: 'assets', config: park.file, say: () => undefined });
    expect(await hub.applyConfig(park.read())).toMatchObject({ removed: ['assets'] });
  } finally {
    await database.plain.query(`DROP OWNED BY ${name}; DROP ROLE ${name}`);
  }
}, 60_000);
