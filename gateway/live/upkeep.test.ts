import { afterAll, beforeAll, expect, test } from 'vitest';
import { clockOf } from '../../connectors/kit/testing/clock.ts';
import { freshDatabase } from '../../connectors/kit/testing/database.ts';
import { dayBehind, logStart } from '../../schema/database/event-retention.ts';
import { appendEvents, eventRange } from '../../schema/database/events.ts';
import { keepEventsOnce } from './upkeep.ts';

const DAY = 86_400_000;
const retention = { events: 2 * DAY, keys: 3 * DAY, answers: DAY };
let database: Awaited<ReturnType<typeof freshDatabase>>;
const today = Math.floor(Date.now() / DAY) * DAY;
const day = (n: number) => new Date(today + n * DAY);
const keep = (n: number) =>
  keepEventsOnce({ database, retention, clock: clockOf(() => new Date(day(n).getTime() + 1000)) });
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
  database = await freshDatabase();
});
afterAll(() => database?.drop());

test('days are made ahead, past ones dropped whole, and what is gone stays known', async () => {
  expect(await keep(1)).toEqual([]);
  await write(1, 'a', 'b');
  await write(2, 'c');
  await write(4, 'd');
  expect(await keep(4)).toEqual([day(1).toISOString().slice(0, 10)]);
  expect(await logStart(database.plain)).toMatchObject({ before: 2n });
  expect(await dayBehind(database.plain, '1')).toEqual(day(1));
  expect(await dayBehind(database.plain, '2')).toEqual(day(2));
  const left = await eventRange(database.plain, {}, { after: '0', upTo: '9', limit: 9 });
  expect(left.map((row) => row.vehicle)).toEqual(['c', 'd']);

  // The key outlives the event for its own time: sent again, it is still the same event; later it is a new one.
  expect((await write(4, 'a')).count).toBe(0);
  await keep(6);
  expect((await write(6, 'a')).count).toBe(1);
  // A log of which nothing is left still says up to where it was emptied.
  await keep(20);
  expect(await logStart(database.plain)).toEqual({ before: 5n, time: day(7) });
});

test('a day that its first event makes at the same moment is not made twice', async () => {
  const writer = database.source.createQueryRunner();
  await writer.startTransaction();
  const by = { installation: 'gate', connector: 'parking', park: 'lakeside', at: day(40) };
  await appendEvents(writer.manager, by, [
    { foreignId: 'first', kind: 'VEHICLE_ENTERED', time: day(40), vehicle: 'v' },
  ]);
  const round = keep(40);
  await expect
    .poll(async () => (await database.plain.query('SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted'))[0].n)
    .toBeGreaterThan(0);
  await writer.commitTransaction();
  await writer.release();
  expect(await round).toBeInstanceOf(Array);
  expect((await write(40, 'second')).count).toBe(1);
});

test('answers of mutations go with age; one without an end stays', async () => {
  const add = (id: string, state: string) =>
    database.plain.query(
      `INSERT INTO mutation (subject, mutation, client_mutation_id, payload_hash, own_id, state, started_at)
       VALUES ('x', 'm', $1, 'h', 'o', $2, $3)`,
      [id, state, day(0)],
    );
  await add('done', 'DONE');
  await add('lost', 'STARTED');
  await keep(2);
  expect(await database.plain.query('SELECT client_mutation_id AS id FROM mutation')).toEqual([{ id: 'lost' }]);
});
