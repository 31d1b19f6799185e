/** Files that are dropped, and tables of a database, join the graph by configuration alone: drafted, answering, read again when they change, refused with line and reason. */
import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import iconv from 'iconv-lite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { undoOnboard } from '../gateway/commands/actions/onboard.ts';
import type { Hub } from '../gateway/main.ts';
import { until } from './hub.ts';
import { type Onboarding, onboarding } from './onboarding.ts';

const UNITS = join(import.meta.dirname, '..', 'connectors', 'configured', 'files', 'fixtures', 'units.xlsx');
const HEAD = 'Lease No,Building,Floor,Rent,Begins,Contact phone,租户';
const lease = (n: number, rent = '52.50') => `L-${n},B0${1 + (n % 2)},3,${rent},2026/3/1,13800000001,湖畔软件`;
const leases = (count: number, ...rents: string[]) =>
  [HEAD, ...Array.from({ length: count }, (_, i) => lease(i + 1, rents[i]))].join('\r\n');

let park: Onboarding;
let folder: string;
let hub: Hub;
/** Whole at once, as a file should be dropped. */
const drop = (name: string, text: string) => {
  writeFileSync(join(park.directory, 'part'), iconv.encode(text, 'gb18030'));
  renameSync(join(park.directory, 'part'), join(folder, name));
};

beforeAll(async () => {
  park = await onboarding();
  folder = join(park.directory, 'drops');
  mkdirSync(folder);
  drop('leases-1.csv', leases(30, '52.50', 'n.a.'));
  copyFileSync(UNITS, join(folder, 'units.xlsx'));
  writeFileSync(join(folder, 'orders.json'), '{"data":[{"id":"o1","place":{"site":"B01"},"open":true}]}');
});
afterAll(async () => {
  await park?.close();
}, 30_000);

const told = async (kind: 'csv' | 'sql', source: string, system: string, tables: string[] = []) =>
  (await park.run(kind, source, system, { tables })).told;

test('a file is drafted with its guesses, answers by key, by building and as a list, and is undone', async () => {
  const drafted = await told('csv', join(folder, 'leases-*.csv'), 'leases');
  expect(drafted).toContain('GB18030, comma');
  expect(drafted).toContain('key: Lease No, every one of 30 rows has another');
  expect(drafted).toContain('rent: Decimal (29 of 30 values, such as "52.50"; rows with another are refused)');
  expect(drafted).toContain('line 3: Rent is no decimal number');
  expect(drafted).toContain("contactPhone: String (text); it looks like a person's, so it needs access:persons");
  expect(await told('csv', join(folder, 'units.xlsx'), 'units')).toContain('area: Decimal (2 of 2 values');
  expect(await told('csv', join(folder, 'orders.json'), 'orders')).toContain('open: Boolean');

  hub = await park.start({ drift: 300 });
  await until('three sources answer', 30, () => hub.sources().every((one) => one.state !== 'DOWN'));
  const { data, errors } = await park.ask(`{
    building(id: "b2") { leases(first: 50) { totalCount nodes { id rent begins column7 building { name } provenance { source recordedAt stale } } }
      units { nodes { unit area handedOver } } }
    lease(id: "lakeside-leases:L-4") { leaseNo contactPhone }
    building1: building(id: "b1") { orders { nodes { open } } }
  }`);
  expect(errors).toBeUndefined();
  expect(data.building.leases.totalCount).toBe(15);
  const one = data.building.leases.nodes.find((each: { id: string }) => each.id === 'lakeside-leases:L-1');
  expect(one).toMatchObject({ rent: '52.50', begins: '2026-03-01', column7: '湖畔软件', building: { name: 'Two' } });
  expect(one.provenance).toMatchObject({ source: 'lakeside-leases', stale: false });
  expect(one.provenance.recordedAt).toMatch(/^\d{4}-/);
  expect(data.building.units.nodes).toEqual([{ unit: 'U-2', area: '80', handedOver: '2026-03-01' }]);
  expect(data.building1.orders.nodes).toEqual([{ open: true }]);
  expect(data.lease).toEqual({ leaseNo: 'L-4', contactPhone: '13800000001' });

  undoOnboard({ system: 'orders', config: park.file, say: () => undefined });
  expect(await hub.change(park.read())).toMatchObject({ removed: ['orders'] });
}, 60_000);

test('refused rows are told by line and reason; a changed file is read again; one that is wrong is refused and the rows stand', async () => {
  const source = () => hub.sources().find((one) => one.id === 'lakeside-leases');
  const rent = async (id: string) =>
    (await park.ask(`{ lease(id: "lakeside-leases:${id}") { rent } }`)).data?.lease?.rent;
  await until('the refused row is told', 20, () => source()?.state === 'DEGRADED');
  expect(source()?.reason).toBe('1 of 30 rows of leases-1.csv are refused: line 3: Rent is no decimal number');
  expect(await rent('L-2')).toBeUndefined();

  drop('leases-2.csv', leases(30, '60.00', '61.00'));
  await until(
    'the new file answers',
    30,
    async () => (await rent('L-1')) === '60.00' && (await rent('L-2')) === '61.00',
  );
  await until('nothing is wrong any more', 20, () => source()?.state === 'UP');

  drop('leases-3.csv', leases(4, '?', '?'));
  await until('the file is refused', 20, () => source()?.state === 'DEGRADED');
  expect(source()?.reason).toMatch(
    /^leases-3.csv was refused: 2 of 4 rows .*more than 10 in 100; the rows read before stand$/,
  );
  expect(await rent('L-30')).toBe('52.50');
}, 90_000);

test('tables and views of a database are drafted, answer by key and by building in batches, are undone; no password is told', async () => {
  const { database } = park;
  const name = `onboard_${process.pid}`;
  await database.plain.query(`CREATE SCHEMA assets;
    CREATE TABLE assets.asset (id integer PRIMARY KEY, site text, name text, price numeric(12, 2), bought date, seen timestamptz, photo bytea);
    INSERT INTO assets.asset SELECT n, 'B0' || 1 + n % 2, 'Pump ' || n, n * 1.5, '2026-03-01', '2026-03-01 08:00+08', NULL FROM generate_series(1, 40) n;
    CREATE VIEW assets.site_value AS SELECT site, sum(price) AS total FROM assets.asset GROUP BY site;
    CREATE ROLE ${name} LOGIN PASSWORD 'not-told'; GRANT USAGE ON SCHEMA assets TO ${name};
    GRANT SELECT ON ALL TABLES IN SCHEMA assets TO ${name}; ALTER ROLE ${name} SET search_path = assets`);
  const address = new URL(database.url);
  address.username = name;
  address.password = 'not-told';
  park.secrets['ASSETS_DB'] = address.toString();
  try {
    await expect(told('sql', address.toString(), 'assets')).rejects.toThrow(/password does not belong/);
    await expect(told('sql', 'ASSETS_DB', 'assets', ['nowhere'])).rejects.toThrow(
      /no table nowhere .*asset, site_value/,
    );
    const drafted = await told('sql', 'ASSETS_DB', 'assets', ['asset', 'site_value']);
    expect(drafted).toContain('the account may only read');
    expect(drafted).not.toContain('key: id, every one');
    expect(drafted).toContain('bought: Date (as the system says)');
    expect(drafted).toContain('40 rows; the first: {');
    expect(drafted).not.toContain('not-told');
    expect(readFileSync(park.file, 'utf8')).toContain('database: "${ASSETS_DB}"'.replaceAll('"', ''));
    const quicker = readFileSync(park.file, 'utf8').replace('      Asset:\n', '      Asset:\n        fresh: 500ms\n');
    writeFileSync(park.file, quicker);
    expect(await hub.change(park.read())).toMatchObject({ added: ['assets'] });
    const source = () => hub.sources().find((one) => one.id === 'lakeside-assets');
    await until('the database answers', 20, () => source()?.state === 'UP');
    const { data, errors } = await park.ask(`{
      one: building(id: "b1") { siteValues { nodes { total } } assets(first: 2) { totalCount nodes { id } } }
      two: building(id: "b2") { assets(first: 50) { nodes { id name price bought seen building: site { name } provenance { source } } } }
      asset(id: "lakeside-assets:7") { name }
      none: asset(id: "lakeside-assets:no-number") { name }
    }`);
    expect(errors).toBeUndefined();
    expect(data.one).toMatchObject({ siteValues: { nodes: [{ total: '630.00' }] }, assets: { totalCount: 20 } });
    expect(data.two.assets.nodes.find((each: { id: string }) => each.id === 'lakeside-assets:7')).toEqual({
      ...{ id: 'lakeside-assets:7', name: 'Pump 7', price: '10.50', bought: '2026-03-01' },
      ...{ seen: '2026-03-01T00:00:00.000Z', building: { name: 'Two' }, provenance: { source: 'lakeside-assets' } },
    });
    expect(data.asset).toEqual({ name: 'Pump 7' });
    expect(data.none).toBeNull();
    const buildings = await park.ask('{ park(id: "lakeside") { buildings { assets { totalCount } } } }');
    expect(buildings.data.park.buildings).toEqual([{ assets: { totalCount: 20 } }, { assets: { totalCount: 20 } }]);

    // The column is dropped under the running hub.
    const bought = async () =>
      await park.ask(
        '{ two: building(id: "b2") { assets(first: 50) { nodes { name bought provenance { stale } } } } }',
      );
    expect((await bought()).data.two.assets.nodes[0].bought).toBe('2026-03-01');
    await database.plain.query('ALTER TABLE assets.asset DROP COLUMN bought');
    await until('the drift is told', 30, () => source()?.state === 'DEGRADED');
    expect(source()?.reason).toMatch(/the column asset\.bought is gone \(concerns Asset\.bought\)/);
    // What was read before stands in for it, marked: never a null that looks like an answer.
    const after = await until('what was read before is stale', 30, async () => {
      const { data, errors } = await bought();
      const nodes: { bought: string | null; provenance: { stale: boolean } }[] = data?.two?.assets?.nodes ?? [];
      for (const one of nodes) expect(one.bought).toBe('2026-03-01');
      if (nodes.length === 0) expect(errors?.[0]?.extensions['code']).toBe('SOURCE_MALFORMED');
      return nodes.length > 0 && nodes.every((one) => one.provenance.stale) ? nodes : null;
    });
    expect(after).toHaveLength(20);
    expect((await park.ask('{ asset(id: "lakeside-assets:9") { name bought } }')).errors?.[0]?.extensions['code']).toBe(
      'SOURCE_MALFORMED',
    );

    undoOnboard({ system: 'assets', config: park.file, say: () => undefined });
    expect(await hub.change(park.read())).toMatchObject({ removed: ['assets'] });
  } finally {
    await database.plain.query(`DROP OWNED BY ${name}; DROP ROLE ${name}`);
  }
}, 60_000);
