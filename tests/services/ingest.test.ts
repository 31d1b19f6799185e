/** Telemetry at QoS 1 through Mosquitto while the hub is killed: the short version of `npm run load:ingest mqtt`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createTestDatabase } from '../../connectors/kit/testing/test-database.ts';
import { runIngest } from '../load/ingest-run.ts';

test('delivers every message acknowledged by the broker exactly once and in order, although the hub is killed', async () => {
  const url = process.env['MQTT_URL'];
  if (!url) throw new Error('MQTT_URL is not set: run npm run test:services.');
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-ingest-'));
  const database = await createTestDatabase();
  try {
    const figures = await runIngest({
      ...{ transport: 'mqtt', perSecond: 500, seconds: 2, database, directory, env: {} },
      installation: `connector: energy, url: "${url}", prefix: ingest`,
      broker: { url, topic: 'ingest/load' },
    });
    expect(figures.violations).toEqual([]);
    expect(figures.logged).toBe(1_000);
  } finally {
    await database.drop();
    rmSync(directory, { recursive: true, force: true });
  }
});
