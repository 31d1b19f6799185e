/** Files that are dropped, and tables of a database, join the graph by configuration alone: drafted, answering, read again when they change, refused with line and reason. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import iconv from 'iconv-lite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configurable } from '../connectors/index.ts';
import { readConfig } from '../connectors/kit/host/config.ts';
import { makeLog } from '../connectors/kit/log.ts';
import { freshDatabase } from '../connectors/kit/testing/database.ts';
import { type Hub, start } from '../gateway/main.ts';
import { onboard, undoOnboard } from '../gateway/onboard-command/index.ts';
import { type Answer, until } from './hub.ts';

const YAML = `parks:
  - { id: lakeside, name: Lakeside, region: "500112", buildings: [{ id: b1, name: One, known: [B01] }, { id: b2, name: Two, known: [B02] }] }
anonymous: developer
`;
const UNITS = join(import.meta.dirname, '..', 'connectors', 'mesh', 'files', 'fixtures', 'units.xlsx');
const HEAD = 'Lease No,Building,Floor,Rent,Begins,Contact phone,租户';
const lease = (n: number, rent = '52.50') => `L-${n},B0${1 + (n % 2)},3,${rent},2026/3/1,13800000001,湖畔软件`;
const leases = (count: number, ...rents: string[]) =>
  [HEAD, ...Array.from({ length: count }, (_, i) => lease(i + 1, rents[i]))].join('\r\n');

const directory = mkdtempSync(join(tmpdir(), 'isthmus-files-'));
const file = join(directory, 'isthmus.yaml');
const folder = join(directory, 'drops');
/** Whole at once, as a file should be dropped. */
const drop = (name: string, text: string) => {
  writeFileSync(join(directory, 'part'), iconv.encode(text, 'gb18030'));
  renameSync(join(directory, 'part'), join(folder, name));
};
const log: string[] = [];
/** What the environment holds. */
const secrets: Record<string, string> = {};
let hub: Hub;
let database: Awaited<ReturnType<typeof freshDatabase>>;

beforeAll(async () => {
  mkdirSync(folder);
  writeFileSync(file, YAML);
  drop('leases-1.csv', leases(30, '52.50', 'n.a.'));
  copyFileSync(UNITS, join(folder, 'units.xlsx'));
  writeFileSync(join(folder, 'orders.json'), '{"data":[{"id":"o1","place":{"site":"B01"},"open":true}]}');
  database = await freshDatabase();
});
afterAll(async () => {
  await hub?.stop();
  await database?.drop();
  rmSync(directory, { recursive: true, force: true });
}, 30_000);

const read = () => readConfig(readFileSync(file, 'utf8'), file, configurable, secrets);
const ask = async (query: string): Promise<Answer> => {
  const answer = await fetch(`${hub.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  });
  return (await answer.json()) as Answer;
};
const run = async (source: string, system: string, kind: 'csv' | 'sql' = 'csv', tables: string[] = []) => {
  const lines: string[] = [];
  await onboard({
    ...{
      kind,
      source,
      url: null,
      system,
      park: null,
      config: file,
      headers: [],
      tables,
      yes: true,
      environment: secrets,
    },
    ...{ say: (line: string) => lines.push(line), terminal: false },
  });
  return lines.join('\n');
};

test('a file is drafted with its guesses, answers by key, by building and as a list, and is undone', async () => {
  const told = await run(join(folder, 'leases-*.csv'), 'leases');
  expect(told).toContain('GB18030, comma');
  expect(told).toContain('key: Lease No, every one of 30 rows has another');
  expect(told).toContain('rent: Decimal (29 of 30 values, such as "52.50"; rows with another are refused)');
  expect(told).toContain('line 3: Rent is no decimal number');
  expect(told).toContain("contactPhone: String (text); it looks like a person's, so it needs access:persons");
  expect(await run(join(folder, 'units.xlsx'), 'units')).toContain('area: Decimal (2 of 2 values');
  expect(await run(join(folder, 'orders.json'), 'orders')).toContain('open: Boolean');

  hub = await start({
    ...{ config: read(), host: '127.0.0.1', port: 0, data: join(directory, 'data'), databaseUrl: database.url },
    ...{ log: makeLog((line) => log.push(line)), pace: { checkUp: 200, checkDown: 200 } },
  });
  await until('three sources answer', 30, () => hub.sources().every((one) => one.state !== 'DOWN'));
  const { data, errors } = await ask(`{
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

  undoOnboard({ system: 'orders', config: file, say: () => undefined });
  expect(await hub.change(read())).toMatchObject({ removed: ['orders'] });
}, 60_000);

test('refused rows are told by line and reason; a changed file is read again; one that is wrong is refused and the rows stand', async () => {
  const source = () => hub.sources().find((one) => one.id === 'lakeside-leases');
  const rent = async (id: string) => (await ask(`{ lease(id: "lakeside-leases:${id}") { rent } }`)).data?.lease?.rent;
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
  secrets['ASSETS_DB'] = address.toString();
  try {
    await expect(run(address.toString(), 'assets', 'sql')).rejects.toThrow(/password does not belong/);
    await expect(run('ASSETS_DB', 'assets', 'sql', ['nowhere'])).rejects.toThrow(
      /no table nowhere .*asset, site_value/,
    );
    const told = await run('ASSETS_DB', 'assets', 'sql', ['asset', 'site_value']);
    expect(told).toContain('the account may only read');
    expect(told).not.toContain('key: id, every one');
    expect(told).toContain('bought: Date (as the system says)');
    expect(told).toContain('40 rows; the first: {');
    expect(told).not.toContain('not-told');
    expect(readFileSync(file, 'utf8')).toContain('database: "${ASSETS_DB}"'.replaceAll('"', ''));
    expect(await hub.change(read())).toMatchObject({ added: ['assets'] });
    const source = () => hub.sources().find((one) => one.id === 'lakeside-assets');
    await until('the database answers', 20, () => source()?.state === 'UP');
    const { data, errors } = await ask(`{
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
    const buildings = await ask('{ park(id: "lakeside") { buildings { assets { totalCount } } } }');
    expect(buildings.data.park.buildings).toEqual([{ assets: { totalCount: 20 } }, { assets: { totalCount: 20 } }]);

    undoOnboard({ system: 'assets', config: file, say: () => undefined });
    expect(await hub.change(read())).toMatchObject({ removed: ['assets'] });
  } finally {
    await database.plain.query(`DROP OWNED BY ${name}; DROP ROLE ${name}`);
  }
}, 60_000);
