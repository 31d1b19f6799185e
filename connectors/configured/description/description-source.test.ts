/** Changes of a served description are reported as drift with the affected graph fields; it is fetched rarely. */
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSettings } from '../../kit/config/settings.ts';
import type { Host } from '../../kit/host/host.ts';
import { createLog } from '../../kit/log.ts';
import { listen } from '../../kit/testing/simulator.ts';
import { createTestDatabase } from '../../kit/testing/test-database.ts';
import { startInstallation } from '../../kit/testing/test-installation.ts';
import mesh from '../openapi/index.ts';
import { readOpenApi } from '../openapi/openapi-reader.ts';

const TEXT = readFileSync(join(import.meta.dirname, '..', 'openapi', 'demo', 'environment', 'openapi.json'), 'utf8');
const ENTITIES = {
  Air: {
    recordedAt: 'observed',
    fields: { pm25: 'particles.pm2_5', pm10: 'particles.pm10', station: 'station' },
    on: {
      'Building.air': {
        ...{ operation: 'latestObservations', argument: 'sites', separator: ',' },
        ...{ rows: 'observations', match: 'site' },
      },
    },
  },
};

/** Response at /openapi.json, and how often it was fetched. */
let served = { status: 200, text: TEXT };
let fetched = 0;
/** Keys sent with requests to /locked.json, and the redirect target of /away.json. */
const keys: unknown[] = [];
let redirectTarget = '';
const server = createServer((request, response) => {
  if (request.url === '/away.json') return void response.writeHead(302, { location: redirectTarget }).end();
  if (request.url === '/locked.json') {
    const key = request.headers['x-api-key'];
    keys.push(key);
    return void response.writeHead(key === 'the-key-of-the-test' ? 200 : 401).end(TEXT);
  }
  const isDescription = request.url === '/openapi.json';
  if (isDescription) fetched++;
  response.writeHead(isDescription ? served.status : 200, { 'content-type': 'application/json' });
  response.end(isDescription ? served.text : '{"ok":true}');
});
const others: Server[] = [];
const lines: string[] = [];
const hosts: Host[] = [];
let url = '';
let database: Awaited<ReturnType<typeof createTestDatabase>>;

beforeAll(async () => {
  url = `http://127.0.0.1:${await listen(server)}`;
  database = await createTestDatabase();
}, 60_000);
afterAll(async () => {
  for (const host of hosts) await host.close();
  for (const each of [server, ...others]) {
    each.closeAllConnections();
    await new Promise((done) => each.close(done));
  }
  await database?.drop();
}, 60_000);

/** Starts another server, closed after the tests. Resolves with its URL. */
async function startServer(listener: RequestListener): Promise<string> {
  const other = createServer(listener);
  others.push(other);
  return `http://127.0.0.1:${await listen(other)}`;
}

/** Starts an installation without automatic health checks. `drift`: interval of the drift check in milliseconds. */
async function start(id: string, drift: number, more: Record<string, unknown> = {}): Promise<Host> {
  const raw = {
    ...{ system: 'environment', openapi: `${url}/openapi.json`, url },
    check: 'getStatus',
    entities: ENTITIES,
    ...more,
  };
  const { values } = readSettings(mesh.settings, raw);
  if (values === null) throw new Error('The settings of the test are wrong.');
  const connector = await mesh.createConnector('environment', [values], import.meta.dirname);
  const host = await startInstallation(connector, { id, raw }, database, {
    log: createLog((line) => lines.push(line)),
    intervals: { checkUp: 3_600_000, checkDown: 3_600_000, checkTime: 30_000, drift },
    policy: { timeout: 30_000 },
    runJobs: false,
  });
  hosts.push(host);
  return host;
}

test('description drift: reports missing fields, changed types and missing or moved operations; an invalid description is no drift', async () => {
  served = { status: 200, text: TEXT };
  const host = await start('air', 0);
  /** The reason after a check with that description; null: it is UP. */
  const reason = async (text: string, status = 200): Promise<string | null> => {
    served = { status, text };
    await host.check('air');
    const health = await host.check('air');
    expect(health?.state).toBe(health?.reason ? 'DEGRADED' : 'UP');
    return health?.reason ?? null;
  };
  const edited = (from: string | RegExp, to: string): string => {
    expect(TEXT).toMatch(from);
    return TEXT.replace(from, to);
  };
  expect(await reason(TEXT)).toBeNull();

  const gone = 'has drifted: the field latestObservations.observations';
  expect(await reason(edited('"pm2_5"', '"fine"'))).toBe(`${gone}.particles.pm2_5 is gone (affects Air.pm25)`);
  expect(await reason(edited('"particles"', '"dust"'))).toBe(`${gone}.particles is gone (affects Air.pm25, Air.pm10)`);
  expect(await reason(edited(/"station": {\s*"type": "string"/, '"station": { "type": "integer"'))).toBe(
    `${gone}.station has another type (affects Air.station)`,
  );
  expect(await reason(edited('"name": "sites"', '"name": "places"'))).toMatch(
    /no longer accepts the argument sites .*now requires the argument places/,
  );
  const missing = 'has drifted: the operation latestObservations is gone (affects Air.pm25, ';
  expect(await reason(edited('"latestObservations"', '"newest"'))).toContain(missing);
  // The old address would return 404, which means "no such row".
  expect(await reason(edited('"/observations/latest"', '"/observations/newest"'))).toMatch(
    /latestObservations has moved from GET \/observations\/latest to GET \/observations\/newest \(affects Air\.pm25, /,
  );
  expect(await reason(edited('"latestObservations"', '"newest"'))).toContain(missing);
  // No comparison is possible: the reported drift stays.
  expect(await reason('{"error":"closed for the night"}')).toContain(missing);
  expect(await reason('{}', 503)).toContain(missing);
  expect(await reason(edited('"humidity"', '"damp"'))).toBeNull();
  expect(lines.join('\n')).toContain('has changed. Nothing that is used has changed');
  expect(lines.filter((line) => /Source air has drifted: .*pm2_5 is gone/.test(line))).toHaveLength(1);
}, 60_000);

test('sends the headers of an installation when it fetches the description, to its own origin only', async () => {
  served = { status: 200, text: TEXT };
  fetched = 0;
  keys.length = 0;
  const headers = { 'x-api-key': 'the-key-of-the-test' };
  const host = await start('locked', 0, { openapi: `${url}/locked.json`, headers });
  expect((await host.check('locked'))?.state).toBe('UP');
  // At the start, and for the drift check.
  expect(keys).toEqual(['the-key-of-the-test', 'the-key-of-the-test']);

  const foreignUrl = await startServer((request, response) => {
    keys.push(request.headers['x-api-key']);
    response.end(TEXT);
  });
  const endpoints = [{ url: `${url}/api`, headers }];
  keys.length = 0;
  redirectTarget = `${foreignUrl}/openapi.json`;
  await expect(readOpenApi(`${url}/away.json`, '.', endpoints)).rejects.toMatchObject({
    fullMessage: expect.stringContaining(`it redirects to another origin (${foreignUrl}); use the final URL`),
  });
  expect(keys).toEqual([]);
  expect((await readOpenApi(redirectTarget, '.', endpoints)).operations.size).toBeGreaterThan(0);
  expect(keys).toEqual([undefined]);
  // A redirect within the origin is followed, with the key.
  redirectTarget = `${url}/locked.json`;
  expect((await readOpenApi(`${url}/away.json`, '.', endpoints)).operations.size).toBeGreaterThan(0);
  expect(keys.at(-1)).toBe('the-key-of-the-test');
  redirectTarget = `${url}/away.json`;
  await expect(readOpenApi(`${url}/away.json`, '.', endpoints)).rejects.toMatchObject({
    fullMessage: expect.stringContaining('redirects more than 5 times'),
  });
  await expect(readOpenApi(`${url}/locked.json`, '.', [])).rejects.toMatchObject({
    fullMessage: expect.stringContaining('HTTP 401'),
  });
  const broken = [{ url, headers: { 'x-api-key': 'se\ncret' } }];
  await expect(readOpenApi(`${url}/locked.json`, '.', broken)).rejects.toMatchObject({
    fullMessage: expect.not.stringContaining('cret'),
  });
}, 60_000);

test('ten health checks fetch the description twice: at the start and after the first check', async () => {
  served = { status: 200, text: TEXT };
  fetched = 0;
  const host = await start('seldom', 3_600_000);
  for (let n = 0; n < 10; n++) expect((await host.check('seldom'))?.state).toBe('UP');
  expect(fetched).toBe(2);
}, 60_000);
