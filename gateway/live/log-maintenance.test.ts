import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLog } from '../../connectors/kit/log.ts';
import { clockFrom } from '../../connectors/kit/testing/test-clock.ts';
import { createTestDatabase } from '../../connectors/kit/testing/test-database.ts';
import { saveReadings } from '../../schema/database/energy/meter-readings.ts';
import { appendEvents } from '../../schema/database/events/event-log.ts';
import { eventRange } from '../../schema/database/events/event-query.ts';
import { dayOfNextEvent, logStart } from '../../schema/database/events/event-retention.ts';
import { droppedBefore } from '../../schema/database/retention/dropped-before.ts';
import { dropMeasurementsOnce, maintainEventLogOnce, startLogMaintenance } from './log-maintenance.ts';

const DAY = 86_400_000;
const retention = { events: 2 * DAY, keys: 3 * DAY, answers: DAY, readings: null, occupancy: null };
let database: Awaited<ReturnType<typeof createTestDatabase>>;
const today = Math.floor(Date.now() / DAY) * DAY;
const day = (n: number) => new Date(today + n * DAY);
const maintain = (n: number) =>
  maintainEventLogOnce({ database, retention, clock: clockFrom(() => new Date(day(n).getTime() + 1000)) });
/** Events are recorded by the database's clock or later, so the days of this test lie ahead. */
const write = (n: number, ...ids: string[]) =>
  database.transaction((tx) =>
    appendEvents(
      tx,
      { installation: 'gate', connector: 'parking', park: 'lakeside', at: new Date(day(n).getTime() + DAY / 2) },
      ids.map((foreignId) => ({ foreignId, kind: 'VEHICLE_ENTERED', time: new Date(), vehicle: foreignId })),
    ),
  );

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database?.drop());

test('log maintenance: creates partitions ahead, drops past days whole and remembers where the log starts', async () => {
  expect(await maintain(1)).toEqual([]);
  await write(1, 'a', 'b');
  await write(2, 'c');
  await write(4, 'd');
  expect(await maintain(4)).toEqual([day(1).toISOString().slice(0, 10)]);
  expect(await logStart(database.plain)).toMatchObject({ before: 2n });
  expect(await dayOfNextEvent(database.plain, '1')).toEqual(day(1));
  expect(await dayOfNextEvent(database.plain, '2')).toEqual(day(2));
  const left = await eventRange(database.plain, {}, { after: '0', upTo: '9', limit: 9 });
  expect(left.map((row) => row.vehicle)).toEqual(['c', 'd']);

  // Keys are kept longer than events: an event sent again is a duplicate until its key is deleted.
  expect((await write(4, 'a')).count).toBe(0);
  await maintain(6);
  expect((await write(6, 'a')).count).toBe(1);
  // An empty log still knows up to where it was dropped.
  await maintain(20);
  expect(await logStart(database.plain)).toEqual({ before: 5n, time: day(7) });
});

test('event partitions: does not create one twice that the first event of the day creates at the same moment', async () => {
  const writer = database.source.createQueryRunner();
  await writer.startTransaction();
  const by = { installation: 'gate', connector: 'parking', park: 'lakeside', at: day(40) };
  await appendEvents(writer.manager, by, [
    { foreignId: 'first', kind: 'VEHICLE_ENTERED', time: day(40), vehicle: 'v' },
  ]);
  const round = maintain(40);
  await expect
    .poll(async () => (await database.plain.query('SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted'))[0].n)
    .toBeGreaterThan(0);
  await writer.commitTransaction();
  await writer.release();
  expect(await round).toBeInstanceOf(Array);
  expect((await write(40, 'second')).count).toBe(1);
});

test('log maintenance: deletes old mutation results but not unfinished mutations', async () => {
  const add = (id: string, state: string) =>
    database.plain.query(
      `INSERT INTO mutation (subject, mutation, client_mutation_id, payload_hash, own_id, state, started_at)
       VALUES ('x', 'm', $1, 'h', 'o', $2, $3)`,
      [id, state, day(0)],
    );
  await add('done', 'DONE');
  await add('lost', 'STARTED');
  await maintain(2);
  expect(await database.plain.query('SELECT client_mutation_id AS id FROM mutation')).toEqual([{ id: 'lost' }]);
});

const month = (n: number) => new Date(Date.UTC(2026, n - 1, 10));
const dropAt = (now: Date, of: Partial<typeof retention> | { readings?: number; occupancy?: number }) =>
  dropMeasurementsOnce({
    database,
    clock: clockFrom(() => now),
    retention: { events: null, keys: null, answers: null, readings: null, occupancy: null, ...of },
  });
const read = (...months: number[]) =>
  database.transaction((tx) =>
    saveReadings(
      tx,
      months.map((n) => ({ meter: 'air:M', time: month(n), value: String(n), quality: 'GOOD' })),
      new Date(),
    ),
  );
const left = async (): Promise<number[]> =>
  (await database.plain.query('SELECT value::int AS n FROM meter_reading ORDER BY time')).map(
    (row: { n: number }) => row.n,
  );

test('measurement retention: drops readings by whole months with their superseded values, and remembers what was dropped', async () => {
  await read(1, 2, 3, 4);
  await database.transaction((tx) =>
    saveReadings(
      tx,
      [1, 4].map((n) => ({ meter: 'air:M', time: month(n), value: `${n * 10}`, quality: 'GOOD' })),
      new Date(),
    ),
  );
  expect(await dropAt(month(4), {})).toEqual({ readings: [], superseded: 0, occupancy: 0 });
  expect(await droppedBefore(database.plain, 'readings')).toBeNull();
  // 28 days before the 10th of April is in March: that month is kept whole.
  expect(await dropAt(month(4), { readings: 28 * DAY })).toEqual({
    ...{ readings: ['2026-01', '2026-02'], superseded: 1, occupancy: 0 },
  });
  expect(await left()).toEqual([3, 40]);
  expect(await droppedBefore(database.plain, 'readings')).toEqual(new Date(Date.UTC(2026, 2, 1)));
  expect(await database.plain.query('SELECT value::int AS n FROM meter_reading_history')).toEqual([{ n: 4 }]);
  // Late readings for a dropped month are accepted and dropped in the next round.
  await read(1, 4);
  expect(await left()).toEqual([1, 3, 40]);
  expect((await dropAt(month(4), { readings: 28 * DAY })).readings).toEqual(['2026-01']);
  expect(await droppedBefore(database.plain, 'readings')).toEqual(new Date(Date.UTC(2026, 2, 1)));
});

test('measurement retention: drops occupancy past retention in batches', async () => {
  await database.plain.query(
    `INSERT INTO occupancy SELECT 'gate', 'o' || n, 'lot', timestamptz '2026-01-10' + n * interval '1 minute', 5, 10, false, false, false
     FROM generate_series(1, 25000) AS n`,
  );
  expect((await dropAt(month(2), {})).occupancy).toBe(0);
  const dropped = await dropAt(month(2), { occupancy: 20 * DAY });
  const limit = new Date(month(2).getTime() - 20 * DAY);
  expect(dropped.occupancy).toBe((limit.getTime() - month(1).getTime()) / 60_000 - 1);
  expect(await database.plain.query('SELECT min(time) AS oldest FROM occupancy')).toEqual([{ oldest: limit }]);
  expect(await droppedBefore(database.plain, 'occupancy')).toEqual(limit);
});

test('log maintenance: logs what a round dropped', async () => {
  await read(5);
  const lines: string[] = [];
  const log = { ...silentLog, info: (sentence: string) => void lines.push(sentence) };
  const maintenance = startLogMaintenance({
    ...{ database, log, clock: clockFrom(() => month(8)) },
    retention: { ...retention, events: null, keys: null, readings: DAY, occupancy: DAY },
  });
  await expect.poll(() => lines.length).toBe(2);
  await maintenance.close();
  expect(lines).toEqual([
    'Dropped months of readings that are past retention.',
    'Dropped occupancy that is past retention.',
  ]);
});
