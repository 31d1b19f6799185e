import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase } from '../connectors/kit/testing/test-database.ts';
import { migrate } from './migrate.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
beforeAll(async () => {
  database = await createTestDatabase({ migrated: false });
});
afterAll(() => database.drop());

test('migrations: one process migrates at a time; a waiting one reports it, can be cancelled, and then finds nothing to do', async () => {
  const first = database.source.createQueryRunner();
  // The lock key of migrate().
  await first.query('SELECT pg_advisory_lock(4739201)');
  const messages: string[] = [];
  const control = new AbortController();
  const interrupted = migrate(database.source, { signal: control.signal });
  const waiting = migrate(database.source, { progress: (text) => void messages.push(text) });
  control.abort(new Error('interrupted'));
  await expect(interrupted).rejects.toThrow('interrupted');
  await expect.poll(() => messages).toEqual(['waiting for another process that is migrating this database']);
  await first.query('SELECT pg_advisory_unlock(4739201)');
  await first.release();
  expect((await waiting).length).toBeGreaterThan(5);
  expect(messages[1]).toMatch(/^running \d+$/);
  expect(await migrate(database.source, { progress: (text) => void messages.push(text) })).toEqual([]);
  expect(messages.at(-1)).toBe('up to date');
});
