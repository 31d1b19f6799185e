/** Signed webhooks while the hub is killed: the short version of `npm run load:ingest`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createWorld } from '../connectors/kit/testing/park/index.ts';
import { createTestDatabase } from '../connectors/kit/testing/test-database.ts';
import { simulator } from '../connectors/parking/simulator/index.ts';
import { PARKING, runIngest } from './load/ingest-run.ts';

test('ingest test: delivers every webhook acknowledged with 2xx exactly once and in order, although the hub is killed', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-ingest-'));
  const database = await createTestDatabase();
  const parking = await simulator.start({
    directory,
    world: createWorld(),
    now: () => new Date(),
    history: 0,
    live: false,
  });
  try {
    const figures = await runIngest({
      ...{ transport: 'webhooks', perSecond: 150, seconds: 2, database, directory, installation: PARKING },
      ...{ env: parking.env, secret: parking.env['LAKESIDE_PARKING_SECRET'] as string },
    });
    expect(figures.violations).toEqual([]);
    expect(figures.logged).toBe(300);
  } finally {
    await parking.close();
    await database.drop();
    rmSync(directory, { recursive: true, force: true });
  }
}, 120_000);
