/** Runs the conformance suite on the two systems that isthmus.demo.yaml connects by an OpenAPI description. */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { readSettings } from '../../kit/config/settings.ts';
import { type ConformanceOptions, conformance } from '../../kit/testing/conformance/conformance.ts';
import { polledList, withManualClock } from '../../kit/testing/conformance/conformance-ingest.ts';
import type { RunningSimulator } from '../../kit/testing/simulator.ts';
import type { RowQuery } from '../core/declaration.ts';
import { extractRows, mapRow, type TypedEntity } from '../core/mapping.ts';
import { simulator as environment } from '../simulator/environment.ts';
import { simulator as serviceDesk } from '../simulator/work-orders.ts';
import mesh from './index.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const demo = parse(readFileSync(join(ROOT, 'isthmus.demo.yaml'), 'utf8')) as {
  installations: (Record<string, unknown> & { system?: string })[];
};

/** Settings of the installation in isthmus.demo.yaml, with the variables of its simulator. */
function settingsOf(system: string, env: Readonly<Record<string, string>>): Record<string, unknown> {
  const {
    id: _id,
    park: _park,
    connector: _connector,
    ...rest
  } = demo.installations.find((installation) => installation.system === system) ?? {};
  const text = JSON.stringify(rest).replace(/\$\{(\w+)\}/g, (_, name: string) => env[name] ?? 'http://127.0.0.1:9');
  return JSON.parse(text) as Record<string, unknown>;
}

async function createConnector(system: string) {
  const read = readSettings(mesh.settings, settingsOf(system, {}));
  if (read.values === null) throw new Error(JSON.stringify(read.errors));
  return { connector: await mesh.createConnector(system, [read.values], ROOT), settings: read.values };
}

const http =
  (status: string, body: string) =>
  (socket: Socket, onRequest = (): void => undefined) =>
    socket.on('data', () => {
      onRequest();
      socket.end(`HTTP/1.1 ${status}\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`);
    });

/** Maps the rows of a fixture. */
const mapped = (entity: TypedEntity, query: RowQuery) => (_name: string, bytes: Buffer) =>
  extractRows(JSON.parse(bytes.toString('utf8')), query).map(({ raw, where }) => mapRow(entity, raw, where));

const at =
  (base: string) =>
  (address: { host: string; port: number }, { env }: RunningSimulator, system: string) => ({
    ...settingsOf(system, env),
    url: `http://${address.host}:${address.port}${base}`,
  });

const types = (...pairs: [string, string][]) => new Map(pairs) as TypedEntity['types'];

const air = await createConnector('environment');
const [airEntity] = air.settings.entities;
const observed = types(['station', 'String'], ['measuredAt', 'DateTime']);
const decimals = types(
  ...(airEntity?.fields ?? [])
    .filter(({ type }) => type)
    .map(({ name, type }): [string, string] => [name, String(type)]),
);
const buildings = (codes: readonly string[]) => codes.map((id) => ({ __typename: 'Building', id }));
const AIR = 'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Building { air { pm25 measuredAt } } } }';

conformance({
  connector: air.connector,
  simulator: environment,
  folder: join(import.meta.dirname, 'demo', 'environment'),
  settings: ({ env }) => settingsOf('environment', env),
  settingsAt: (address, running) => at('/api')(address, running, 'environment'),
  sampleQuery: (world) => ({
    query: AIR,
    variables: { r: buildings([world.buildings[0]?.id ?? '']) },
    check: (data) => {
      if (!/"pm25":"[\d.]+"/.test(JSON.stringify(data))) throw new Error(`no air in ${JSON.stringify(data)}`);
    },
  }),
  batch: (world) => ({
    representations: buildings([world.buildings[0]?.id ?? '', 'no-such-building', world.buildings[1]?.id ?? '']),
    selection: '... on Building { id air { pm25 } }',
    unknown: 1,
    isUnknown: (entity) => entity?.['air'] === null,
    calls: 1,
  }),
  live: { query: AIR, variables: (world) => ({ r: buildings([world.buildings[0]?.id ?? '']) }) },
  // It declares no list.
  ingest: {},
  malformed: {
    serve: http('200 OK', '{"observations":[{"site":"B01","observed":"yesterday"}]}'),
    field: /observed is not a time/,
  },
  rejection: { serve: http('403 Forbidden', '{}') },
  fixture: mapped(
    { ...airEntity, types: new Map([...observed, ...decimals]) } as TypedEntity,
    airEntity?.joins[0]?.ask as RowQuery,
  ),
});

const desk = await createConnector('work-orders');
const workOrders = withManualClock(serviceDesk);
const [orderEntity] = desk.settings.entities;
const ORDERS =
  'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Building { workOrders(first: 3) { nodes { id status reportedAt } totalCount } } } }';
const WORK_ORDERS: Pick<ConformanceOptions, 'sampleQuery' | 'live'> = {
  sampleQuery: (world) => ({
    query: ORDERS,
    variables: { r: buildings([world.buildings[0]?.id ?? '']) },
    check: (data) => {
      if (!/"status":"(open|closed)"/.test(JSON.stringify(data)))
        throw new Error(`no orders in ${JSON.stringify(data)}`);
    },
  }),
  live: { query: ORDERS, variables: (world) => ({ r: buildings([world.buildings[0]?.id ?? '']) }) },
};

conformance({
  connector: desk.connector,
  simulator: workOrders,
  folder: join(import.meta.dirname, 'demo', 'work-orders'),
  settings: ({ env }) => settingsOf('work-orders', env),
  settingsAt: (address, running) => at('/open311/v2')(address, running, 'work-orders'),
  ...WORK_ORDERS,
  batch: (world) => ({
    representations: buildings([world.buildings[0]?.id ?? '', 'no-such-building', world.buildings[1]?.id ?? '']),
    selection: '... on Building { id workOrders { nodes { status } } }',
    unknown: 1,
    isUnknown: (entity) => entity?.['workOrders'] === null,
    calls: 1,
  }),
  malformed: {
    serve: http('200 OK', '[{"address_id":"B01","status":"open"}]'),
    field: /service_request_id is not an id/,
  },
  rejection: { serve: http('403 Forbidden', '{}') },
  ingest: {
    'poll WorkOrder': (at) => {
      const list = async () => {
        const response = await fetch(`${at.running.env['LAKESIDE_WORK_ORDERS_URL']}/requests.json`);
        const orders = (await response.json()) as { service_request_id: string }[];
        return new Map(orders.map((order) => [order.service_request_id, JSON.stringify(order)]));
      };
      const twentyMinutesLater = async () => {
        const before = await list();
        workOrders.advance(20 * 60_000);
        const after = await list();
        const ids = new Set([...before.keys(), ...after.keys()]);
        return [...ids].filter((id) => before.get(id) !== after.get(id)).length;
      };
      return polledList('poll WorkOrder', twentyMinutesLater)(at);
    },
  },
  idempotentJob: { job: 'poll WorkOrder', state: "SELECT count(*) FROM event WHERE kind = 'RECORD_CHANGED'" },
  fixture: mapped(
    {
      ...orderEntity,
      types: types(['reportedAt', 'DateTime'], ['updatedAt', 'DateTime'], ['dueAt', 'DateTime']),
    } as TypedEntity,
    orderEntity?.byKey as RowQuery,
  ),
});

test('OpenAPI: a row without a key is skipped in a full list, and malformed in a query by key', () => {
  const query: RowQuery = {
    operation: 'getRequests',
    argument: null,
    separator: null,
    most: 100,
    match: 'account',
    rows: null,
    given: {},
  };
  const response = [{ account: 'A' }, { account: null }, {}, { account: 'B' }];
  expect(extractRows(response, query).map(({ key }) => key)).toEqual(['A', 'B']);
  expect(() => extractRows(response, { ...query, argument: 'account' })).toThrow('getRequests[1].account is not a key');
});
