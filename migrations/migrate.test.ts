import { afterAll, beforeAll, expect, test } from 'vitest';
import { freshDatabase } from '../connectors/kit/testing/test-database.ts';
import { migrate } from './migrate.ts';

let database: Awaited<ReturnType<typeof freshDatabase>>;
beforeAll(async () => {
  database = await freshDatabase({ migrated: false });
});
afterAll(() => database.drop());

test('one process migrates at a time; the other says what it waits for, can be interrupted, and finds nothing missing', async () => {
  const first = database.source.createQueryRunner();
  // The key that migrate() takes.
  await first.query('SELECT pg_advisory_lock(4739201)');
  const said: string[] = [];
  const control = new AbortController();
  const interrupted = migrate(database.source, { signal: control.signal });
  const waiting = migrate(database.source, { progress: (text) => void said.push(text) });
  control.abort(new Error('interrupted'));
  await expect(interrupted).rejects.toThrow('interrupted');
  await expect.poll(() => said).toEqual(['waiting for another process that migrates this database']);
  await first.query('SELECT pg_advisory_unlock(4739201)');
  await first.release();
  expect((await waiting).length).toBeGreaterThan(5);
  expect(said[1]).toMatch(/^running \d+$/);
  expect(await migrate(database.source, { progress: (text) => void said.push(text) })).toEqual([]);
  expect(said.at(-1)).toBe('none is missing');
});
