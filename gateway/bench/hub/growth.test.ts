import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase } from '../../../connectors/kit/testing/test-database.ts';
import { consumption } from '../../../schema/database/energy/consumption.ts';
import { parseUscc } from '../../../schema/graph/identifiers.ts';
import { creditCodes, grow, growthOf } from './growth.ts';
import { placesOf } from './parks/parks.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database?.drop());

test('growth: credit codes are valid and differ', () => {
  const codes = creditCodes(5, 105);
  expect(codes.every((code) => parseUscc(code) === code)).toBe(true);
  expect(new Set(codes).size).toBe(100);
});

test('growth: readings stop at ten million', () => {
  expect(growthOf(2)).toEqual({ companies: 4_000, meters: 800, readings: 2_000_000 });
  expect(growthOf(50)).toEqual({ companies: 100_000, meters: 20_000, readings: 10_000_000 });
});

test('growth: companies, identities and meters are spread over the parks, with consumption in each month of the year', async () => {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    const now = new Date('2026-05-10T12:34:56Z');
    const places = placesOf(['one', 'two']);
    const company = await grow(client, { companies: 6, meters: 4, readings: 9_000 }, places, now);
    const { rows } = await client.query(
      'SELECT park, count(DISTINCT key)::int AS companies FROM identity GROUP BY park ORDER BY park',
    );
    expect(rows).toEqual([
      { park: 'one', companies: 3 },
      { park: 'two', companies: 3 },
    ]);
    const series = await consumption(
      database.plain,
      'company',
      [company],
      { installations: ['one-meters', 'two-meters'], medium: 'ELECTRICITY' },
      { from: new Date('2025-06-01T00:00:00Z'), to: new Date('2026-05-01T00:00:00Z'), bucket: 'MONTH', zone: 'UTC' },
    );
    expect(series).toHaveLength(11);
    expect(series.map(({ value }) => Number(value)).every((value) => value > 800 && value < 1_000)).toBe(true);
  } finally {
    await client.end();
  }
});
