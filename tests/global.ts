/** One PostgreSQL cluster for the whole test run; each test file makes a database of its own in it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbedded } from '../schema/database/embedded/embedded-postgres.ts';

export default async function setup(): Promise<() => Promise<void>> {
  const given = process.env['ISTHMUS_TEST_CLUSTER'];
  if (given) return async () => undefined;
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-tests-'));
  const cluster = await startEmbedded({
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
