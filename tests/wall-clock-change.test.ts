/**
 * A hub whose wall clock is set ten minutes forward and back: `Date` of the process (also for libraries) and the hub's clock.
 * The monotonic clock is stepped separately, so results can be compared exactly.
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
import { ANONYMOUS } from '../connectors/kit/auth/principal.ts';
import { readConfig } from '../connectors/kit/config/config-file.ts';
import type { SourceCallEvent } from '../connectors/kit/guard/guard-types.ts';
import { createLog } from '../connectors/kit/log.ts';
import { createWorld } from '../connectors/kit/testing/park/index.ts';
import type { RunningSimulator } from '../connectors/kit/testing/simulator.ts';
import { manualClock, shiftSystemDate } from '../connectors/kit/testing/test-clock.ts';
import { createTestDatabase } from '../connectors/kit/testing/test-database.ts';
import { simulator } from '../connectors/parking/simulator/index.ts';
import { type Hub, startHub } from '../gateway/main.ts';
import { openDemoIssuer } from '../gateway/trust/tokens/demo-issuer.ts';
import { type GraphqlResponse, waitFor } from './test-hub.ts';

const MINUTES = 600_000;
const directory = mkdtempSync(join(tmpdir(), 'isthmus-clock-'));
const clock = manualClock(new Date());
const ends: (() => Promise<unknown> | unknown)[] = [];
let undo = (): void => undefined;
let hub: Hub;
let token: string;
let frozen: Server;
/** Called when the unresponsive system receives a request for its places. */
let onPlacesRequest = (): void => undefined;
let calls: SourceCallEvent[] = [];
const count = (fact: unknown) => calls.push(fact as SourceCallEvent);

/** Shifts the wall clock of the process and of the hub by that many milliseconds. */
function set(by: number): void {
  clock.adjustWallClock(by);
  undo = shiftSystemDate(by);
}
const query = async (query: string, authorization = `Bearer ${token}`): Promise<GraphqlResponse> => {
  const answer = await fetch(`${hub.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(authorization ? { authorization } : {}) },
    body: JSON.stringify({ query }),
  });
  return (await answer.json()) as GraphqlResponse;
};

beforeAll(async () => {
  const database = await createTestDatabase();
  ends.push(() => database.drop());
  const folder = join(directory, 'parking');
  const data = join(directory, 'data');
  for (const one of [folder, data]) mkdirSync(one, { recursive: true });
  const running: RunningSimulator = await simulator.start({
    ...{ directory: folder, world: createWorld(), now: () => new Date(), history: 3_600_000, live: false },
  });
  ends.push(() => running.close());
  frozen = createServer((request) => {
    if (request.url?.includes('/places')) onPlacesRequest();
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
  hub = await startHub({
    ...{ config, host: '127.0.0.1', port: 0, data, databaseUrl: database.url, log: createLog(() => undefined), clock },
    intervals: { checkUp: 100, checkDown: 3_600_000, checkTime: 1_000 },
  });
  ends.push(() => hub.stop());
  token = await (await openDemoIssuer(data)).sign(
    { role: 'operator', parks: ['lakeside', 'harbour'], seconds: 7_200 },
    new Date(Date.now() - 3_600_000),
  );
  subscribe('isthmus:source:call', count);
  await waitFor('the source answers', 20, () => hub.sources().find((one) => one.id === 'lot')?.state === 'UP');
  await waitFor('observations are mirrored', 20, () => calls.some((call) => call.operation === 'poll observations'));
}, 60_000);
afterEach(() => undo());
afterAll(async () => {
  unsubscribe('isthmus:source:call', count);
  for (const end of ends.reverse()) await end();
  rmSync(directory, { recursive: true, force: true });
}, 60_000);

describe.each([MINUTES, -MINUTES])('with the wall clock shifted by %d ms', (by) => {
  test('admits callers at the same rate and refills their budget as before', () => {
    const caller = { ...ANONYMOUS, subject: `caller ${by}`, client: 'app' };
    const pay = (points: number) => {
      try {
        hub.operations.budget.reserve(caller, points);
        return 'admitted';
      } catch (error) {
        return (error as Error).message;
      }
    };
    pay(6_000);
    const spent = [pay(100), hub.operations.budget.rejection(caller)?.milliseconds];
    set(by);
    expect([pay(100), hub.operations.budget.rejection(caller)?.milliseconds]).toEqual(spent);
    expect(spent[0]).toContain('0 left. Retry in 1 s.');
    clock.advance(1_000);
    expect([pay(101), pay(100), pay(1)]).toEqual([
      expect.stringContaining('100 left. Retry in 1 s.'),
      'admitted',
      expect.stringContaining('0 left. Retry in 1 s.'),
    ]);
  });

  test('keeps tokens valid and the age of values unchanged', async () => {
    const from = new Date(Date.now() - 86_400_000).toISOString();
    const history = `history(from: "${from}", to: "${new Date().toISOString()}") { provenance { age stale } }`;
    const read = async () => {
      const { data, errors } = await query(`{ park(id: "lakeside") { lots { provenance { age stale } ${history} } } }`);
      expect(errors).toBeUndefined();
      const { provenance, history: mirrored } = data.park.lots[0];
      return { live: provenance, mirrored: mirrored.provenance };
    };
    // Both values are read again; from then on no time passes.
    clock.advance(5_000);
    await waitFor('the mirror is read again', 20, async () => (await read()).mirrored.age === 'PT0S');
    const before = await read();
    expect(before.live).toEqual({ age: 'PT0S', stale: false });
    set(by);
    expect(await read()).toEqual(before);
    clock.advance(1_500);
    expect((await read()).live).toEqual({ age: 'PT1.5S', stale: false });
  });

  test('continues health checks, jobs and subscriptions; the lease keeps its owner', async () => {
    const lease = () => hub.database.plain.query("SELECT owner, fence FROM lease WHERE name = 'lot'");
    const held = await lease();
    const client = createClient({
      ...{ url: `${hub.url.replace('http', 'ws')}/graphql`, webSocketImpl: WebSocket, retryAttempts: 0 },
      connectionParams: { authorization: `Bearer ${token}` },
    });
    const deliveries: string[] = [];
    const next = (one: { data?: unknown }) => deliveries.push(JSON.stringify(one.data));
    const stop = client.subscribe(
      { query: 'subscription { events { ... on EventsBatch { events { kind } } } }' },
      { next, error: (error) => deliveries.push(JSON.stringify(error)), complete: () => deliveries.push('complete') },
    );
    const emit = (id: string) => {
      const services = hub.registry
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
      await waitFor('the subscription has begun', 10, async () => {
        await emit(`first ${deliveries.length} ${performance.now()}`);
        return deliveries.length > 0;
      });
      set(by);
      const began = deliveries.length;
      calls = [];
      await emit('after');
      await waitFor('an event is delivered', 20, () => deliveries.length > began);
      expect(deliveries.at(-1)).toContain('OCCUPANCY_CHANGED');
      for (const operation of ['check', 'poll observations', 'poll sessions'])
        await waitFor(
          `two more of ${operation}`,
          5,
          () => calls.filter((call) => call.source === 'lot' && call.operation === operation).length >= 2,
        );
      expect(calls.filter((call) => call.source === 'lot' && call.code !== null)).toEqual([]);
      expect(hub.sources().find((one) => one.id === 'lot')).toMatchObject({ state: 'UP', errors: 0 });
      const { data } = await query('{ sources { id state } }');
      expect(data.sources).toContainEqual({ id: 'lot', state: 'UP' });
      expect(await lease()).toEqual(held);
    } finally {
      stop();
      await client.dispose();
    }
  });

  test('keeps the remaining time of a running operation: its call is retried and then times out', async () => {
    const arrived = new Promise<void>((resolve) => {
      onPlacesRequest = resolve;
    });
    calls = [];
    const began = performance.now();
    const answer = query('{ park(id: "harbour") { lots { id } } }');
    await arrived;
    set(by);
    const { errors } = await answer;
    expect(errors?.[0]?.extensions['code']).toBe('SOURCE_TIMEOUT');
    expect(
      calls.filter((call) => call.source === 'frozen' && call.operation === 'places').map((call) => call.code),
    ).toEqual(['SOURCE_TIMEOUT', 'SOURCE_TIMEOUT']);
    // Two full attempts of 300 ms.
    expect(performance.now() - began).toBeGreaterThan(590);
  });
});
