/** A source is UP only after a valid response: no connector accepts an open port, a connection or a broken server as one. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { families, sourceConnectors } from '../connectors/index.ts';
import { readSettings } from '../connectors/kit/config/settings.ts';
import type { AnyConnector } from '../connectors/kit/connector.ts';
import { listen } from '../connectors/kit/testing/simulator.ts';
import { createTestDatabase } from '../connectors/kit/testing/test-database.ts';
import { startInstallation } from '../connectors/kit/testing/test-installation.ts';
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

/** Settings of each connector for a port; energy has one entry per protocol. */
const SETTINGS: Readonly<Record<string, (port: number) => Record<string, unknown>>> = {
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

/** What a connector may find at an address instead of the source. */
const http = (status: string) => (socket: Socket) =>
  socket.on('data', () => socket.end(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`));
const WRONG_SERVERS: Readonly<Record<string, ((socket: Socket) => void) | null>> = {
  'a closed port': null,
  'a port that accepts and closes connections': (socket) => socket.destroy(),
  'a server that never responds': () => undefined,
  'a broken server (500)': http('500 X'),
  'a proxy without a backend (503)': http('503 X'),
};

async function connectorOf(kind: string, raw: Record<string, unknown>): Promise<AnyConnector> {
  const name = kind.split(',')[0] as string;
  const family = families.find((family) => family.name === name);
  if (!family) return [...sourceConnectors, template].find((one) => one.name === name) as AnyConnector;
  const { values, errors } = readSettings(family.settings, raw);
  expect(errors).toEqual([]);
  return family.createConnector(String(raw['system']), [values], folder);
}

describe('a source is UP only after a valid response', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  const servers = new Set<Server>();
  const sockets = new Set<Socket>();
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers) await new Promise((resolve) => server.close(resolve));
    await database?.drop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('covers every kind of connector', () => {
    const tried = new Set(Object.keys(SETTINGS).map((kind) => kind.split(',')[0]));
    const all = [...sourceConnectors, ...families].map((one) => one.name);
    expect(all.filter((name) => !tried.has(name))).toEqual([]);
  });

  test.each(Object.keys(WRONG_SERVERS))(
    'never with %s, for any connector',
    async (what) => {
      const found: Record<string, string> = {};
      await Promise.all(
        Object.entries(SETTINGS).map(async ([kind, settings]) => {
          const answer = WRONG_SERVERS[what];
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
          const host = await startInstallation(
            await connectorOf(kind, raw),
            { id: kind.replace(/\W+/g, '-'), raw },
            database,
            {
              ...{ runJobs: false, intervals: { checkTime: 700, checkDown: 60_000, checkUp: 60_000 } },
            },
          );
          const status = await host.check(kind.replace(/\W+/g, '-'));
          found[kind] = `${status?.state}: ${status?.reason}`;
          await host.close();
        }),
      );
      expect(Object.keys(found)).toHaveLength(Object.keys(SETTINGS).length);
      expect(Object.entries(found).filter(([, state]) => state.startsWith('UP'))).toEqual([]);
      // Only a Modbus gateway without meters is reachable without a request; all others are DOWN.
      const degraded = Object.entries(found).filter(([, state]) => !state.startsWith('DOWN'));
      const closed = what === 'a closed port';
      expect(degraded.map(([kind]) => kind)).toEqual(closed ? [] : ['energy, Modbus without meters']);
      for (const [, state] of degraded) expect(state).toBe('DEGRADED: no meters are configured; set sheet or meters');
    },
    30_000,
  );

  test('a SOAP service is UP if it responds with 500 to GET and with a fault to an empty message', async () => {
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
    const raw = SETTINGS['wsdl']?.(await listen(server)) as Record<string, unknown>;
    const host = await startInstallation(await connectorOf('wsdl', raw), { id: 'soap', raw }, database, {
      runJobs: false,
    });
    expect((await host.check('soap'))?.state).toBe('UP');
    await host.close();
  });
});
