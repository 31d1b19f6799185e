import { afterAll, beforeAll, expect, test } from 'vitest';
import { freshDatabase } from '../../../connectors/kit/testing/test-database.ts';
import { findKept, saveKept } from './read-cache.ts';

let database: Awaited<ReturnType<typeof freshDatabase>>;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database?.drop());

test('the newer reading stays, but one that is dated later than now (the clock was set back) gives way', async () => {
  const now = new Date('2026-03-01T12:00:00Z');
  const key = Buffer.from('key');
  const save = (value: string, seconds: number) => {
    const fetchedAt = new Date(now.getTime() + seconds * 1_000);
    const row = { key, value, fetchedAt, recordedAt: null, until: new Date(now.getTime() + 3_600_000) };
    return saveKept(database.plain, 'lot', [row], now);
  };
  const value = async () => (await findKept(database.plain, 'lot', key))?.value;
  await save('before the clock was set back', 600);
  await save('after', -1);
  expect(await value()).toBe('after');
  await save('an older one, written late', -5);
  expect(await value()).toBe('after');
});
