import { afterAll, beforeAll, expect, test } from 'vitest';
import { takeLease } from '../../../schema/database/processes/leases.ts';
import { systemClock } from '../clock.ts';
import type { Clock, Services } from '../connector.ts';
import { silentLog } from '../log.ts';
import { steppedClock } from '../testing/test-clock.ts';
import { freshDatabase } from '../testing/test-database.ts';
import { JobRunner } from './job-runner.ts';
import { LeaseLost, loadKeys, makeServices, type ServicesParts } from './services.ts';

let database: Awaited<ReturnType<typeof freshDatabase>>;
const closed = new AbortController();

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database?.drop());

/** A runner of one job, which writes what `value` answers as its state. */
async function runner(owner: string, value: () => Promise<string>, clock: Clock = systemClock): Promise<JobRunner> {
  const services: Services = makeServices({
    ...{
      database,
      keys: await loadKeys(database),
      info: { id: 'doors', connector: 'access-control', park: 'lakeside' },
    },
    ...{ clock, log: silentLog, signal: closed.signal },
  } as unknown as ServicesParts);
  const run = async () => {
    const read = await value();
    await services.transaction((tx) => services.state.set(tx, 'log', read));
  };
  return new JobRunner({
    ...{ name: 'doors', jobs: [{ name: 'log', every: 3_600_000, run }], database, owner, log: silentLog },
    ...{ clock, signal: closed.signal, outcome: () => undefined },
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

test('a lease that nobody renews is free once its time has passed here, though the database’s clock was set back', async () => {
  const clock = steppedClock(new Date());
  const heir = await runner('heir', async () => 'read by the heir', clock);
  // As it stands after the database's clock was set back ten minutes and its holder died elsewhere.
  await database.plain.query(
    "UPDATE lease SET owner = 'elsewhere', until = now() + interval '10 minutes', fence = fence + 1 WHERE name = 'doors'",
  );
  try {
    await expect(heir.once('log')).rejects.toThrow('Another process holds the lease');
    clock.pass(13_000);
    clock.set(600_000);
    await expect(heir.once('log')).rejects.toThrow('Another process holds the lease');
    // A renewal begins the count anew.
    await database.plain.query("UPDATE lease SET until = until + interval '3 seconds' WHERE name = 'doors'");
    clock.pass(1);
    await expect(heir.once('log')).rejects.toThrow('Another process holds the lease');
    clock.pass(13_001);
    await heir.once('log');
    expect(await state()).toEqual(['read by the heir']);
  } finally {
    await heir.stop();
  }
});
