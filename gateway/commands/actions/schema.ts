/** `isthmus schema`: prints the pictures, or compares and lints. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { differing, lintGraph, pictures, writePictures } from '../../../connectors/print-snapshots.ts';
import { migrate } from '../../../migrations/migrate.ts';
import { openDatabase } from '../../../schema/database/database.ts';
import { startEmbedded } from '../../../schema/database/embedded/embedded-postgres.ts';
import { databasePicture } from '../../../schema/database/snapshot.ts';
import { packageFolder } from '../../sources/schema-snapshots.ts';
import { rightsRows, withRightsTable } from '../../trust/rights/rights-table.ts';

/** True when everything is as it should be. */
export async function schemaCommand(options: { check: boolean; say(text: string): void }): Promise<boolean> {
  const { check, say } = options;
  const root = packageFolder();
  const files = await pictures(root, await printDatabase());
  const rows = rightsRows(files.get('schema/supergraph.graphql') ?? '', files.get('schema/api.graphql') ?? '');
  files.set('docs/security.md', withRightsTable(readFileSync(join(root, 'docs', 'security.md'), 'utf8'), rows));
  const faults = await lintGraph();
  for (const fault of faults) say(`lint: ${fault}`);
  if (check) {
    const stale = differing(root, files);
    for (const file of stale)
      say(`${file} is not as the code prints it: run npm run schema and look at the difference.`);
    if (stale.length === 0 && faults.length === 0) say(`${files.size} pictures are as the code prints them; no lint.`);
    return stale.length === 0 && faults.length === 0;
  }
  const written = writePictures(root, files);
  say(written.length > 0 ? `Written: ${written.join(', ')}` : 'Nothing changed.');
  return faults.length === 0;
}

/** Migrates an empty database and prints it. */
async function printDatabase(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'isthmus-schema-'));
  const embedded = await startEmbedded({ directory, durable: false });
  try {
    const database = await openDatabase(embedded.url, { pool: 2 });
    try {
      await migrate(database.source);
      return await databasePicture(database.source);
    } finally {
      await database.close();
    }
  } finally {
    await embedded.stop();
    await rm(embedded.directory, { recursive: true, force: true });
    await rm(directory, { recursive: true, force: true });
  }
}
