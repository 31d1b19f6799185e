/** What was read a moment ago is not asked again, until the vendor's own event says that it has changed. */
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Host } from '../kit/host/host.ts';
import { hubCall } from '../kit/host/services.ts';
import { world } from '../kit/testing/park/index.ts';
import { type Rewriting, rewriting } from '../kit/testing/rewriting-proxy.ts';
import { type Running, readJournal } from '../kit/testing/simulator.ts';
import { clockOf } from '../kit/testing/test-clock.ts';
import { freshDatabase } from '../kit/testing/test-database.ts';
import { raiseIsland } from '../kit/testing/test-installation.ts';
import parking from './index.ts';
import { simulator } from './simulator/index.ts';

const demo = world();
const directory = mkdtempSync(join(tmpdir(), 'isthmus-fresh-'));
let database: Awaited<ReturnType<typeof freshDatabase>>;
let running: Running;
let vendor: Rewriting;
let host: Host;
/** Steps only when the test says so. */
let now = Date.now();

beforeAll(async () => {
  database = await freshDatabase();
  running = await simulator.start({
    directory,
    world: demo,
    now: () => new Date(now),
    history: 3_600_000,
    live: false,
  });
  const { env } = running;
  vendor = await rewriting(env['LAKESIDE_PARKING_URL'] as string);
  const raw = {
    url: vendor.url,
    token: env['LAKESIDE_PARKING_TOKEN'],
    webhookSecret: env['LAKESIDE_PARKING_SECRET'],
  };
  host = await raiseIsland(parking, { id: 'p', raw }, database, {
    clock: clockOf(() => new Date(now)),
    pace: { checkUp: 3_600_000, checkDown: 3_600_000, checkTime: 30_000 },
    policy: { timeout: 20_000, patience: 20_000 },
    jobs: false,
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
  expect(lots.map((one) => one.provenance.stale)).toEqual(lots.map(() => false));
  return lots.map((one) => one.free);
};
/** How often the vendor was asked about lots by us who ask here. */
const asked = () =>
  readJournal(directory, 'GET /places').filter((one) => /occupancy/.test(String(one['query']))).length;

/** What the vendor's gate tells when a car drives in, signed. */
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
  const answer = await host.webhook('p', {
    ...{ method: 'POST', path: '/webhooks/p', headers: { 'x-signature': `t=${t},v1=${v1}` }, body },
  });
  expect(answer?.status).toBe(200);
}

test('an event ends what was read a second ago: the next question shows the new value', async () => {
  const before = await free();
  const calls = asked();
  // One car more in each lot, and nobody has told us yet.
  vendor.rewrite((text) => text.replace(/"count":(\d+)/g, (_, n) => `"count":${Number(n) + 1}`));
  now += 1_000;
  expect(await free()).toEqual(before);
  expect(asked()).toBe(calls);
  await drivesIn('S-in');
  expect(await free()).toEqual(before.map((one) => Math.max(one - 1, 0)));
  expect(asked()).toBe(calls + 1);
});

test('1,000 equal questions in ten seconds are five calls', async () => {
  now += 60_000;
  const calls = asked();
  for (let n = 0; n < 1_000; n++) {
    await free();
    now += 10;
  }
  process.stdout.write(`1,000 equal questions about lots in ten seconds: ${asked() - calls} calls to the vendor.\n`);
  // Lots are fresh for two seconds.
  expect(asked() - calls).toBe(5);
});
