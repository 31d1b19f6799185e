/** Starts one PostgreSQL cluster for the test run; each test file creates its own database in it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
  return async () => {
    await cluster.stop();
    rmSync(cluster.directory, { recursive: true, force: true });
    rmSync(directory, { recursive: true, force: true });
  };
}
