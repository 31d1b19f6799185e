/** Fresh readings are served from the read cache until an event of the vendor invalidates them. */
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Host } from '../kit/host/host.ts';
import { hubCall } from '../kit/host/services.ts';
import { createWorld } from '../kit/testing/park/index.ts';
import { type RewritingProxy, startRewritingProxy } from '../kit/testing/rewriting-proxy.ts';
import { type RunningSimulator, readJournal } from '../kit/testing/simulator.ts';
import { clockFrom } from '../kit/testing/test-clock.ts';
import { createTestDatabase } from '../kit/testing/test-database.ts';
import { startInstallation } from '../kit/testing/test-installation.ts';
import parking from './index.ts';
import { simulator } from './simulator/index.ts';

const demo = createWorld();
const directory = mkdtempSync(join(tmpdir(), 'isthmus-fresh-'));
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let running: RunningSimulator;
let vendor: RewritingProxy;
let host: Host;
/** Advanced only by the tests. */
let now = Date.now();

beforeAll(async () => {
  database = await createTestDatabase();
  running = await simulator.start({
    directory,
    world: demo,
    now: () => new Date(now),
    history: 3_600_000,
    live: false,
  });
  const { env } = running;
  vendor = await startRewritingProxy(env['LAKESIDE_PARKING_URL'] as string);
  const raw = {
    url: vendor.url,
    token: env['LAKESIDE_PARKING_TOKEN'],
    webhookSecret: env['LAKESIDE_PARKING_SECRET'],
  };
  host = await startInstallation(parking, { id: 'p', raw }, database, {
    clock: clockFrom(() => new Date(now)),
    intervals: { checkUp: 3_600_000, checkDown: 3_600_000, checkTime: 30_000 },
    policy: { timeout: 20_000, serveStaleAfter: 20_000 },
    runJobs: false,
  });
  expect((await host.check('p'))?.state).toBe('UP');
}, 60_000);
afterAll(async () => {
  await host?.close();
  await vendor?.close();
  await running?.close();
  await database?.drop();
  rmSync(directory, { recursive: true, force: true });
});

const free = async (): Promise<number[]> => {
  const answer = await host.subgraph.execute({
    query:
      'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Park { lots { free provenance { stale } } } } }',
    variables: { r: [{ __typename: 'Park', id: 'lakeside' }] },
    call: hubCall(30_000, new AbortController().signal),
  });
  expect(answer.errors).toBeUndefined();
  const { lots } = (answer.data as { _entities: { lots: { free: number; provenance: { stale: boolean } }[] }[] })
    ._entities[0] ?? { lots: [] };
  expect(lots.map((lot) => lot.provenance.stale)).toEqual(lots.map(() => false));
  return lots.map((lot) => lot.free);
};
/** Number of lot requests that the vendor received from these tests. */
const requestCount = () =>
  readJournal(directory, 'GET /places').filter((one) => /occupancy/.test(String(one['query']))).length;

/** Sends the signed webhook of an entry. */
async function drivesIn(id: string): Promise<void> {
  const car = demo.vehicles[0];
  const issuer = [{ language: 'zh', string: '湖滨停车' }];
  const body = Buffer.from(
    JSON.stringify({
      ...{ eventSubscriptionId: 'W1', eventTime: new Date(now).toISOString(), topic: 'SessionCreated' },
      data: [
        {
          ...{ id, version: 1, actualStart: new Date(now).toISOString(), segments: [] },
          hierachyElement: { id: demo.lots[0]?.id, version: 1, className: 'Place' },
          identifiedCredentials: [
            {
              ...{ type: 'licensePlate', issuer, plateColour: car?.colour },
              identifier: { className: 'VehicleCredential', id: car?.plate },
            },
          ],
        },
      ],
    }),
  );
  const t = Math.floor(now / 1_000);
  const v1 = createHmac('sha256', running.env['LAKESIDE_PARKING_SECRET'] as string)
    .update(`${t}.`)
    .update(body)
    .digest('hex');
  const answer = await host.handleWebhook('p', {
    ...{ method: 'POST', path: '/webhooks/p', headers: { 'x-signature': `t=${t},v1=${v1}` }, body },
  });
  expect(answer?.status).toBe(200);
}

test('parking read cache: an event invalidates a fresh reading: the next query returns the new value', async () => {
  const before = await free();
  const calls = requestCount();
  // One more car in each lot, without an event.
  vendor.rewrite((text) => text.replace(/"count":(\d+)/g, (_, n) => `"count":${Number(n) + 1}`));
  now += 1_000;
  expect(await free()).toEqual(before);
  expect(requestCount()).toBe(calls);
  await drivesIn('S-in');
  expect(await free()).toEqual(before.map((count) => Math.max(count - 1, 0)));
  expect(requestCount()).toBe(calls + 1);
});

test('parking read cache: 1,000 identical queries in ten seconds make five calls', async () => {
  now += 60_000;
  const calls = requestCount();
  for (let i = 0; i < 1_000; i++) {
    await free();
    now += 10;
  }
  process.stdout.write(`1,000 identical lot queries in ten seconds: ${requestCount() - calls} calls to the vendor.\n`);
  // Lots are fresh for two seconds.
  expect(requestCount() - calls).toBe(5);
});
