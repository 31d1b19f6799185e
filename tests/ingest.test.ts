/** Signed webhooks while the hub is killed: the short form of `npm run load:ingest`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { world } from '../connectors/kit/testing/park/index.ts';
import { freshDatabase } from '../connectors/kit/testing/test-database.ts';
import { simulator } from '../connectors/parking/simulator/index.ts';
import { ingest, PARKING } from './load/ingest-run.ts';

test('the hub is killed among webhooks: what was answered 2xx is in the log and told, in order, once', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-ingest-'));
  const database = await freshDatabase();
  const parking = await simulator.start({ directory, world: world(), now: () => new Date(), history: 0, live: false });
  try {
    const done = await ingest({
      ...{ way: 'webhooks', perSecond: 150, seconds: 2, database, directory, installation: PARKING },
      ...{ env: parking.env, secret: parking.env['LAKESIDE_PARKING_SECRET'] as string },
    });
    expect(done.wrong).toEqual([]);
    expect(done.logged).toBe(300);
  } finally {
    await parking.close();
    await database.drop();
    rmSync(directory, { recursive: true, force: true });
  }
}, 120_000);
