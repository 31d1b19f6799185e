import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pruneOccupancy } from '../../schema/database/retention/measurement-retention.ts';
import type { Host } from '../kit/host/host.ts';
import { hubCall } from '../kit/host/services.ts';
import { createWorld } from '../kit/testing/park/index.ts';
import type { RunningSimulator } from '../kit/testing/simulator.ts';
import { createTestDatabase } from '../kit/testing/test-database.ts';
import { startInstallation } from '../kit/testing/test-installation.ts';
import parking from './index.ts';
import { simulator } from './simulator/index.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let host: Host;
let running: RunningSimulator;
const directory = mkdtempSync(join(tmpdir(), 'isthmus-occupancy-'));
const day = (n: number) => new Date(Date.UTC(2026, 0, n));
beforeAll(async () => {
  database = await createTestDatabase();
  running = await simulator.start({ directory, world: createWorld(), now: () => new Date(), history: 0, live: false });
  const { env } = running;
  const raw = {
    ...{ url: env['LAKESIDE_PARKING_URL'], token: env['LAKESIDE_PARKING_TOKEN'] },
    webhookSecret: env['LAKESIDE_PARKING_SECRET'],
  };
  host = await startInstallation(parking, { id: 'gate', raw }, database, { runJobs: false });
  const observations = [1, 2, 3, 4].map((n) => ({
    id: `o${n}`,
    lot: 'lot-1',
    time: new Date(day(n).getTime() + 3_600_000),
  }));
  await database.transaction(async (tx) => {
    const store = host.services('gate')?.store.parking;
    const all = observations.map((item, i) => ({ ...item, occupied: i + 1, capacity: 10 }));
    await store?.saveObservations(tx, 'gate', all, { correct: false });
  });
});
afterAll(async () => {
  await host?.close();
  await running?.close();
  await database?.drop();
  rmSync(directory, { recursive: true, force: true });
});

const history = async (from: Date, bucket: string) => {
  const { data, errors } = await host.subgraph.execute({
    query: `query ($r: [_Any!]!, $from: DateTime!, $to: DateTime!, $bucket: BucketSize!) { _entities(representations: $r) {
      ... on ParkingLot { history(from: $from, to: $to, bucket: $bucket) { droppedBefore buckets { mean max } } } } }`,
    variables: {
      ...{ r: [{ __typename: 'ParkingLot', id: 'gate:lot-1' }] },
      ...{ from: from.toISOString(), to: day(5).toISOString(), bucket },
    },
    call: hubCall(5_000, new AbortController().signal),
  });
  return { errors, history: JSON.parse(JSON.stringify(data))?._entities?.[0]?.history };
};

test('parking retention: returns null for buckets before retention, and the time before which observations were deleted', async () => {
  await database.transaction((tx) => pruneOccupancy(tx, new Date(day(2).getTime() + 43_200_000), 1_000));
  const { history: all, errors } = await history(day(1), 'DAY');
  expect(errors).toBeUndefined();
  expect(all.droppedBefore).toBe('2026-01-02T12:00:00.000Z');
  expect(all.buckets.map((item: { mean: string | null }) => item.mean)).toEqual([null, null, '3', '4', null]);
  expect((await history(day(3), 'DAY')).history.droppedBefore).toBeNull();
  // A month with deleted observations is null as well.
  expect((await history(day(1), 'MONTH')).history.buckets).toEqual([{ mean: null, max: null }]);
});
