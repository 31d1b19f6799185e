import { afterAll, beforeAll, expect, test } from 'vitest';
import { takeLease } from '../../../schema/database/leases.ts';
import { systemClock } from '../clock.ts';
import type { Services } from '../connector.ts';
import { silentLog } from '../log.ts';
import { freshDatabase } from '../testing/database.ts';
import { JobRunner } from './jobs.ts';
import { LeaseLost, loadKeys, makeServices, type ServicesParts } from './services.ts';

let database: Awaited<ReturnType<typeof freshDatabase>>;
const closed = new AbortController();

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database?.drop());

/** A runner of one job, which writes what `value` answers as its state. */
async function runner(owner: string, value: () => Promise<string>): Promise<JobRunner> {
  const services: Services = makeServices({
    ...{
      database,
      keys: await loadKeys(database),
      info: { id: 'doors', connector: 'access-control', park: 'lakeside' },
    },
    ...{ clock: systemClock, log: silentLog, signal: closed.signal },
  } as unknown as ServicesParts);
  const run = async () => {
    const read = await value();
    await services.transaction((tx) => services.state.set(tx, 'log', read));
  };
  return new JobRunner({
    ...{ name: 'doors', jobs: [{ name: 'log', every: 3_600_000, run }], database, owner, log: silentLog },
    ...{ signal: closed.signal, outcome: () => undefined },
  });
}
const state = async () =>
  (await database.plain.query("SELECT value FROM state WHERE installation = 'doors'")).map(
    (row: { value: unknown }) => row.value,
  );

test('a job whose lease another process took while it read commits nothing', async () => {
  const reading = { other: false };
  const first = await runner('first', async () => {
    if (!reading.other) return 'read under the lease';
    await database.plain.query("UPDATE lease SET until = now() - interval '1 second' WHERE name = 'doors'");
    expect(await takeLease(database.plain, 'doors', 'second', 60_000)).toMatchObject({ owner: 'second' });
    return 'read before the lease was lost';
  });
  try {
    await first.once('log');
    expect(await state()).toEqual(['read under the lease']);
    reading.other = true;
    await expect(first.once('log')).rejects.toBeInstanceOf(LeaseLost);
    expect(await state()).toEqual(['read under the lease']);
    expect(first.holding).toBe(false);
  } finally {
    await first.stop();
  }
});

test('a lease that its holder lost and got back has another fence: the job that began before commits nothing', async () => {
  const own = await runner('third', async () => {
    for (const owner of ['fourth', 'third']) {
      await database.plain.query("UPDATE lease SET until = now() - interval '1 second' WHERE name = 'doors'");
      await takeLease(database.plain, 'doors', owner, 60_000);
    }
    return 'read two holders ago';
  });
  await database.plain.query("UPDATE lease SET until = now() - interval '1 second' WHERE name = 'doors'");
  try {
    await expect(own.once('log')).rejects.toBeInstanceOf(LeaseLost);
    expect(await state()).toEqual(['read under the lease']);
  } finally {
    await own.stop();
  }
});
