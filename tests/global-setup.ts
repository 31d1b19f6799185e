/** Starts one PostgreSQL cluster for the test run, with a migrated database; each test file creates its own database in it, as a copy. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTemplateDatabase } from '../connectors/kit/testing/test-database.ts';
import { startEmbeddedPostgres } from '../schema/database/embedded/embedded-postgres.ts';

export default async function setup(): Promise<() => Promise<void>> {
  const given = process.env['ISTHMUS_TEST_CLUSTER'];
  if (given) return async () => undefined;
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-tests-'));
  const cluster = await startEmbeddedPostgres({
    directory,
    durable: false,
    settings: { max_connections: '200' },
  });
  process.env['ISTHMUS_TEST_CLUSTER'] = cluster.url;
  process.env['ISTHMUS_TEST_TEMPLATE'] = await createTemplateDatabase();
  return async () => {
    await cluster.stop();
    rmSync(cluster.directory, { recursive: true, force: true });
    rmSync(directory, { recursive: true, force: true });
  };
}
