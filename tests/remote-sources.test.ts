/** Sources of a connector in a separate process: `/readyz`, `/metrics` and the `sources` query of the hub report the same state. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { serveConnector } from '../connectors/connector-process.ts';
import { configurable } from '../connectors/index.ts';
import { readConfig } from '../connectors/kit/config/config-file.ts';
import { createLog } from '../connectors/kit/log.ts';
import { createWorld } from '../connectors/kit/testing/park/index.ts';
import type { RunningSimulator } from '../connectors/kit/testing/simulator.ts';
import { createTestDatabase } from '../connectors/kit/testing/test-database.ts';
import { simulator } from '../connectors/parking/simulator/index.ts';
import { type Hub, startHub } from '../gateway/main.ts';
import { freePort } from '../schema/database/embedded/free-port.ts';
import { endOutages, recordOutage } from '../schema/database/processes/connector-outages.ts';
import { waitFor } from './test-hub.ts';

const PACE = { checkUp: 200, checkDown: 200, checkTime: 1_000, heartbeat: 200, remote: 100 };
const directory = mkdtempSync(join(tmpdir(), 'isthmus-remote-'));
const lines: string[] = [];
const log = createLog((line) => lines.push(line));
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let running: RunningSimulator;
let port: number;
let hub: Hub;
let connector: Awaited<ReturnType<typeof serveConnector>> | null = null;
let config: ReturnType<typeof readConfig>;

const simulate = async (): Promise<void> => {
  const folder = join(directory, 'parking');
  mkdirSync(folder, { recursive: true });
  const ports = running ? { ports: running.ports } : {};
  const options = { directory: folder, world: createWorld(), now: () => new Date(), history: 0, live: false };
  running = await simulator.start({ ...options, ...ports });
};
const startConnector = async (): Promise<void> => {
  const options = { name: 'parking', config, databaseUrl: database.url, host: '127.0.0.1', port, log };
  connector = await serveConnector({ ...options, pace: PACE });
};
const stopConnector = async (): Promise<void> => {
  await connector?.stop();
  connector = null;
};

/** The state of the source in all three reports. */
async function seen() {
  const text = await (await fetch(`${hub.url}/metrics`)).text();
  const gauge = (name: string) => Number(new RegExp(`^${name}\\{source="lot"\\} (.*)$`, 'm').exec(text)?.[1]);
  const ready = (await (await fetch(`${hub.url}/readyz`)).json()) as { sources: Record<string, unknown>[] };
  const answer = await fetch(`${hub.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ sources { id state since reason lastSuccess errors breaker } }' }),
  });
  const { data } = (await answer.json()) as { data: { sources: Record<string, unknown>[] } };
  expect([ready.sources.length, data.sources.length]).toEqual([1, 1]);
  return {
    readyz: ready.sources[0] ?? {},
    graph: data.sources[0] ?? {},
    up: gauge('isthmus_source_up'),
    breaker: gauge('isthmus_source_breaker'),
    waiting: gauge('isthmus_source_waiting'),
  };
}
/** Resolves when all three report this state; the time limit allows for a busy machine. */
const all = (state: 'UP' | 'DOWN', reason: string | null) =>
  waitFor(`all three report ${state} (${reason})`, 15, async () => {
    const { readyz, graph, up } = await seen();
    const expected = { state, reason };
    expect([readyz, graph, up]).toEqual([
      expect.objectContaining(expected),
      expect.objectContaining(expected),
      state === 'UP' ? 1 : 0,
    ]);
    return { readyz, graph };
  });

beforeAll(async () => {
  database = await createTestDatabase();
  port = await freePort();
  await simulate();
  config = readConfig(
    stringify({
      parks: [{ id: 'lakeside', name: 'Lakeside', region: '350211', buildings: [] }],
      installations: [
        {
          ...{ id: 'lot', park: 'lakeside', connector: 'parking', url: running.env['LAKESIDE_PARKING_URL'] },
          ...{ token: running.env['LAKESIDE_PARKING_TOKEN'], webhookSecret: running.env['LAKESIDE_PARKING_SECRET'] },
        },
      ],
      subgraphs: { parking: { url: `http://127.0.0.1:${port}` } },
      anonymous: 'developer',
    }),
    join(directory, 'isthmus.yaml'),
    configurable,
    {},
  );
  const place = { host: '127.0.0.1', port: 0, data: join(directory, 'data'), databaseUrl: database.url };
  mkdirSync(place.data, { recursive: true });
  hub = await startHub({ config, ...place, log, intervals: PACE });
}, 60_000);
afterAll(async () => {
  await hub?.stop();
  await stopConnector();
  await running?.close();
  await database?.drop();
  rmSync(directory, { recursive: true, force: true });
}, 60_000);

const SILENT = 'the connector process is not responding';

test('remote sources: reports DOWN before the connector process starts, and UP with all details after', async () => {
  await all('DOWN', SILENT);
  await startConnector();
  const { readyz, graph } = await all('UP', null);
  expect(readyz).toMatchObject({ id: 'lot', system: 'parking', protocol: 'apds', park: 'lakeside', breaker: 'CLOSED' });
  for (const name of ['since', 'lastSuccess', 'errors', 'breaker'])
    expect(typeof readyz[name]).toBe(typeof graph[name]);
  expect(readyz['lastSuccess']).not.toBeNull();
  expect(await seen()).toMatchObject({ breaker: 0, waiting: 0 });
}, 30_000);

test('remote sources: reports a source that is down in the other process with its reason, errors and breaker', async () => {
  await running.close();
  const { readyz, graph } = await all('DOWN', 'cannot be reached');
  expect([readyz['since'], readyz['breaker']]).toEqual([graph['since'], graph['breaker']]);
  await waitFor('errors are counted', 15, async () => ((await seen()).readyz['errors'] as number) > 0);
  await simulate();
  await all('UP', null);
}, 30_000);

test('remote sources: reports DOWN everywhere when the process stops, and UP when it is back', async () => {
  await stopConnector();
  const { readyz, graph } = await all('DOWN', SILENT);
  expect(readyz['lastSuccess']).toEqual(graph['lastSuccess']);
  expect(
    lines.some((line) => /Connector parking at .* is DOWN: the connector process is not responding/.test(line)),
  ).toBe(true);
  await startConnector();
  await all('UP', null);
}, 30_000);

test('remote sources: reports DOWN for a process that accepts connections without responding, and for another process at the address', async () => {
  await stopConnector();
  const listen = async (answer: string | null): Promise<Server> => {
    const server = createServer((_, response) => void (answer !== null && response.end(answer)));
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return server;
  };
  const close = async (server: Server) => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  const frozen = await listen(null);
  await all('DOWN', SILENT);
  await close(frozen);
  const other = await listen('{"connector":"energy","sources":[]}');
  await all('DOWN', 'another process responds at the address of the connector');
  await close(other);
  await startConnector();
  await all('UP', null);
}, 30_000);

test('remote sources: reports DOWN if any live gateway cannot reach the process; ignores gateways that died', async () => {
  const graph = async () => (await seen()).graph['state'];
  await recordOutage(database.plain, 'parking', 'another gateway', SILENT);
  expect(await graph()).toBe('DOWN');
  await database.plain.query("UPDATE connector_outage SET seen_at = now() - interval '11 seconds'");
  expect(await graph()).toBe('UP');
  await endOutages(database.plain, ['parking'], 'another gateway');
});

test('remote sources: connector processes serve /healthz, /readyz and /metrics without secrets', async () => {
  const url = `http://127.0.0.1:${port}`;
  const get = async (path: string) => {
    const answer = await fetch(url + path);
    return { status: answer.status, type: answer.headers.get('content-type') ?? '', body: await answer.text() };
  };
  const [health, ready, metrics] = await Promise.all([get('/healthz'), get('/readyz'), get('/metrics')]);
  expect([health.status, ready.status, metrics.status]).toEqual([200, 200, 200]);
  expect(JSON.parse(ready.body)).toMatchObject({ connector: 'parking', ready: true, database: 'up' });
  expect(metrics.type).toContain('text/plain');
  for (const line of [
    'isthmus_source_up{source="lot"} 1',
    'isthmus_source_breaker{source="lot"} 0',
    'isthmus_source_waiting{source="lot"} 0',
  ])
    expect(metrics.body.split('\n')).toContain(line);
  expect(metrics.body).toMatch(
    /^isthmus_source_call_seconds_count\{source="lot",operation="check",outcome="ok"\} [1-9]/m,
  );
  const { env } = running;
  for (const secret of [
    env['LAKESIDE_PARKING_TOKEN'],
    env['LAKESIDE_PARKING_SECRET'],
    env['LAKESIDE_PARKING_URL'],
    database.url,
  ])
    expect(health.body + ready.body + metrics.body).not.toContain(secret);
});
