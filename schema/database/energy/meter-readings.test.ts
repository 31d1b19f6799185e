import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createTestDatabase } from '../../../connectors/kit/testing/test-database.ts';
import { migrate, migrateDown } from '../../../migrations/migrate.ts';
import { consumption } from './consumption.ts';
import { saveMeters } from './index.ts';
import { latestReadings, saveReadings } from './meter-readings.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database?.drop());
beforeEach(() => database.plain.query('TRUNCATE meter_reading, meter_reading_history'));

const hour = (n: number) => new Date(Date.UTC(2026, 0, 1, n));
const at = (n: number) => new Date(Date.UTC(2026, 5, 1, 0, n));
type TestReading = readonly [
  hour: number,
  value: string,
  revision?: number | undefined,
  quality?: string,
  origin?: string,
];
let minute = 0;
/** Saves a batch, received a minute after the previous one. */
const save = (...all: TestReading[]) =>
  database.transaction((tx) =>
    saveReadings(
      tx,
      all.map(([n, value, revision, quality = 'GOOD', origin = 'g']) => ({
        ...{ meter: 'air:M', time: hour(n), value, quality, origin },
        ...(revision === undefined ? {} : { revision }),
      })),
      at(++minute),
    ),
  );
const standing = async (): Promise<string[]> =>
  (
    await database.plain.query(
      'SELECT trim_scale(value)::text AS value, quality, revision FROM meter_reading ORDER BY time',
    )
  ).map((row: { value: string; quality: string; revision: number }) => `${row.value} ${row.quality} ${row.revision}`);
const history = async (): Promise<string[]> =>
  (
    await database.plain.query(
      'SELECT trim_scale(value)::text AS value, quality, revision FROM meter_reading_history ORDER BY superseded_at, value',
    )
  ).map((row: { value: string; quality: string; revision: number }) => `${row.value} ${row.quality} ${row.revision}`);

test('stored readings: replaces a value for the same time and keeps the earlier one with its time and origin', async () => {
  minute = 0;
  await save([0, '10', undefined, 'ESTIMATED', 'north']);
  const { added, corrected } = await save([0, '12.50', undefined, 'GOOD', 'south'], [1, '13']);
  expect(added).toBe(1);
  expect(corrected).toEqual([
    { meter: 'air:M', time: hour(0), value: '12.5', quality: 'GOOD', revision: 0, previous: '10' },
  ]);
  expect(await standing()).toEqual(['12.5 GOOD 0', '13 GOOD 0']);
  expect(await database.plain.query('SELECT * FROM meter_reading_history')).toEqual([
    {
      ...{ meter: 'air:M', time: hour(0), value: '10', quality: 'ESTIMATED', revision: 0 },
      ...{ received_at: at(1), origin: 'north', superseded_at: at(2) },
    },
  ]);
  const [row] = await database.plain.query('SELECT received_at, origin, corrected_at FROM meter_reading ORDER BY time');
  expect(row).toEqual({ received_at: at(2), origin: 'south', corrected_at: at(2) });
  expect((await latestReadings(database.plain, ['air:M'])).get('air:M')).toMatchObject({
    value: '13',
    corrected: null,
  });
});

test('stored readings: an equal repetition is not a correction and not written', async () => {
  await save([0, '10'], [1, '11']);
  const rows = () => database.plain.query('SELECT ctid::text, xmin::text, xmax::text FROM meter_reading ORDER BY time');
  const before = await rows();
  expect(await save([0, '10.000'], [1, '011'], [0, '10'])).toEqual({ added: 0, corrected: [] });
  expect(await rows()).toEqual(before);
  expect(await history()).toEqual([]);
});

test('stored readings: a repeated old value does not undo its correction, in the same batch or later', async () => {
  await save([0, '10']);
  await save([0, '12'], [0, '10']);
  expect(await standing()).toEqual(['12 GOOD 0']);
  expect((await save([0, '10'])).corrected).toEqual([]);
  await save([0, '14']);
  expect((await save([0, '12'], [0, '10'], [0, '14'])).corrected).toEqual([]);
  expect(await standing()).toEqual(['14 GOOD 0']);
  expect(await history()).toEqual(['10 GOOD 0', '12 GOOD 0']);
  // All in the batch that creates the reading.
  await save([5, '1'], [5, '2'], [5, '1']);
  expect((await standing())[1]).toBe('2 GOOD 0');
});

test('stored readings: a revision can restore an old value, and a higher one always wins', async () => {
  await save([0, '10']);
  await save([0, '12']);
  expect((await save([0, '10', 1])).corrected).toMatchObject([{ value: '10', revision: 1, previous: '12' }]);
  expect((await save([0, '12'], [0, '13'])).corrected).toEqual([]);
  expect(await standing()).toEqual(['10 GOOD 1']);
  // Values with a lower revision are stored too.
  expect((await history()).sort()).toEqual(['10 GOOD 0', '12 GOOD 0', '13 GOOD 0']);
  await save([0, '15', 3], [0, '14', 2]);
  expect(await standing()).toEqual(['15 GOOD 3']);
  expect(await history()).toContain('14 GOOD 2');
  // The same value with a higher revision is not a correction.
  expect((await save([0, '15', 4])).corrected).toEqual([]);
  expect(await standing()).toEqual(['15 GOOD 4']);
});

test('stored readings: computes consumption from valid values and states when they were corrected', async () => {
  const meter = { id: 'air:M', installation: 'air', serial: 'M', medium: 'ELECTRICITY', unit: 'kWh' };
  await saveMeters(database.plain, [{ ...meter, building: null, company: null, modulus: null }]);
  await save([0, '10'], [1, '11'], [2, '12'], [3, '13']);
  await save([1, '11.5']);
  const buckets = await consumption(
    ...([database.plain, 'meter', ['air:M'], { installations: ['air'], medium: null }] as const),
    { from: hour(0), to: hour(3), bucket: 'HOUR', zone: 'UTC' },
  );
  expect(buckets.map((bucket) => [bucket.value, bucket.corrected])).toEqual([
    ['1.5', at(minute)],
    ['0.5', at(minute)],
    ['1', null],
  ]);
});

test('stored readings: migrates old readings without a time of receipt', async () => {
  while ((await migrateDown(database.source)) !== 'ReadingHistory0014');
  await database.plain.query(
    "INSERT INTO meter_reading (meter, time, value, quality) VALUES ('air:M', $1, 10, 'GOOD')",
    [hour(0)],
  );
  await migrate(database.source);
  await save([0, '11']);
  expect(await standing()).toEqual(['11 GOOD 0']);
  expect(await database.plain.query('SELECT received_at, origin FROM meter_reading_history')).toEqual([
    { received_at: null, origin: null },
  ]);
});
