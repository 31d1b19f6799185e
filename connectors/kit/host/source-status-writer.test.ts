import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { Database } from '../../../schema/database/database.ts';
import { allSources } from '../../../schema/database/hub/source-status.ts';
import type { InstallationConfig } from '../config/config.ts';
import { createLog } from '../log.ts';
import type { HealthSnapshot } from '../monitoring/health.ts';
import type { NewEvent } from '../services.ts';
import { manualClock } from '../testing/test-clock.ts';
import { createTestDatabase } from '../testing/test-database.ts';
import { ProcessLeases } from './process-leases.ts';
import { SourceStatusWriter } from './source-status-writer.ts';

const INTERVAL = 3_000;
const UP: HealthSnapshot = {
  ...{ state: 'UP', since: new Date(0), reason: null, lastSuccess: new Date(0), errors: 0, breaker: 'CLOSED' },
};
let database: Awaited<ReturnType<typeof createTestDatabase>>;
const lines: string[] = [];
const log = createLog((line) => lines.push(line));
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database?.drop());
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
});
afterEach(async () => {
  vi.useRealTimers();
  await database.plain.query('TRUNCATE source, process_heartbeat');
});

/** A writer of `count` installations with the transactions that it has made. */
function writing(count: number, prefix = 'one') {
  const clock = manualClock(new Date('2026-03-01T08:00:00Z'));
  const seen = { transactions: 0, events: [] as NewEvent[] };
  const observed: Database = {
    ...database,
    transaction: (work) => {
      seen.transactions++;
      return database.transaction(work);
    },
  };
  const leases = new ProcessLeases({ database });
  const writer = new SourceStatusWriter(observed, log, leases);
  const members = Array.from({ length: count }, (_, i) => {
    const status = { snapshot: UP, lag: null as number | null, isReporter: true };
    const config = { id: `${prefix}-${i}`, connector: 'parking', protocol: 'apds', park: 'lakeside' };
    const row = writer.add({
      config: config as InstallationConfig,
      services: {
        clock,
        emit: async (_tx, events) => seen.events.push(...events),
      },
      interval: INTERVAL,
      report: () => ({ ...status }),
    });
    return { status, row };
  });
  /** Looks, and waits for the writes that it makes. */
  const look = async (times = 1) => {
    for (let i = 0; i < times; i++) {
      vi.advanceTimersByTime(INTERVAL);
      clock.advance(INTERVAL);
      await writer.settled();
    }
  };
  return {
    ...{ clock, seen, leases, members, look, writer },
    close: () => Promise.all(members.map(({ row }) => row.close())),
  };
}
const rows = async () => new Map((await allSources(database.plain)).map((row) => [row.id, row]));

test('source status: 240 rows take one transaction in 100, and none while nothing changes', async () => {
  const { seen, members, look, close } = writing(240);
  await look();
  expect([seen.transactions, (await rows()).size]).toEqual([3, 240]);
  await look(20);
  expect(seen.transactions).toBe(3);
  for (const { status } of members) status.snapshot = { ...UP, lastSuccess: new Date(1_000) };
  // Details are written once in five looks, all together.
  await look(5);
  expect(seen.transactions).toBe(6);
  expect([...(await rows()).values()].every(({ lastSuccess }) => lastSuccess?.getTime() === 1_000)).toBe(true);
  expect(seen.events).toEqual([]);
  await close();
});

test('source status: a change of state is written at once, with its event', async () => {
  const { seen, members, look, writer, close } = writing(2);
  await look();
  const [first] = members;
  if (first) {
    first.status.snapshot = { ...UP, state: 'DOWN', since: new Date(5_000), reason: 'cannot be reached' };
    first.row.changed();
  }
  await new Promise((resolve) => setImmediate(resolve));
  await writer.settled();
  expect((await rows()).get('one-0')).toMatchObject({ state: 'DOWN', reason: 'cannot be reached' });
  expect(seen.events).toMatchObject([
    { kind: 'SOURCE_STATE_CHANGED', time: new Date(5_000), data: { from: 'UP', to: 'DOWN' } },
  ]);
  await close();
});

test('source status: a row is as old as the last heartbeat of the process that wrote it, and its lag grows', async () => {
  const { leases, members, look, close } = writing(1);
  const [first] = members;
  if (first) first.status.lag = 2_000;
  await look();
  await database.plain.query("UPDATE source SET updated_at = now() - interval '1 hour'");
  await leases.renew();
  const [current] = (await rows()).values();
  expect(current?.age).toBeLessThan(10_000);
  expect(Number(current?.lagMs)).toBeGreaterThanOrEqual(3_602_000);
  await database.plain.query("UPDATE process_heartbeat SET renewed_at = now() - interval '1 minute'");
  expect((await rows()).get('one-0')?.age).toBeGreaterThanOrEqual(60_000);
  await close();
});

test('source status: writes again what another process has deleted or overwritten, unless that one reports the source', async () => {
  const { members, look, seen, close } = writing(3);
  await look();
  await database.plain.query("DELETE FROM source WHERE id = 'one-0'");
  await database.plain.query("UPDATE source SET reporter = 'other', state = 'DOWN'");
  const [, , third] = members;
  if (third) third.status.isReporter = false;
  await look();
  const found = await rows();
  expect(['one-0', 'one-1', 'one-2'].map((id) => found.get(id)?.state)).toEqual(['UP', 'UP', 'DOWN']);
  expect(seen.events).toHaveLength(1);
  await close();
});

test('source status: a process that does not report a source adds its row and never changes it', async () => {
  const { members, look, close } = writing(1, 'two');
  const [first] = members;
  if (first) first.status.isReporter = false;
  await look();
  expect((await rows()).get('two-0')?.state).toBe('UP');
  if (first) first.status.snapshot = { ...UP, state: 'DOWN' };
  await look(5);
  expect((await rows()).get('two-0')?.state).toBe('UP');
  if (first) first.status.isReporter = true;
  await look();
  expect((await rows()).get('two-0')?.state).toBe('DOWN');
  await close();
});

test('source status: a row that cannot be stored fails alone, and no heartbeat makes it current', async () => {
  const { members, leases, look, close } = writing(2, 'three');
  await look();
  for (const { status } of members) status.snapshot = { ...UP, state: 'DEGRADED', reason: 'late' };
  const [first] = members;
  if (first) first.status.snapshot = { ...UP, state: 'DEGRADED', reason: 'has drifted: \0' };
  await look();
  await leases.renew();
  expect(lines.filter((line) => line.includes('Failed to write the status of source three-0.'))).toHaveLength(1);
  await database.plain.query("UPDATE source SET updated_at = now() - interval '1 hour'");
  const found = await rows();
  expect([found.get('three-0')?.state, found.get('three-1')?.state]).toEqual(['UP', 'DEGRADED']);
  expect(found.get('three-0')?.age).toBeGreaterThan(3_000_000);
  expect(found.get('three-1')?.age).toBeLessThan(60_000);
  await close();
});
