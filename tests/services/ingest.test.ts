/** Telemetry at QoS 1 through Mosquitto while the hub is killed: the short form of `npm run load:ingest mqtt`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { freshDatabase } from '../../connectors/kit/testing/test-database.ts';
import { ingest } from '../load/ingest-run.ts';

test('the hub is killed among messages: what the broker had taken is in the log and told, in order, once', async () => {
  const url = process.env['MQTT_URL'];
  if (!url) throw new Error('MQTT_URL is not set: run npm run test:services.');
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-ingest-'));
  const database = await freshDatabase();
  try {
    const done = await ingest({
      ...{ way: 'mqtt', perSecond: 500, seconds: 2, database, directory, env: {} },
      installation: `connector: energy, url: "${url}", prefix: ingest`,
      broker: { url, topic: 'ingest/load' },
    });
    expect(done.wrong).toEqual([]);
    expect(done.logged).toBe(1_000);
  } finally {
    await database.drop();
    rmSync(directory, { recursive: true, force: true });
  }
});
