/**
 * A whole hub whose wall clock is set ten minutes forward and back: `Date` of the process (so for libraries, too) and the hub's clock.
 * What passes is stepped apart from it, so that everything is compared exactly.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'graphql-ws';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { stringify } from 'yaml';
import { configurable } from '../connectors/index.ts';
import { NOBODY } from '../connectors/kit/auth/principal.ts';
import { readConfig } from '../connectors/kit/config/config-file.ts';
import type { SourceCallFact } from '../connectors/kit/guard/guard.ts';
import { makeLog } from '../connectors/kit/log.ts';
import { world } from '../connectors/kit/testing/park/index.ts';
import type { Running } from '../connectors/kit/testing/simulator.ts';
import { setDate, steppedClock } from '../connectors/kit/testing/test-clock.ts';
import { freshDatabase } from '../connectors/kit/testing/test-database.ts';
import { simulator } from '../connectors/parking/simulator/index.ts';
import { type Hub, start } from '../gateway/main.ts';
import { openDemoIssuer } from '../gateway/trust/tokens/demo-issuer.ts';
import { type Answer, until } from './hub.ts';

const MINUTES = 600_000;
const directory = mkdtempSync(join(tmpdir(), 'isthmus-clock-'));
const clock = steppedClock(new Date());
const ends: (() => Promise<unknown> | unknown)[] = [];
let undo = (): void => undefined;
let hub: Hub;
let token: string;
let frozen: Server;
/** Called when the frozen system is asked for its places. */
let asked = (): void => undefined;
let calls: SourceCallFact[] = [];
const count = (fact: unknown) => calls.push(fact as SourceCallFact);

/** Sets the wall clock, of the process and of the hub. */
function set(by: number): void {
  clock.set(by);
  undo = setDate(by);
}
const ask = async (query: string, authorization = `Bearer ${token}`): Promise<Answer> => {
  const answer = await fetch(`${hub.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(authorization ? { authorization } : {}) },
    body: JSON.stringify({ query }),
  });
  return (await answer.json()) as Answer;
};

beforeAll(async () => {
  const database = await freshDatabase();
  ends.push(() => database.drop());
  const folder = join(directory, 'parking');
  const data = join(directory, 'data');
  for (const one of [folder, data]) mkdirSync(one, { recursive: true });
  const running: Running = await simulator.start({
    ...{ directory: folder, world: world(), now: () => new Date(), history: 3_600_000, live: false },
  });
  ends.push(() => running.close());
  frozen = createServer((request) => {
    if (request.url?.includes('/places')) asked();
  });
  await new Promise<void>((resolve) => frozen.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    frozen.closeAllConnections();
    frozen.close();
  });
  const { LAKESIDE_PARKING_URL: url, LAKESIDE_PARKING_TOKEN: key, LAKESIDE_PARKING_SECRET: secret } = running.env;
  const parking = { park: 'lakeside', connector: 'parking', token: key, webhookSecret: secret, poll: '300ms' };
  const config = readConfig(
    stringify({
      parks: [
        { id: 'lakeside', name: 'Lakeside', region: '350211', buildings: [] },
        { id: 'harbour', name: 'Harbour', region: '350211', buildings: [] },
      ],
      installations: [
        { id: 'lot', ...parking, url },
        {
          ...{ id: 'frozen', ...parking, park: 'harbour', poll: '1h', timeout: '300ms' },
          url: `http://127.0.0.1:${(frozen.address() as { port: number }).port}`,
        },
      ],
      limits: { rate: 6_000 },
      auth: { demo: true },
      deadline: '2s',
    }),
    join(directory, 'isthmus.yaml'),
    configurable,
    {},
  );
  hub = await start({
    ...{ config, host: '127.0.0.1', port: 0, data, databaseUrl: database.url, log: makeLog(() => undefined), clock },
    pace: { checkUp: 100, checkDown: 3_600_000, checkTime: 1_000 },
  });
  ends.push(() => hub.stop());
  token = await (await openDemoIssuer(data)).sign(
    { role: 'operator', parks: ['lakeside', 'harbour'], seconds: 7_200 },
    new Date(Date.now() - 3_600_000),
  );
  subscribe('isthmus:source:call', count);
  await until('the source answers', 20, () => hub.sources().find((one) => one.id === 'lot')?.state === 'UP');
  await until('observations are mirrored', 20, () => calls.some((one) => one.operation === 'poll observations'));
}, 60_000);
afterEach(() => undo());
afterAll(async () => {
  unsubscribe('isthmus:source:call', count);
  for (const end of ends.reverse()) await end();
  rmSync(directory, { recursive: true, force: true });
}, 60_000);

describe.each([MINUTES, -MINUTES])('with the wall clock set by %d ms', (by) => {
  test('callers are admitted at the same rate, and points come back as they did', () => {
    const who = { ...NOBODY, subject: `caller ${by}`, client: 'app' };
    const pay = (points: number) => {
      try {
        hub.operations.pay(who, points);
        return 'admitted';
      } catch (error) {
        return (error as Error).message;
      }
    };
    pay(6_000);
    const spent = [pay(100), hub.operations.overdrawn(who)?.milliseconds];
    set(by);
    expect([pay(100), hub.operations.overdrawn(who)?.milliseconds]).toEqual(spent);
    expect(spent[0]).toContain('0 are left. Ask again in 1 s.');
    clock.pass(1_000);
    expect([pay(101), pay(100), pay(1)]).toEqual([
      expect.stringContaining('100 are left. Ask again in 1 s.'),
      'admitted',
      expect.stringContaining('0 are left. Ask again in 1 s.'),
    ]);
  });

  test('whoever is signed in stays so, and values are as old as they were', async () => {
    const from = new Date(Date.now() - 86_400_000).toISOString();
    const history = `history(from: "${from}", to: "${new Date().toISOString()}") { provenance { age stale } }`;
    const read = async () => {
      const { data, errors } = await ask(`{ park(id: "lakeside") { lots { provenance { age stale } ${history} } } }`);
      expect(errors).toBeUndefined();
      const { provenance, history: mirrored } = data.park.lots[0];
      return { live: provenance, mirrored: mirrored.provenance };
    };
    // Both are read anew; from then on no time passes.
    clock.pass(5_000);
    await until('the mirror is read again', 20, async () => (await read()).mirrored.age === 'PT0S');
    const before = await read();
    expect(before.live).toEqual({ age: 'PT0S', stale: false });
    set(by);
    expect(await read()).toEqual(before);
    clock.pass(1_500);
    expect((await read()).live).toEqual({ age: 'PT1.5S', stale: false });
  });

  test('health checks, jobs and subscriptions go on, and the lease stays with its holder', async () => {
    const lease = () => hub.database.plain.query("SELECT owner, fence FROM lease WHERE name = 'lot'");
    const held = await lease();
    const client = createClient({
      ...{ url: `${hub.url.replace('http', 'ws')}/graphql`, webSocketImpl: WebSocket, retryAttempts: 0 },
      connectionParams: { authorization: `Bearer ${token}` },
    });
    const got: string[] = [];
    const next = (one: { data?: unknown }) => got.push(JSON.stringify(one.data));
    const stop = client.subscribe(
      { query: 'subscription { events { ... on EventsBatch { events { kind } } } }' },
      { next, error: (error) => got.push(JSON.stringify(error)), complete: () => got.push('complete') },
    );
    const emit = (id: string) => {
      const services = hub.islands
        .hosts()
        .find((one) => one.name === 'parking')
        ?.services('lot');
      const event = {
        foreignId: `${id} ${by}`,
        kind: 'OCCUPANCY_CHANGED',
        time: new Date(),
        lot: 'lot:1',
        data: { occupied: 1 },
      } as const;
      return services?.transaction((tx) => services.emit(tx, [event]));
    };
    try {
      await until('the subscription has begun', 10, async () => {
        await emit(`first ${got.length} ${performance.now()}`);
        return got.length > 0;
      });
      set(by);
      const began = got.length;
      calls = [];
      await emit('after');
      await until('an event is delivered', 20, () => got.length > began);
      expect(got.at(-1)).toContain('OCCUPANCY_CHANGED');
      for (const operation of ['check', 'poll observations', 'poll sessions'])
        await until(
          `two more of ${operation}`,
          5,
          () => calls.filter((one) => one.source === 'lot' && one.operation === operation).length >= 2,
        );
      expect(calls.filter((one) => one.source === 'lot' && one.code !== null)).toEqual([]);
      expect(hub.sources().find((one) => one.id === 'lot')).toMatchObject({ state: 'UP', errors: 0 });
      const { data } = await ask('{ sources { id state } }');
      expect(data.sources).toContainEqual({ id: 'lot', state: 'UP' });
      expect(await lease()).toEqual(held);
    } finally {
      stop();
      await client.dispose();
    }
  });

  test('an operation under way has the time that it had: its call is tried again, and ends', async () => {
    const arrived = new Promise<void>((resolve) => {
      asked = resolve;
    });
    calls = [];
    const began = performance.now();
    const answer = ask('{ park(id: "harbour") { lots { id } } }');
    await arrived;
    set(by);
    const { errors } = await answer;
    expect(errors?.[0]?.extensions['code']).toBe('SOURCE_TIMEOUT');
    expect(calls.filter((one) => one.source === 'frozen' && one.operation === 'places').map((one) => one.code)).toEqual(
      ['SOURCE_TIMEOUT', 'SOURCE_TIMEOUT'],
    );
    // Two tries of 300 ms, each whole.
    expect(performance.now() - began).toBeGreaterThan(590);
  });
});
