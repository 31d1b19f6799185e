/** `isthmus schema`: prints the snapshots, or compares them with the checked-in files, and lints the graph. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lintGraph, outdatedSnapshots, snapshots, writeSnapshots } from '../../../connectors/print-snapshots.ts';
import { migrate } from '../../../migrations/migrate.ts';
import { openDatabase } from '../../../schema/database/database.ts';
import { startEmbeddedPostgres } from '../../../schema/database/embedded/embedded-postgres.ts';
import { declaredTables, entityDifferences } from '../../../schema/database/snapshot/entity-differences.ts';
import { printTables } from '../../../schema/database/snapshot/print-tables.ts';
import { readTables } from '../../../schema/database/snapshot/read-tables.ts';
import { packageFolder } from '../../sources/schema-snapshots.ts';
import { rightsRows, withRightsTable } from '../../trust/rights/rights-table.ts';

/**
 * False when the lint reports something, the entities differ from the migrations, or with `check` a checked-in file is out of date. Without
 * `check` it writes what changed.
 */
export async function schemaCommand(options: { check: boolean; say(text: string): void }): Promise<boolean> {
  const { check, say } = options;
  const root = packageFolder();
  const database = await readDatabase();
  const files = await snapshots(root, database.text);
  const rows = rightsRows(files.get('schema/supergraph.graphql') ?? '', files.get('schema/api.graphql') ?? '');
  files.set('docs/security.md', withRightsTable(readFileSync(join(root, 'docs', 'security.md'), 'utf8'), rows));
  const findings = await lintGraph();
  for (const finding of findings) say(`lint: ${finding}`);
  for (const difference of database.differences) say(`entities: ${difference}`);
  if (check) {
    const stale = outdatedSnapshots(root, files);
    for (const file of stale) say(`${file} is out of date. Run \`npm run schema\` and review the diff.`);
    const isFine = stale.length === 0 && findings.length === 0 && database.differences.length === 0;
    if (isFine) say(`${files.size} snapshots are up to date; no lint findings; the entities fit the migrations.`);
    return isFine;
  }
  const written = writeSnapshots(root, files);
  say(written.length > 0 ? `Wrote ${written.join(', ')}` : 'All snapshots are up to date.');
  return findings.length === 0 && database.differences.length === 0;
}

/** Starts an empty database; resolves with the text of the migrated schema, and the differences between it and the entities. */
async function readDatabase(): Promise<{ text: string; differences: string[] }> {
  const directory = await mkdtemp(join(tmpdir(), 'isthmus-schema-'));
  const embedded = await startEmbeddedPostgres({ directory, durable: false });
  try {
    const database = await openDatabase(embedded.url, { poolSize: 2 });
    try {
      const declared = await declaredTables(database.source);
      await database.plain.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
      await migrate(database.source);
      const made = await readTables(database.plain);
      return { text: printTables(made), differences: entityDifferences(declared, made) };
    } finally {
      await database.close();
    }
  } finally {
    await embedded.stop();
    await rm(embedded.directory, { recursive: true, force: true });
    await rm(directory, { recursive: true, force: true });
  }
}
