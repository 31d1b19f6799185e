import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase } from '../../../connectors/kit/testing/test-database.ts';
import { meterCount, meterKinds, meterPages, saveMeters } from './index.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
beforeAll(async () => {
  database = await createTestDatabase();
  const meter = (id: string, installation: string, medium: string | null, company: string | null) => ({
    ...{ id, installation, serial: id, medium, unit: null, building: 'B', company, modulus: null },
  });
  await saveMeters(database.plain, [
    meter('a', 'north', 'WATER', 'C1'),
    meter('b', 'north', 'ELECTRICITY', 'C1'),
    meter('c', 'south', 'ELECTRICITY', 'C1'),
    meter('d', 'south', null, 'C1'),
    meter('e', 'hidden', 'HEAT', 'C1'),
    meter('f', 'south', 'WATER', 'C2'),
  ]);
});
afterAll(() => database.drop());

const installations = ['north', 'south'];
const page = { forward: true, limit: 10, place: null };
const idsOf = async (query: object, of: { forward?: boolean; limit?: number; place?: string } = {}) => {
  const found = await meterPages(
    database.requests,
    'company',
    ['C1', 'C3'],
    { installations, ...query },
    {
      ...page,
      ...of,
    },
  );
  expect(found.get('C3')).toEqual({ meters: [], kinds: [] });
  return found.get('C1')?.meters.map(({ id }) => id);
};

test('meters: a page contains what all given conditions match, in reading direction', async () => {
  expect(await idsOf({})).toEqual(['a', 'b', 'c', 'd']);
  expect(await idsOf({ media: ['ELECTRICITY'] })).toEqual(['b', 'c']);
  expect(await idsOf({ media: ['ELECTRICITY'], ids: ['c', 'd'], companies: ['C1'] })).toEqual(['c']);
  expect(await idsOf({ companies: [] })).toEqual([]);
  expect(await idsOf({}, { limit: 2 })).toEqual(['a', 'b']);
  expect(await idsOf({}, { place: 'b' })).toEqual(['c', 'd']);
  expect(await idsOf({ media: ['ELECTRICITY'] }, { forward: false, place: 'd' })).toEqual(['c', 'b']);
  expect(await meterCount(database.requests, 'company', 'C1', { installations, media: ['ELECTRICITY'] })).toBe(2);
});

test('meters: a page names the kinds of all meters of its key, whatever the filter', async () => {
  const expected = [
    { installation: 'north', medium: 'ELECTRICITY' },
    { installation: 'north', medium: 'WATER' },
    { installation: 'south', medium: 'ELECTRICITY' },
    { installation: 'south', medium: null },
  ];
  for (const query of [{}, { media: ['HEAT'] }, { ids: ['a'] }]) {
    const found = await meterPages(database.requests, 'company', ['C1'], { installations, ...query }, page);
    expect(found.get('C1')?.kinds).toEqual(expected);
  }
  const kinds = await meterKinds(database.requests, 'company', ['C1', 'C3'], installations);
  expect([...kinds]).toEqual([['C1', expected]]);
});
