/** A source is UP when it has answered: no kind of connector takes a port, a connection or a broken server for an answer. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { families, islands } from '../connectors/index.ts';
import { readSettings } from '../connectors/kit/config/settings.ts';
import type { AnyConnector } from '../connectors/kit/connector.ts';
import { listen } from '../connectors/kit/testing/simulator.ts';
import { freshDatabase } from '../connectors/kit/testing/test-database.ts';
import { raiseIsland } from '../connectors/kit/testing/test-installation.ts';
import template from '../connectors/template/index.ts';
import { freePort } from '../schema/database/embedded/free-port.ts';

const ROOT = join(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'isthmus-up-'));
const OPENAPI = {
  ...{ openapi: '3.0.0', info: { title: 'Air', version: '1' } },
  paths: {
    '/air': {
      get: {
        operationId: 'air',
        parameters: [{ name: 'site', in: 'query', required: true, schema: { type: 'string' } }],
        responses: {
          200: {
            description: 'Air.',
            content: { 'application/json': { schema: { type: 'object', properties: { pm25: { type: 'string' } } } } },
          },
        },
      },
    },
  },
};
writeFileSync(join(folder, 'air.json'), JSON.stringify(OPENAPI));
const table = (operation: string) => ({
  Thing: {
    fields: { name: { from: 'name', type: 'String' } },
    on: { 'Building.things': { operation, argument: 'site' } },
  },
});

/** Settings of each kind for an address, and of energy for each of its ways. */
const KINDS: Readonly<Record<string, (port: number) => Record<string, unknown>>> = {
  'access-control': (port) => ({ url: `postgres://hub:secret-1@127.0.0.1:${port}/doors` }),
  'energy, Modbus': (port) => ({
    ...{ url: `modbus://127.0.0.1:${port}`, timeout: '300ms' },
    meters: [{ unit_id: 1, map: 'pulse', serial: 'M', medium: 'WATER' }],
  }),
  'energy, Modbus without meters': (port) => ({ url: `modbus://127.0.0.1:${port}`, timeout: '300ms' }),
  'energy, MQTT': (port) => ({ url: `mqtt://127.0.0.1:${port}`, timeout: '300ms' }),
  parking: (port) => ({ url: `http://127.0.0.1:${port}`, token: 'secret-2', webhookSecret: 'secret-3' }),
  registration: (port) => ({
    url: `http://127.0.0.1:${port}`,
    ...{ client: 'CN/COM/91350100M000100Y43/hub', service: 'CN/GOV/11350100M000100Y43/register' },
  }),
  tax: (port) => ({
    url: `sftp://hub@127.0.0.1:${port}/drop`,
    password: 'secret-4',
    hostKey: 'SHA256:uNiVztksCsDhcc0u9e8BrnJVOwDIyZhHAFm5SEeQYHw',
  }),
  template: (port) => ({ url: `http://127.0.0.1:${port}`, token: 'secret-5' }),
  mesh: (port) => ({
    ...{ system: 'air', openapi: 'air.json', url: `http://127.0.0.1:${port}/api` },
    entities: { Air: { fields: { pm25: 'pm25' }, on: { 'Building.air': { operation: 'air', argument: 'site' } } } },
  }),
  wsdl: (port) => ({
    ...{ system: 'heating', wsdl: join(ROOT, 'connectors/configured/wsdl/heating/heating.wsdl') },
    ...{ url: `http://127.0.0.1:${port}/soap` },
    entities: {
      Station: {
        fields: { state: 'state' },
        on: {
          'Building.heating': {
            operation: 'ListStations',
            rows: 'stations.station',
            argument: 'sites.site',
            match: 'site',
          },
        },
      },
    },
  }),
  sql: (port) => ({
    system: 'assets',
    database: `postgres://hub:secret-6@127.0.0.1:${port}/assets`,
    entities: table('asset'),
  }),
  files: () => ({ system: 'leases', folder: join(folder, 'not-there'), entities: table('leases.csv') }),
};

/** What may be found at an address instead of the source. */
const http = (status: string) => (socket: Socket) =>
  socket.on('data', () => socket.end(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`));
const INSTEAD: Readonly<Record<string, ((socket: Socket) => void) | null>> = {
  'a closed port': null,
  'a port that takes connections and ends them': (socket) => socket.destroy(),
  'a server that keeps silent': () => undefined,
  'a server that is broken (500)': http('500 X'),
  'a proxy before nothing (503)': http('503 X'),
};

async function connectorOf(kind: string, raw: Record<string, unknown>): Promise<AnyConnector> {
  const name = kind.split(',')[0] as string;
  const family = families.find((one) => one.name === name);
  if (!family) return [...islands, template].find((one) => one.name === name) as AnyConnector;
  const { values, faults } = readSettings(family.settings, raw);
  expect(faults).toEqual([]);
  return family.make(String(raw['system']), [values], folder);
}

describe('a source is UP when it has answered', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  const servers = new Set<Server>();
  const sockets = new Set<Socket>();
  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers) await new Promise((resolve) => server.close(resolve));
    await database?.drop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('every kind of connector is tried', () => {
    const tried = new Set(Object.keys(KINDS).map((kind) => kind.split(',')[0]));
    const all = [...islands, ...families].map((one) => one.name);
    expect(all.filter((name) => !tried.has(name))).toEqual([]);
  });

  test.each(Object.keys(INSTEAD))(
    'never at %s, whatever the connector',
    async (what) => {
      const found: Record<string, string> = {};
      await Promise.all(
        Object.entries(KINDS).map(async ([kind, settings]) => {
          const answer = INSTEAD[what];
          let port: number;
          if (answer) {
            const server = createServer((socket) => {
              sockets.add(socket);
              socket.on('error', () => undefined);
              answer(socket);
            });
            servers.add(server);
            port = await listen(server);
          } else port = await freePort();
          const raw = settings(port);
          const host = await raiseIsland(
            await connectorOf(kind, raw),
            { id: kind.replace(/\W+/g, '-'), raw },
            database,
            {
              ...{ jobs: false, pace: { checkTime: 700, checkDown: 60_000, checkUp: 60_000 } },
            },
          );
          const status = await host.check(kind.replace(/\W+/g, '-'));
          found[kind] = `${status?.state}: ${status?.reason}`;
          await host.close();
        }),
      );
      expect(Object.keys(found)).toHaveLength(Object.keys(KINDS).length);
      expect(Object.entries(found).filter(([, state]) => state.startsWith('UP'))).toEqual([]);
      // Only a gateway without meters can be reached and not asked; all others are down.
      const degraded = Object.entries(found).filter(([, state]) => !state.startsWith('DOWN'));
      const closed = what === 'a closed port';
      expect(degraded.map(([kind]) => kind)).toEqual(closed ? [] : ['energy, Modbus without meters']);
      for (const [, state] of degraded)
        expect(state).toBe('DEGRADED: no meters are configured: name them by sheet or meters');
    },
    30_000,
  );

  test('a SOAP service that answers a GET by 500, and an empty message by a fault, has answered', async () => {
    const fault =
      '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring>empty</faultstring></s:Fault></s:Body></s:Envelope>';
    const server = createServer((socket) => {
      sockets.add(socket);
      socket
        .on('error', () => undefined)
        .on('data', (bytes) => {
          const body = bytes.toString('latin1').startsWith('GET') ? '' : fault;
          const head = `HTTP/1.1 500 X\r\ncontent-type: text/xml\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n`;
          socket.end(head + body);
        });
    });
    servers.add(server);
    const raw = KINDS['wsdl']?.(await listen(server)) as Record<string, unknown>;
    const host = await raiseIsland(await connectorOf('wsdl', raw), { id: 'soap', raw }, database, { jobs: false });
    expect((await host.check('soap'))?.state).toBe('UP');
    await host.close();
  });
});
