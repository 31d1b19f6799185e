/** Configured sources (`mesh`) on a running hub: provenance, stale values, and reloads that add and remove them under load. */

import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { parse, stringify } from 'yaml';
import { simulator as environment } from '../connectors/configured/simulator/environment.ts';
import { simulator as workOrders } from '../connectors/configured/simulator/work-orders.ts';
import { configurable } from '../connectors/index.ts';
import { readConfig } from '../connectors/kit/config/config-file.ts';
import { createLog } from '../connectors/kit/log.ts';
import { createWorld } from '../connectors/kit/testing/park/index.ts';
import type { RunningSimulator, Simulator } from '../connectors/kit/testing/simulator.ts';
import { createTestDatabase } from '../connectors/kit/testing/test-database.ts';
import { type Hub, startHub } from '../gateway/main.ts';
import { type GraphqlResponse, waitFor } from './test-hub.ts';

const ROOT = join(import.meta.dirname, '..');
const FILE = join(ROOT, 'isthmus.demo.yaml');
type Entry = Record<string, unknown> & { id: string; connector: string };
const demo = parse(readFileSync(FILE, 'utf8')) as { parks: { buildings: object[] }[]; installations: Entry[] };
const made = demo.installations.filter((installation) => installation.connector === 'mesh');

const AIR = '{ park(id: "lakeside") { buildings { id air { pm25 measuredAt provenance { source system stale } } } } }';
const BOTH =
  '{ building(id: "lakeside-b01") { air { pm25 provenance { stale } } workOrders { nodes { id status building { name } } totalCount provenance { source stale } } } }';

describe('configured sources', () => {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-reload-'));
  const log: string[] = [];
  const running = new Map<string, RunningSimulator>();
  const environmentOf: Record<string, string> = {};
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let hub: Hub;

  const simulate = async (simulator: Simulator) => {
    const folder = join(directory, simulator.name);
    mkdirSync(folder, { recursive: true });
    const former = running.get(simulator.name)?.ports;
    const one = await simulator.start({
      directory: folder,
      world: createWorld(),
      now: () => new Date(),
      history: 0,
      live: true,
      ...(former ? { ports: former } : {}),
    });
    running.set(simulator.name, one);
    Object.assign(environmentOf, one.env);
  };
  /** The demo's park with these installations. */
  const config = (installations: readonly object[], buildings = demo.parks[0]?.buildings) =>
    readConfig(
      stringify(
        { parks: [{ ...demo.parks[0], buildings }], installations, anonymous: 'developer' },
        { aliasDuplicateObjects: false },
      ),
      FILE,
      configurable,
      environmentOf,
    );
  const send = async (query: string, url = hub.url): Promise<GraphqlResponse> => {
    const answer = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    });
    return (await answer.json()) as GraphqlResponse;
  };
  const journal = (name: string) =>
    readFileSync(join(directory, name, 'journal.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { operation: string });
  const calls = (name: string, operation: string) => journal(name).filter((one) => one.operation === operation).length;

  beforeAll(async () => {
    await Promise.all([simulate(environment), simulate(workOrders)]);
    database = await createTestDatabase();
    hub = await startHub({
      config: config(made),
      host: '127.0.0.1',
      port: 0,
      data: join(directory, 'data'),
      databaseUrl: database.url,
      log: createLog((line) => log.push(line)),
      intervals: { checkUp: 500, checkDown: 200 },
    });
    await waitFor('both sources are up', 20, () => hub.sources().filter((one) => one.state === 'UP').length === 2);
  }, 60_000);

  afterAll(async () => {
    await hub?.stop();
    for (const one of running.values()) await one.close();
    await database?.drop();
    rmSync(directory, { recursive: true, force: true });
  }, 60_000);

  test('answers one query over both sources, with provenance', async () => {
    const { data, errors } = await send(BOTH);
    expect(errors).toBeUndefined();
    expect(data.building.air.pm25).toMatch(/^\d+(\.\d+)?$/);
    expect(data.building.air.provenance.stale).toBe(false);
    const orders = data.building.workOrders;
    expect(orders.nodes[0].status).toMatch(/^(open|closed)$/);
    expect(orders.nodes[0].id).toMatch(/^lakeside-work-orders:SR/);
    expect(orders.nodes[0].building.name).toBe('1号研发楼');
    expect(orders.provenance.source).toBe('lakeside-work-orders');
    const one = await send(`{ workOrder(id: "${orders.nodes[0].id}") { status reporter { uscc } } }`);
    expect(one.errors).toBeUndefined();
    expect(one.data.workOrder.status).toBe(orders.nodes[0].status);
  });

  test('returns the last known values of a stopped source, marked stale', async () => {
    await send(AIR);
    await running.get('environment')?.close();
    await waitFor('the source is down', 15, () => hub.sources().some((one) => one.state === 'DOWN'));
    const answer = await waitFor('a stale answer', 15, async () => {
      const { data, errors } = await send(AIR);
      expect(errors).toBeUndefined();
      const all = data.park.buildings as { air: { pm25: string; provenance: { stale: boolean } } }[];
      expect(all.every((one) => one.air.pm25)).toBe(true);
      return all.every((one) => one.air.provenance.stale) ? all : null;
    });
    expect(answer).toHaveLength(12);
    await simulate(environment);
    await waitFor('the source recovers', 15, () => hub.sources().every((one) => one.state === 'UP'));
  }, 40_000);

  test('reads the air quality of 100 buildings in one call', async () => {
    const buildings = Array.from({ length: 100 }, (_, i) => ({
      id: `b${i}`,
      name: `${i}`,
      known: [`B${String(i + 1).padStart(2, '0')}`],
    }));
    await hub.applyConfig(config(made, buildings));
    const before = calls('environment', 'GET /observations/latest');
    const { data, errors } = await send(AIR);
    expect(errors).toBeUndefined();
    expect(data.park.buildings).toHaveLength(100);
    expect(data.park.buildings.filter((building: { air: unknown }) => building.air)).toHaveLength(12);
    expect(calls('environment', 'GET /observations/latest') - before).toBe(1);
    await hub.applyConfig(config(made));
  }, 30_000);

  test('reports a new record of a polled list as an event', async () => {
    const rows = () =>
      database.plain.query("SELECT data FROM event WHERE kind = 'RECORD_CHANGED'") as Promise<
        { data: { change: string; type: string } }[]
      >;
    const host = hub.registry.hosts().find((one) => one.name === 'work-orders');
    await waitFor('the list was read once', 10, async () => {
      await host?.runJob('lakeside-work-orders', 'poll WorkOrder');
      return true;
    });
    await database.plain.query(
      `UPDATE state SET value = value - (SELECT min(key) FROM jsonb_object_keys(value) AS key) WHERE installation = 'lakeside-work-orders' AND name = 'poll WorkOrder'`,
    );
    await host?.runJob('lakeside-work-orders', 'poll WorkOrder');
    expect((await rows()).some((one) => one.data.change === 'NEW' && one.data.type === 'WorkOrder')).toBe(true);
    const { data, errors } = await send(
      '{ events(filter: { kind: { eq: RECORD_CHANGED } }) { nodes { ... on RecordChanged { change type record building { id } } } } }',
    );
    expect(errors).toBeUndefined();
    expect(data.events.nodes[0].record).toMatch(/^lakeside-work-orders:SR/);
  }, 20_000);

  test('adds and removes sources under load without failed queries or ended subscriptions', async () => {
    const socket = createClient({
      url: `${hub.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
    });
    const deliveries: unknown[] = [];
    let ended = false;
    socket.subscribe(
      { query: 'subscription { events { __typename } }' },
      {
        next: (one) => deliveries.push(one),
        error: () => {
          ended = true;
        },
        complete: () => {
          ended = true;
        },
      },
    );
    let asking = true;
    let requests = 0;
    const failures: unknown[] = [];
    const clients = Array.from({ length: 4 }, async () => {
      while (asking) {
        const answer = await send(
          '{ building(id: "lakeside-b01") { name workOrders(first: 1) { nodes { status } } } }',
        );
        requests++;
        if (answer.errors) failures.push(answer.errors);
      }
    });
    const [air, orders] = made;
    const cycles = Number(process.env['ISTHMUS_CYCLES'] ?? 2);
    const memory: number[] = [];
    const rss: number[] = [];
    for (let n = 0; n < cycles; n++) {
      expect(await hub.applyConfig(config([orders as Entry]))).toMatchObject({ removed: ['environment'] });
      expect((await send(AIR)).errors?.[0]?.extensions['code']).toBe('GRAPHQL_VALIDATION_FAILED');
      expect(await hub.applyConfig(config([orders as Entry, air as Entry]))).toMatchObject({ added: ['environment'] });
      expect((await send(AIR)).errors).toBeUndefined();
      // Measured without forcing a garbage collection.
      memory.push(Math.round(process.memoryUsage().heapUsed / 1048576));
      rss.push(Math.round(process.memoryUsage().rss / 1048576));
    }
    asking = false;
    await Promise.all(clients);
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(cycles);
    expect(ended).toBe(false);
    await socket.dispose();
    if (!process.env['ISTHMUS_CYCLES']) return;
    process.stdout.write(`${requests} requests; heap in MB by cycle: ${memory.join(' ')}; RSS: ${rss.join(' ')}\n`);
    if (cycles < 100) return;
    const middle = (from: number, to: number) =>
      rss.slice(from, to).sort((a, b) => a - b)[Math.floor((to - from) / 2)] ?? 0;
    // RSS after a hundred cycles must not exceed RSS after the first quarter by more than 16 MB.
    expect(middle(75, 100) - middle(25, 50)).toBeLessThan(16);
  }, 600_000);

  test('rejects an invalid configuration with the reason and keeps the old graph', async () => {
    const [air] = made;
    const other = { ...(air as Entry), id: 'other', system: 'other' };
    await expect(hub.applyConfig(config([...made, other]))).rejects.toThrow(/Building\.air|AirQuality/);
    const entities = {
      AirQuality: {
        fields: { pm25: 'nowhere' },
        on: { 'Building.air': { operation: 'noSuchThing', argument: 'sites' } },
      },
    };
    await expect(hub.applyConfig(config([{ ...other, entities }]))).rejects.toThrow(/no(SuchThing|where)/);
    await expect(hub.applyConfig(config([{ ...other, openapi: 'no-such-file.json' }]))).rejects.toThrow(
      /does not exist/,
    );
    expect((await send(BOTH)).errors).toBeUndefined();
    expect(
      hub
        .sources()
        .map((one) => one.id)
        .sort(),
    ).toEqual(['lakeside-environment', 'lakeside-work-orders']);
  }, 20_000);

  test('starts without a source whose description is unreadable, reports why, and adds it once readable', async () => {
    const other = await createTestDatabase();
    const folder = join(directory, 'waiting');
    mkdirSync(folder);
    const description = join(folder, 'air.json');
    const [air, orders] = made as [Entry, Entry];
    const logLines: string[] = [];
    const waiting = await startHub({
      config: config([orders, { ...air, openapi: description }]),
      ...{ host: '127.0.0.1', port: 0, data: join(folder, 'data'), databaseUrl: other.url },
      ...{ log: createLog((line) => logLines.push(line)), intervals: { checkUp: 200, checkDown: 200 } },
    });
    const at = (query: string) => send(query, waiting.url);
    const source = () => waiting.sources().find((one) => one.id === 'lakeside-environment');
    try {
      await waitFor('the other source responds', 30, () => waiting.sources().some((one) => one.state === 'UP'));
      await waitFor('the reason is reported', 20, () => /air\.json does not exist/.test(source()?.reason ?? ''));
      expect(source()).toMatchObject({ state: 'DOWN', system: 'environment' });
      expect(logLines.filter((line) => line.includes('Failed to build connector environment'))).toHaveLength(1);
      expect((await at(AIR)).errors?.[0]?.extensions['code']).toBe('GRAPHQL_VALIDATION_FAILED');
      writeFileSync(description, '{ "openapi": ');
      await waitFor('the reason changes', 60, () => /cannot be read as OpenAPI/.test(source()?.reason ?? ''));
      copyFileSync(join(ROOT, String(air['openapi'])), description);
      await waitFor('the source is in the graph', 60, async () => (await at(AIR)).errors === undefined);
      await waitFor('the source responds', 30, () => source()?.state === 'UP');
    } finally {
      await waiting.stop();
      await other.drop();
    }
  }, 240_000);
});
