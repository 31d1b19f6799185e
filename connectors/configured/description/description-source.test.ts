/** The description that a system serves changes under the hub: told with the graph fields concerned, asked for now and then only. */
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSettings } from '../../kit/config/settings.ts';
import type { Host } from '../../kit/host/host.ts';
import { makeLog } from '../../kit/log.ts';
import { listen } from '../../kit/testing/simulator.ts';
import { freshDatabase } from '../../kit/testing/test-database.ts';
import { raiseIsland } from '../../kit/testing/test-installation.ts';
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

/** What stands at /openapi.json, and how often it was fetched. */
let served = { status: 200, text: TEXT };
let fetched = 0;
/** Keys that came with fetches of /locked.json, and where /away.json leads. */
const keys: unknown[] = [];
let away = '';
const server = createServer((request, response) => {
  if (request.url === '/away.json') return void response.writeHead(302, { location: away }).end();
  if (request.url === '/locked.json') {
    const key = request.headers['x-api-key'];
    keys.push(key);
    return void response.writeHead(key === 'the-key-of-the-test' ? 200 : 401).end(TEXT);
  }
  const described = request.url === '/openapi.json';
  if (described) fetched++;
  response.writeHead(described ? served.status : 200, { 'content-type': 'application/json' });
  response.end(described ? served.text : '{"ok":true}');
});
const others: Server[] = [];
const lines: string[] = [];
const hosts: Host[] = [];
let url = '';
let database: Awaited<ReturnType<typeof freshDatabase>>;

beforeAll(async () => {
  url = `http://127.0.0.1:${await listen(server)}`;
  database = await freshDatabase();
}, 60_000);
afterAll(async () => {
  for (const host of hosts) await host.close();
  for (const one of [server, ...others]) {
    one.closeAllConnections();
    await new Promise((done) => one.close(done));
  }
  await database?.drop();
}, 60_000);

/** Another server, which ends with the tests; its address. */
async function createdServer(listener: RequestListener): Promise<string> {
  const one = createServer(listener);
  others.push(one);
  return `http://127.0.0.1:${await listen(one)}`;
}

/** One installation that is checked only when it is told to, and compared at `drift`. */
async function raise(id: string, drift: number, more: Record<string, unknown> = {}): Promise<Host> {
  const raw = {
    ...{ system: 'environment', openapi: `${url}/openapi.json`, url },
    check: 'getStatus',
    entities: ENTITIES,
    ...more,
  };
  const { values } = readSettings(mesh.settings, raw);
  if (values === null) throw new Error('The settings of the test are wrong.');
  const connector = await mesh.make('environment', [values], import.meta.dirname);
  const host = await raiseIsland(connector, { id, raw }, database, {
    log: makeLog((line) => lines.push(line)),
    pace: { checkUp: 3_600_000, checkDown: 3_600_000, checkTime: 30_000, drift },
    policy: { timeout: 30_000 },
    jobs: false,
  });
  hosts.push(host);
  return host;
}

test('a field that is gone, of another type, an operation that is gone; a page that is no description is none of these', async () => {
  served = { status: 200, text: TEXT };
  const host = await raise('air', 0);
  /** The reason after a check that began now; null: it is UP. */
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

  const gone = 'offers other than it was set up for: the field latestObservations.observations';
  expect(await reason(edited('"pm2_5"', '"fine"'))).toBe(`${gone}.particles.pm2_5 is gone (concerns Air.pm25)`);
  expect(await reason(edited('"particles"', '"dust"'))).toBe(`${gone}.particles is gone (concerns Air.pm25, Air.pm10)`);
  expect(await reason(edited(/"station": {\s*"type": "string"/, '"station": { "type": "integer"'))).toBe(
    `${gone}.station is of another type (concerns Air.station)`,
  );
  expect(await reason(edited('"name": "sites"', '"name": "places"'))).toMatch(
    /takes no argument sites any more .*needs the argument places/,
  );
  const left = 'offers other than it was set up for: the operation latestObservations is gone (concerns Air.pm25, ';
  expect(await reason(edited('"latestObservations"', '"newest"'))).toContain(left);
  // The old place would answer that there is none.
  expect(await reason(edited('"/observations/latest"', '"/observations/newest"'))).toMatch(
    /latestObservations has moved from GET \/observations\/latest to GET \/observations\/newest \(concerns Air\.pm25, /,
  );
  expect(await reason(edited('"latestObservations"', '"newest"'))).toContain(left);
  // Nobody can compare: what was told stands.
  expect(await reason('{"error":"closed for the night"}')).toContain(left);
  expect(await reason('{}', 503)).toContain(left);
  expect(await reason(edited('"humidity"', '"damp"'))).toBeNull();
  expect(lines.join('\n')).toContain('is another than at the start; nothing that is asked for is concerned');
  expect(lines.filter((line) => /The source air offers other .*pm2_5 is gone/.test(line))).toHaveLength(1);
}, 60_000);

test('a description behind a key is fetched with the headers of the installation, at its own origin and no other', async () => {
  served = { status: 200, text: TEXT };
  fetched = 0;
  keys.length = 0;
  const headers = { 'x-api-key': 'the-key-of-the-test' };
  const host = await raise('locked', 0, { openapi: `${url}/locked.json`, headers });
  expect((await host.check('locked'))?.state).toBe('UP');
  // At the start, and when it was compared.
  expect(keys).toEqual(['the-key-of-the-test', 'the-key-of-the-test']);

  const elsewhere = await createdServer((request, response) => {
    keys.push(request.headers['x-api-key']);
    response.end(TEXT);
  });
  const callers = [{ url: `${url}/api`, headers }];
  keys.length = 0;
  away = `${elsewhere}/openapi.json`;
  await expect(readOpenApi(`${url}/away.json`, '.', callers)).rejects.toMatchObject({
    whole: expect.stringContaining(`it leads to another origin (${elsewhere}), which is not followed`),
  });
  expect(keys).toEqual([]);
  expect((await readOpenApi(away, '.', callers)).operations.size).toBeGreaterThan(0);
  expect(keys).toEqual([undefined]);
  // Within its origin it may lead on, and the key goes along.
  away = `${url}/locked.json`;
  expect((await readOpenApi(`${url}/away.json`, '.', callers)).operations.size).toBeGreaterThan(0);
  expect(keys.at(-1)).toBe('the-key-of-the-test');
  away = `${url}/away.json`;
  await expect(readOpenApi(`${url}/away.json`, '.', callers)).rejects.toMatchObject({
    whole: expect.stringContaining('without an end'),
  });
  await expect(readOpenApi(`${url}/locked.json`, '.', [])).rejects.toMatchObject({
    whole: expect.stringContaining('HTTP 401'),
  });
  const broken = [{ url, headers: { 'x-api-key': 'se\ncret' } }];
  await expect(readOpenApi(`${url}/locked.json`, '.', broken)).rejects.toMatchObject({
    whole: expect.not.stringContaining('cret'),
  });
}, 60_000);

test('however often it is checked, the description is fetched at the start and after the first check', async () => {
  served = { status: 200, text: TEXT };
  fetched = 0;
  const host = await raise('seldom', 3_600_000);
  for (let n = 0; n < 10; n++) expect((await host.check('seldom'))?.state).toBe('UP');
  expect(fetched).toBe(2);
}, 60_000);
