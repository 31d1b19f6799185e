import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase } from '../../../connectors/kit/testing/test-database.ts';
import { deleteExpiredReadings, findCachedReading, saveCachedReadings } from './read-cache.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database?.drop());

test('stored read cache: keeps the newer reading, unless its time is in the future because the clock was set back', async () => {
  const now = new Date('2026-03-01T12:00:00Z');
  const key = Buffer.from('key');
  const save = (value: string, seconds: number) => {
    const fetchedAt = new Date(now.getTime() + seconds * 1_000);
    const row = { key, value, fetchedAt, recordedAt: null, until: new Date(now.getTime() + 3_600_000) };
    return saveCachedReadings(database.plain, 'lot', [row], now);
  };
  const value = async () => (await findCachedReading(database.plain, 'lot', key))?.value;
  await save('before the clock was set back', 600);
  await save('after', -1);
  expect(await value()).toBe('after');
  await save('an older one, written late', -5);
  expect(await value()).toBe('after');
});

test('stored read cache: deletes readings that are too old to be used, and no others', async () => {
  const now = new Date('2026-03-01T12:00:00Z');
  const row = (key: string, minutes: number) => ({
    ...{ key: Buffer.from(key), value: key, fetchedAt: now, recordedAt: null },
    until: new Date(now.getTime() + minutes * 60_000),
  });
  await saveCachedReadings(database.plain, 'gate', [row('expired', -1), row('usable', 1)], now);
  await saveCachedReadings(database.plain, 'other', [row('expired', -1)], now);
  await deleteExpiredReadings(database.plain, 'gate', now);
  const value = async (installation: string, key: string) =>
    (await findCachedReading(database.plain, installation, Buffer.from(key)))?.value;
  expect(await value('gate', 'expired')).toBeUndefined();
  expect([await value('gate', 'usable'), await value('other', 'expired')]).toEqual(['usable', 'expired']);
});
