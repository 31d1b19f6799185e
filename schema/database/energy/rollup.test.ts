/** How sums are built and kept right. tests/rollups.test.ts compares their answers with the readings. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createTestDatabase } from '../../../connectors/kit/testing/test-database.ts';
import { dropReadingMonth } from '../retention/measurement-retention.ts';
import { consumption } from './consumption.ts';
import { saveMeters, saveReadings } from './index.ts';
import { buildSums, claimSums, unsummedMeters } from './rollup.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database?.drop());

const HOUR = 3_600_000;
const START = Date.parse('2026-01-01T00:00:00Z');
const at = (hours: number) => new Date(START + hours * HOUR);
const METER = 'air:M';
const ZONES = new Map([['air', 'UTC']]);

const save = (rows: readonly (readonly [hours: number, value: number])[]) =>
  database.transaction((tx) =>
    saveReadings(
      tx,
      rows.map(([hours, value]) => ({ meter: METER, time: at(hours), value: String(value), quality: 'GOOD' })),
      new Date(),
    ),
  );
const describeMeter = (modulus: string | null) =>
  saveMeters(database.plain, [
    {
      id: METER,
      installation: 'air',
      serial: 'M',
      medium: 'WATER',
      unit: 'm3',
      building: null,
      company: null,
      modulus,
    },
  ]);
async function build(steps = Number.POSITIVE_INFINITY): Promise<void> {
  let meters = await unsummedMeters(database.plain, ZONES);
  await database.transaction((tx) => claimSums(tx, meters));
  for (let n = 0; n < steps && meters.length > 0; n++)
    meters = (await database.transaction((tx) => buildSums(tx, meters))) ?? [];
}
const count = async (table: string): Promise<number> =>
  (await database.plain.query(`SELECT count(*)::int AS n FROM ${table}`))[0].n;
const values = async (from: number, to: number, bucket = 'HOUR') =>
  (
    await consumption(
      database.plain,
      'meter',
      [METER],
      { installations: ['air'], medium: null },
      {
        ...{ from: at(from), to: at(to), bucket, zone: 'UTC' },
      },
    )
  ).map(({ value }) => value);

beforeEach(async () => {
  await database.plain.query(
    'TRUNCATE meter, meter_reading, energy_hour, energy_day, energy_month, energy_gap, energy_rollup, energy_dirty',
  );
  await describeMeter(null);
  await save(Array.from({ length: 101 }, (_, n) => [n, n]));
});

test('rollup: the sums reach to the hour of the last reading but one, and a newer reading outdates nothing', async () => {
  expect(await unsummedMeters(database.plain, ZONES)).toHaveLength(1);
  await build();
  expect(await database.plain.query('SELECT until, complete FROM energy_rollup')).toEqual([
    { until: at(99), complete: true },
  ]);
  expect([await count('energy_hour'), await count('energy_day'), await count('energy_month')]).toEqual([99, 5, 1]);
  expect(await unsummedMeters(database.plain, ZONES)).toEqual([]);
  await save([[101, 101]]);
  expect(await count('energy_dirty')).toBe(0);
  expect(await values(96, 102)).toEqual(['1', '1', '1', '1', '1', null]);
});

test('rollup: what sums contain is read from them, and from the readings as soon as these are corrected or added late', async () => {
  await build();
  // A sum that the readings do not say shows which of them answers.
  await database.plain.query('UPDATE energy_hour SET amount = 1000 WHERE start = $1', [at(50)]);
  expect(await values(49, 52)).toEqual(['1', '1000', '1']);
  await save([[40.5, 40.25]]);
  expect(await count('energy_dirty')).toBe(1);
  expect(await values(49, 52)).toEqual(['1', '1', '1']);
  expect(await values(39, 42)).toEqual(['1', '1', '1']);
  await build();
  expect(await count('energy_dirty')).toBe(0);
  // Only what was outdated is built anew.
  expect(await values(49, 52)).toEqual(['1', '1000', '1']);
  await save([[51, 51.5]]);
  expect(await values(49, 52)).toEqual(['1', '1.5', '0.5']);
  await save([[51, 51.5]]);
  expect(await count('energy_dirty')).toBe(1);
});

test('rollup: sums of another modulus, unit or time zone are not used, and are built anew', async () => {
  await build();
  await database.plain.query('UPDATE energy_hour SET amount = 1000; UPDATE energy_day SET amount = 1000');
  expect(await values(0, 2)).toEqual(['1000', '1000']);
  await describeMeter('5000');
  expect(await values(0, 2)).toEqual(['1', '1']);
  await build();
  expect(await values(0, 2)).toEqual(['1', '1']);
  expect(await count('energy_hour')).toBe(99);
  const inBerlin = new Map([['air', 'Europe/Berlin']]);
  expect(await unsummedMeters(database.plain, inBerlin)).toHaveLength(1);
});

test('rollup: a claim waits for writers that began before it, and later ones record what they outdate', async () => {
  const meters = await unsummedMeters(database.plain, ZONES);
  let claiming: Promise<void> | undefined;
  await database.transaction(async (tx) => {
    const reading = { meter: METER, time: at(10.5), value: '10.25', quality: 'GOOD' };
    await saveReadings(tx, [reading], new Date());
    claiming = database.transaction((claim) => claimSums(claim, meters));
    const waiting =
      "SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    await expect.poll(async () => (await database.plain.query(waiting))[0].n).toBe(1);
    expect(await count('energy_dirty')).toBe(0);
  });
  await claiming;
  await save([[20.5, 20.25]]);
  expect(await count('energy_dirty')).toBe(1);
  await database.transaction((tx) => buildSums(tx, meters));
  expect(await count('energy_dirty')).toBe(0);
  expect(
    await database.plain.query(
      'SELECT trim_scale(amount)::text AS amount, measured::text FROM energy_hour WHERE start = ANY($1)',
      [[at(10), at(20)]],
    ),
  ).toEqual([
    { amount: '1', measured: '01:00:00' },
    { amount: '1', measured: '01:00:00' },
  ]);
});

test('rollup: a first build takes 31 days in a step, and answers are right in between', async () => {
  await save(Array.from({ length: 24 * 80 }, (_, n) => [101 + n, 101 + n]));
  const all = () => values(0, 24 * 84, 'DAY');
  const before = await all();
  await build(1);
  expect(await database.plain.query('SELECT until, complete FROM energy_rollup')).toEqual([
    { until: at(24 * 31), complete: false },
  ]);
  expect(await all()).toEqual(before);
  await build();
  expect(await all()).toEqual(before);
});

// The last one: the database keeps what was dropped.
test('rollup: months that retention drops leave no sums, and the first interval after them is unknown', async () => {
  await save(Array.from({ length: 900 }, (_, n) => [101 + n, 101 + n]));
  await build();
  expect(await database.transaction((tx) => dropReadingMonth(tx, at(24 * 31)))).toBe('2026-01');
  const february = 24 * 31;
  expect(await values(february - 1, february + 2)).toEqual([null, '1', '1']);
  await build();
  expect(await values(february - 1, february + 2)).toEqual([null, '1', '1']);
  const [oldest] = await database.plain.query(
    'SELECT least((SELECT min(start) FROM energy_hour), (SELECT min(start) FROM energy_month)) AS start',
  );
  expect(oldest).toEqual({ start: at(february) });
});
