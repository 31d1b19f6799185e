/** Runs the conformance suite on tables of a real PostgreSQL, connected by configuration. */
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect } from 'vitest';
import { readSettings } from '../../kit/config/settings.ts';
import { conformance } from '../../kit/testing/conformance/conformance.ts';
import { polledList } from '../../kit/testing/conformance/conformance-ingest.ts';
import { fakePostgres } from '../../kit/testing/fake-postgres.ts';
import { listen, type Simulator } from '../../kit/testing/simulator.ts';
import { clusterUrl, createTestDatabase } from '../../kit/testing/test-database.ts';
import type { RowQuery } from '../core/declaration.ts';
import { extractRows, mapRow } from '../core/mapping.ts';
import { withDeclaredTypes } from '../core/tabular-source.ts';
import { normalizeRow } from '../core/value-formats.ts';
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
const [entity] = settings.entities.map(withDeclaredTypes);
if (!entity) throw new Error('The declaration of the test is wrong.');

/** Connection with which the test changes the vendor's tables. */
let vendor: Awaited<ReturnType<typeof createTestDatabase>>['plain'] | undefined;

/** A database in the cluster of the test run. A TCP port forwards to it, since the cluster may only listen on a Unix socket. */
const simulator: Simulator = {
  name: 'assets',
  start: async ({ world }) => {
    const database = await createTestDatabase({ migrated: false });
    vendor = database.plain;
    await vendor.query(
      'CREATE TABLE asset (id int PRIMARY KEY, site text, name text, price numeric(12, 2), seen timestamp)',
    );
    for (const [i, { code }] of world.buildings.entries())
      await vendor.query("INSERT INTO asset VALUES ($1, $2, $3, 12.50, '2026-03-01 08:00:00')", [
        ...[i + 1, code, `Pump ${i + 1}`],
      ]);
    // `URL` does not parse an address without a host.
    const cluster = new URL(clusterUrl().replace('@/', '@files/'));
    const files = cluster.searchParams.get('host');
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      const upstream = files
        ? connect(join(files, '.s.PGSQL.5432'))
        : connect(Number(cluster.port || 5432), cluster.hostname);
      for (const [side, other] of [[socket, upstream] as const, [upstream, socket] as const]) {
        sockets.add(side);
        side.on('error', () => other.destroy()).on('close', () => other.destroy() && sockets.delete(side));
      }
      socket.pipe(upstream).pipe(socket);
    });
    const port = await listen(server);
    const [{ name }] = (await vendor.query('SELECT current_database() AS name')) as [{ name: string }];
    const password = cluster.password || 'not-to-be-printed';
    return {
      ports: { sql: port },
      env: { ASSETS_DB: `postgres://${cluster.username}:${password}@127.0.0.1:${port}/${name}` },
      close: async () => {
        for (const socket of sockets) socket.destroy();
        await new Promise((done) => server.close(done));
        await database.drop();
      },
    };
  },
};

const buildings = (codes: readonly string[]) => codes.map((id) => ({ __typename: 'Building', id }));
const ASSETS =
  'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Building { assets(first: 3) { nodes { name price seen } totalCount } } } }';
/** Columns of the catalog queries; with a row of the table it is the result of every query. */
const CATALOG = { schema: 'public', home: 'public', table: 'asset', column: 'site', kind: 'text', place: '1' };

conformance({
  connector: await sql.createConnector('assets', [settings], FOLDER),
  simulator,
  folder: FOLDER,
  settings: ({ env }) => settingsOf(env['ASSETS_DB'] ?? ''),
  settingsAt: ({ host, port }, { env }) => {
    const address = new URL(env['ASSETS_DB'] ?? '');
    address.host = `${host}:${port}`;
    return settingsOf(address.href);
  },
  sampleQuery: (world) => ({
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
    isUnknown: (building) => building?.['assets'] === null,
    calls: 1,
  }),
  live: { query: ASSETS, variables: (world) => ({ r: buildings([world.buildings[0]?.id ?? '']) }) },
  malformed: {
    serve: (socket) => fakePostgres(socket, { ...CATALOG, id: '1', site: 'B01', name: 'Pump', price: 'dear' }),
    field: /price is not a decimal number/,
  },
  rejection: { serve: (socket, onRequest) => fakePostgres(socket, null, onRequest) },
  ingest: {
    'poll Asset': polledList('poll Asset', async () => {
      await vendor?.query('UPDATE asset SET price = price + 1 WHERE id < 3');
      return 2;
    }),
  },
  idempotentJob: { job: 'poll Asset', state: "SELECT count(*) FROM event WHERE kind = 'RECORD_CHANGED'" },
  fixture: (_name, bytes) => {
    const rows = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>[];
    const response = rows.map((row) => normalizeRow(row, entity, settings.zone));
    return extractRows(response, entity.joins[0]?.ask as RowQuery).map(({ raw, where }) => mapRow(entity, raw, where));
  },
});
