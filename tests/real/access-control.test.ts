import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { INDEXES, TABLES } from '../../connectors/access-control/simulator/vendor-schema.ts';
import { type EmbeddedCluster, startEmbeddedPostgres } from '../../schema/database/embedded/embedded-postgres.ts';
import { openClient } from '../../schema/database/plain-client.ts';
import { expectTotals, IN, OUT, swipes } from './calit2.ts';

describe('CalIt2 door counts in a vendor database (PostgreSQL)', () => {
  let directory: string;
  let vendor: EmbeddedCluster;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'calit2-'));
    vendor = await startEmbeddedPostgres({
      directory,
      user: 'zk',
      database: 'zkaccess',
      listen: { host: '127.0.0.1', port: 0 },
      auth: { password: 'vendor-secret' },
      durable: false,
    });
    const client = await openClient(vendor.url);
    await client.query(TABLES);
    await client.query(`INSERT INTO "personnel_area" ("id", "areaid") VALUES (1, 'MAIN');
      INSERT INTO "acc_device" ("id", "device_name", "area_id") VALUES (1, 'main entrance', 1);
      INSERT INTO "acc_door" ("id", "device_id", "door_no", "door_name") VALUES (1, 1, 1, 'main entrance, in'), (2, 1, 2, 'main entrance, out')`);
    const lines = swipes().map(({ time, door, state }) => `${time}\t\t\t1\t200\t${state}\t0\t\t0\t${door}\n`);
    expect(lines).toHaveLength(IN + OUT);
    await client.copy(
      `COPY "acc_monitor_log" ("time", "pin", "card_no", "device_id", "verified", "state", "event_type", "description", "event_point_type", "event_point_id") FROM STDIN`,
      lines,
    );
    await client.query(INDEXES);
    await client.end();
  }, 60_000);

  afterAll(async () => {
    await vendor?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  test('counts 19,597 entries and 18,837 exits, in events and through the graph', async () => {
    await expectTotals(vendor.url);
  }, 120_000);
});
