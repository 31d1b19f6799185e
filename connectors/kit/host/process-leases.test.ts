import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { Database } from '../../../schema/database/database.ts';
import { type Lease, proveLease, takeLeases } from '../../../schema/database/processes/leases.ts';
import { createLog, silentLog } from '../log.ts';
import { manualClock } from '../testing/test-clock.ts';
import { createTestDatabase } from '../testing/test-database.ts';
import { type LeaseRequest, ProcessLeases } from './process-leases.ts';

const INSTALLATIONS = 240;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database?.drop());
// Leases are renewed when a test renews them.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** The database with its statements counted; `fail` set: each is rejected. */
function counted() {
  const seen = { statements: 0, fail: false };
  const plain = new Proxy(database.plain, {
    get: (target, name) => {
      const value = Reflect.get(target, name);
      if (name !== 'query') return typeof value === 'function' ? value.bind(target) : value;
      return async (...args: Parameters<typeof target.query>) => {
        seen.statements++;
        if (seen.fail) throw new Error('connection lost');
        return target.query(...args);
      };
    },
  });
  return { seen, database: { ...database, plain } as Database };
}

/** A holder that records the lease it has. */
function holder() {
  const held: { lease: Lease | null; lost: number } = { lease: null, lost: 0 };
  return {
    held,
    onAcquired: (lease: Lease) => {
      held.lease = lease;
    },
    onLost: () => {
      held.lease = null;
      held.lost++;
    },
  };
}
const expire = (owner: string) =>
  database.plain.query("UPDATE process_heartbeat SET until = now() - interval '1 second' WHERE owner = $1", [owner]);
const releaseAll = (requests: readonly LeaseRequest[]) => Promise.all(requests.map((request) => request.release()));

test('process leases: one statement a renewal for all leases of the process, and one to release them', async () => {
  const { seen, database: observed } = counted();
  const leases = new ProcessLeases({ database: observed });
  const holders = Array.from({ length: INSTALLATIONS }, holder);
  const requests = holders.map((one, i) => leases.request(`one-${i}`, one));
  await leases.renew();
  expect(holders.filter(({ held }) => held.lease === null)).toEqual([]);
  seen.statements = 0;
  for (let i = 0; i < 5; i++) await leases.renew();
  expect(seen.statements).toBe(5);
  seen.statements = 0;
  await releaseAll(requests);
  // All leases, and the end of the heartbeat.
  expect(seen.statements).toBe(2);
  expect(await database.plain.query('SELECT 1 FROM lease WHERE until > now()')).toEqual([]);
});

test('process leases: another process acquires the leases of one whose heartbeat has expired, which then stops', async () => {
  const first = new ProcessLeases({ database });
  const second = new ProcessLeases({ database });
  const [one, other] = [holder(), holder()];
  const own = first.request('two', one);
  const heir = second.request('two', other);
  try {
    expect(await own.acquire()).toBe(true);
    expect(await heir.acquire()).toBe(false);
    const before = one.held.lease as Lease;
    await expire(first.owner);
    expect(await heir.acquire()).toBe(true);
    expect(Number(other.held.lease?.fence)).toBe(Number(before.fence) + 1);
    expect(await proveLease(database.plain, before)).toBe(false);
    await first.renew();
    expect(one.held.lost).toBe(1);
    expect(await own.acquire()).toBe(false);
    expect(other.held.lost).toBe(0);
  } finally {
    await releaseAll([own, heir]);
  }
});

test('process leases: a second request of the same process waits until the first is released', async () => {
  const leases = new ProcessLeases({ database });
  const [one, other] = [holder(), holder()];
  const own = leases.request('three', one);
  const next = leases.request('three', other);
  expect(await own.acquire()).toBe(true);
  expect(await next.acquire()).toBe(false);
  const before = one.held.lease as Lease;
  await own.release();
  expect(await next.acquire()).toBe(true);
  expect(other.held.lease?.fence).not.toBe(before.fence);
  expect(await proveLease(database.plain, before)).toBe(false);
  await next.release();
});

test('process leases: of two processes that see a free lease only one acquires it', async () => {
  await database.plain.query("INSERT INTO lease (name, owner, until, fence) VALUES ('four', 'gone', now(), 7)");
  const seen = { name: 'four', owner: 'gone', fence: '7', free: true, mark: '' };
  expect(await takeLeases(database.plain, 'first', [seen])).toEqual([{ name: 'four', owner: 'first', fence: '8' }]);
  expect(await takeLeases(database.plain, 'second', [seen])).toEqual([]);
  const unheld = { ...seen, name: 'five', owner: null, fence: null };
  expect(await takeLeases(database.plain, 'first', [unheld])).toHaveLength(1);
  expect(await takeLeases(database.plain, 'second', [unheld])).toEqual([]);
});

test('process leases: without renewal for seven seconds all jobs stop, with one line in the log', async () => {
  const clock = manualClock(new Date());
  const { seen, database: observed } = counted();
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line));
  const leases = new ProcessLeases({ database: observed, clock, log });
  const holders = Array.from({ length: 3 }, holder);
  const lost = () => holders.map(({ held }) => held.lost);
  const requests = holders.map((one, i) => leases.request(`six-${i}`, one));
  await leases.renew();
  seen.fail = true;
  clock.advance(7_000);
  await leases.renew();
  expect(lost()).toEqual([0, 0, 0]);
  clock.advance(1);
  await leases.renew();
  expect(lost()).toEqual([1, 1, 1]);
  await leases.renew();
  expect(lines.filter((line) => line.includes('Failed to renew the leases of 3 installations'))).toHaveLength(1);
  seen.fail = false;
  await leases.renew();
  expect(holders.filter(({ held }) => held.lease === null)).toEqual([]);
  await releaseAll(requests);
});

test('process leases: the heartbeat lasts as long as somebody uses it, and its row stays', async () => {
  const leases = new ProcessLeases({ database, log: silentLog });
  const end = leases.keepAlive();
  const isAlive = async () =>
    (
      await database.plain.query('SELECT until > now() AS alive FROM process_heartbeat WHERE owner = $1', [
        leases.owner,
      ])
    )[0]?.alive;
  await leases.renew();
  expect(await isAlive()).toBe(true);
  const request = leases.request('seven', holder());
  await request.acquire();
  await request.release();
  expect(await isAlive()).toBe(true);
  await end();
  expect(await isAlive()).toBe(false);
});
