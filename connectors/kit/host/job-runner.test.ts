import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { acquireLease } from '../../../schema/database/processes/leases.ts';
import { type Clock, systemClock } from '../clock.ts';
import { createLog, silentLog } from '../log.ts';
import type { Services } from '../services.ts';
import { manualClock } from '../testing/test-clock.ts';
import { createTestDatabase } from '../testing/test-database.ts';
import { JobRunner } from './job-runner.ts';
import { type LeaseHolder, ProcessLeases } from './process-leases.ts';
import { createServices, LeaseLost, loadKeys, type ServicesOptions } from './services.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
const closed = new AbortController();

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database?.drop());

/** A runner of one job, which stores the result of `value` as its state. */
async function runner(owner: string, value: () => Promise<string>, clock: Clock = systemClock): Promise<JobRunner> {
  const services: Services = createServices({
    ...{
      database,
      keys: await loadKeys(database),
      info: { id: 'doors', connector: 'access-control', park: 'lakeside' },
    },
    ...{ clock, log: silentLog, signal: closed.signal },
  } as unknown as ServicesOptions);
  const run = async () => {
    const read = await value();
    await services.transaction((tx) => services.state.set(tx, 'log', read));
  };
  return new JobRunner({
    ...{ name: 'doors', jobs: [{ name: 'log', every: 3_600_000, run }], log: silentLog, signal: closed.signal },
    ...{ leases: new ProcessLeases({ database, owner, clock }), onOutcome: () => undefined },
  });
}
const state = async () =>
  (await database.plain.query("SELECT value FROM state WHERE installation = 'doors'")).map(
    (row: { value: unknown }) => row.value,
  );

test('job runner: a job commits nothing after another process acquired its lease', async () => {
  const reading = { other: false };
  const first = await runner('first', async () => {
    if (!reading.other) return 'read under the lease';
    await database.plain.query("UPDATE lease SET until = now() - interval '1 second' WHERE name = 'doors'");
    expect(await acquireLease(database.plain, 'doors', 'second', 60_000)).toMatchObject({ owner: 'second' });
    return 'read before the lease was lost';
  });
  try {
    await first.runNow('log');
    expect(await state()).toEqual(['read under the lease']);
    reading.other = true;
    await expect(first.runNow('log')).rejects.toBeInstanceOf(LeaseLost);
    expect(await state()).toEqual(['read under the lease']);
    expect(first.holdsLease).toBe(false);
  } finally {
    await first.stop();
  }
});

test('job runner: a job commits nothing after its lease was lost and acquired again, which has another fence', async () => {
  const own = await runner('third', async () => {
    for (const owner of ['fourth', 'third']) {
      await database.plain.query("UPDATE lease SET until = now() - interval '1 second' WHERE name = 'doors'");
      await acquireLease(database.plain, 'doors', owner, 60_000);
    }
    return 'read two holders ago';
  });
  await database.plain.query("UPDATE lease SET until = now() - interval '1 second' WHERE name = 'doors'");
  try {
    await expect(own.runNow('log')).rejects.toBeInstanceOf(LeaseLost);
    expect(await state()).toEqual(['read under the lease']);
  } finally {
    await own.stop();
  }
});

test('job runner: acquires a lease that was not renewed for its duration, although the database clock was set back', async () => {
  const clock = manualClock(new Date());
  const heir = await runner('heir', async () => 'read by the heir', clock);
  const heartbeat = (minutes: number) =>
    database.plain.query(
      `INSERT INTO process_heartbeat (owner, renewed_at, until) VALUES ('elsewhere', now(), now() + $1 * interval '1 minute')
       ON CONFLICT (owner) DO UPDATE SET until = excluded.until`,
      [minutes],
    );
  // The rows after the database's clock was set back ten minutes and the holder died on another machine.
  await heartbeat(10);
  await database.plain.query(
    "UPDATE lease SET owner = 'elsewhere', until = 'infinity', fence = fence + 1 WHERE name = 'doors'",
  );
  try {
    await expect(heir.runNow('log')).rejects.toThrow('Another process holds the lease');
    clock.advance(13_000);
    clock.adjustWallClock(600_000);
    await expect(heir.runNow('log')).rejects.toThrow('Another process holds the lease');
    // A renewal restarts the wait.
    await heartbeat(11);
    clock.advance(1);
    await expect(heir.runNow('log')).rejects.toThrow('Another process holds the lease');
    clock.advance(13_001);
    await heir.runNow('log');
    expect(await state()).toEqual(['read by the heir']);
  } finally {
    await heir.stop();
  }
});

test('job runner: while the source is down and sends nothing a job waits for its recovery', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const source = { down: true };
  const outcomes: unknown[] = [];
  const lines: string[] = [];
  const lease = { name: 'lot', owner: 'here', fence: '1' };
  const fake = {
    request: (_name: string, holder: LeaseHolder) => {
      holder.onAcquired(lease);
      return { acquire: async () => true, drop: () => undefined, release: async () => undefined };
    },
  } as unknown as ProcessLeases;
  const own = new JobRunner({
    name: 'lot',
    jobs: [
      {
        ...{ name: 'poll', every: 1_000 },
        run: async () => {
          if (source.down) throw new Error('refused');
        },
      },
    ],
    ...{ leases: fake, log: createLog((line) => lines.push(line)), signal: closed.signal },
    isDown: () => source.down,
    onOutcome: (_job, error) => outcomes.push(error),
  });
  try {
    own.start();
    await vi.advanceTimersByTimeAsync(600_000);
    expect(outcomes).toHaveLength(1);
    expect(lines.join('\n')).toContain('Job poll failed. Retrying when the source responds.');
    // A source may work for the job and not for the checks.
    await vi.advanceTimersByTimeAsync(300_000);
    expect(outcomes).toHaveLength(2);
    source.down = false;
    own.resume();
    await vi.advanceTimersByTimeAsync(0);
    expect(outcomes.map((error) => error === null)).toEqual([false, false, true]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(outcomes).toHaveLength(4);
  } finally {
    vi.useRealTimers();
    await own.stop();
  }
});
