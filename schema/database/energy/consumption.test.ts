import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase } from '../../../connectors/kit/testing/test-database.ts';
import { consumption } from './consumption.ts';
import { saveMeters, saveReadings } from './index.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database?.drop());

const hour = (n: number) => new Date(Date.UTC(2026, 0, 1, n));

/** Hourly consumption from hourly registers, in kWh. */
async function grown(serial: string, registers: readonly string[], modulus: string | null) {
  const id = `air:${serial}`;
  const meter = { id, installation: 'air', serial, medium: 'ELECTRICITY', unit: 'kWh', building: null, company: null };
  await saveMeters(database.plain, [{ ...meter, modulus }]);
  await saveReadings(
    database.plain,
    registers.map((value, n) => ({ meter: id, time: hour(n), value, quality: 'GOOD' })),
    new Date(),
  );
  const buckets = await consumption(
    database.plain,
    'meter',
    [id],
    { installations: ['air'], medium: null },
    { from: hour(0), to: hour(registers.length - 1), bucket: 'HOUR', zone: 'UTC' },
  );
  return buckets.map(({ value, quality }) => [value, quality]);
}

test('consumption: a register has rolled over only when it was near its end and is near its beginning', async () => {
  const [before, after] = [
    ['1', 'GOOD'],
    ['2', 'GOOD'],
  ];
  const unknown = [null, 'SUSPECT'];
  expect(await grown('near', ['994', '995', '3', '5'], '1000')).toEqual([before, ['8', 'GOOD'], after]);
  expect(await grown('reset half way', ['499', '500', '3', '5'], '1000')).toEqual([before, unknown, after]);
  expect(await grown('exchanged for a used one', ['994', '995', '500', '502'], '1000')).toEqual([
    ...[before, unknown, after],
  ]);
  expect(await grown('end not known', ['994', '995', '3', '5'], null)).toEqual([before, unknown, after]);
});
