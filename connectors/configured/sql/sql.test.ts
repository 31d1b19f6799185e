/** Tables of a real PostgreSQL keep the contract by configuration alone. */
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect } from 'vitest';
import { readSettings } from '../../kit/config/settings.ts';
import { conformance } from '../../kit/testing/conformance/conformance.ts';
import { polled } from '../../kit/testing/conformance/conformance-ingest.ts';
import { pretendPostgres } from '../../kit/testing/fake-postgres.ts';
import { listen, type Simulator } from '../../kit/testing/simulator.ts';
import { clusterUrl, freshDatabase } from '../../kit/testing/test-database.ts';
import type { Ask } from '../core/declaration.ts';
import { rawRows, row } from '../core/mapping.ts';
import { typedTable } from '../core/tabular-source.ts';
import { spelledRow } from '../core/value-formats.ts';
import sql from './index.ts';

const FOLDER = join(import.meta.dirname, 'assets');
const ENTITIES = {
  Asset: {
    key: 'id',
    fetch: { operation: 'asset', argument: 'id' },
    list: { operation: 'asset', every: '1h' },
    recordedAt: 'seen',
    fields: {
      name: 'name',
      price: { from: 'price', type: 'Decimal' },
      seen: { from: 'seen', type: 'DateTime' },
      building: { from: 'site', link: 'Building.id' },
    },
    on: { 'Building.assets': { operation: 'asset', argument: 'site', many: true } },
  },
};
const settingsOf = (database: string) => ({ system: 'assets', database, entities: ENTITIES });
const { values: settings } = readSettings(sql.settings, settingsOf('postgres://nowhere.invalid/assets'));
if (settings === null) throw new Error('The settings of the test are wrong.');
const [entity] = settings.entities.map(typedTable);
if (!entity) throw new Error('The declaration of the test is wrong.');

/** The vendor's own hand in its tables. */
let vendor: Awaited<ReturnType<typeof freshDatabase>>['plain'] | undefined;

/** A database in the test run's cluster, which may listen at a socket of files only: a port leads there. */
const simulator: Simulator = {
  name: 'assets',
  start: async ({ world }) => {
    const database = await freshDatabase({ migrated: false });
    vendor = database.plain;
    await vendor.query(
      'CREATE TABLE asset (id int PRIMARY KEY, site text, name text, price numeric(12, 2), seen timestamp)',
    );
    for (const [i, { code }] of world.buildings.entries())
      await vendor.query("INSERT INTO asset VALUES ($1, $2, $3, 12.50, '2026-03-01 08:00:00')", [
        ...[i + 1, code, `Pump ${i + 1}`],
      ]);
    // Without a host it is no address that `URL` reads.
    const cluster = new URL(clusterUrl().replace('@/', '@files/'));
    const files = cluster.searchParams.get('host');
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      const onward = files
        ? connect(join(files, '.s.PGSQL.5432'))
        : connect(Number(cluster.port || 5432), cluster.hostname);
      for (const [one, other] of [[socket, onward] as const, [onward, socket] as const]) {
        sockets.add(one);
        one.on('error', () => other.destroy()).on('close', () => other.destroy() && sockets.delete(one));
      }
      socket.pipe(onward).pipe(socket);
    });
    const port = await listen(server);
    const [{ name }] = (await vendor.query('SELECT current_database() AS name')) as [{ name: string }];
    const password = cluster.password || 'never-to-be-told';
    return {
      ports: { sql: port },
      env: { ASSETS_DB: `postgres://${cluster.username}:${password}@127.0.0.1:${port}/${name}` },
      close: async () => {
        for (const one of sockets) one.destroy();
        await new Promise((done) => server.close(done));
        await database.drop();
      },
    };
  },
};

const buildings = (codes: readonly string[]) => codes.map((id) => ({ __typename: 'Building', id }));
const ASSETS =
  'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Building { assets(first: 3) { nodes { name price seen } totalCount } } } }';
/** What the catalogue is asked for, and a row of the table, in one. */
const CATALOGUE = { schema: 'public', home: 'public', table: 'asset', column: 'site', kind: 'text', place: '1' };

conformance({
  connector: await sql.make('assets', [settings], FOLDER),
  simulator,
  folder: FOLDER,
  settings: ({ env }) => settingsOf(env['ASSETS_DB'] ?? ''),
  settingsAt: ({ host, port }, { env }) => {
    const address = new URL(env['ASSETS_DB'] ?? '');
    address.host = `${host}:${port}`;
    return settingsOf(address.href);
  },
  question: (world) => ({
    query: ASSETS,
    variables: { r: buildings([world.buildings[0]?.id ?? '']) },
    check: (data) =>
      expect(data).toMatchObject({
        _entities: [{ assets: { nodes: [{ name: 'Pump 1', price: '12.50', seen: '2026-03-01T00:00:00.000Z' }] } }],
      }),
  }),
  batch: (world) => ({
    representations: buildings([world.buildings[0]?.id ?? '', 'no-such-building', world.buildings[1]?.id ?? '']),
    selection: '... on Building { id assets { nodes { name } } }',
    unknown: 1,
    isUnknown: (one) => one?.['assets'] === null,
    calls: 1,
  }),
  live: { question: ASSETS, variables: (world) => ({ r: buildings([world.buildings[0]?.id ?? '']) }) },
  nonsense: {
    serve: (socket) => pretendPostgres(socket, { ...CATALOGUE, id: '1', site: 'B01', name: 'Pump', price: 'dear' }),
    field: /price is no decimal number/,
  },
  refusal: { serve: (socket, refused) => pretendPostgres(socket, null, refused) },
  inflow: {
    'poll Asset': polled('poll Asset', async () => {
      await vendor?.query('UPDATE asset SET price = price + 1 WHERE id < 3');
      return 2;
    }),
  },
  twice: { job: 'poll Asset', state: "SELECT count(*) FROM event WHERE kind = 'RECORD_CHANGED'" },
  fixture: (_name, bytes) => {
    const rows = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>[];
    const answer = rows.map((one) => spelledRow(one, entity, settings.zone));
    return rawRows(answer, entity.joins[0]?.ask as Ask).map((one) => row(entity, one.raw, one.where));
  },
});
