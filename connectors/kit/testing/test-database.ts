/** One database per test file, in the PostgreSQL cluster that the test run started. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { migrate } from '../../../migrations/migrate.ts';
import { type Database, openDatabase } from '../../../schema/database/database.ts';

/** URL of the test run's cluster, set by tests/global-setup.ts. Throws when ISTHMUS_TEST_CLUSTER is not set. */
export function clusterUrl(): string {
  const url = process.env['ISTHMUS_TEST_CLUSTER'];
  if (!url)
    throw new Error(
      'ISTHMUS_TEST_CLUSTER is not set. Run the tests with `npx --no-install vitest`, which starts the cluster.',
    );
  return url;
}

async function admin(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: clusterUrl() });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
const open = (name: string): Promise<Database> =>
  openDatabase(clusterUrl().replace(/\/[^/?]+(\?|$)/, `/${name}$1`), { poolSize: 8, name: 'isthmus test' });

/** Creates a migrated database that `createTestDatabase` copies when ISTHMUS_TEST_TEMPLATE is its name. Returns the name. */
export async function createTemplateDatabase(): Promise<string> {
  const name = 'isthmus_template';
  await admin(`CREATE DATABASE ${name}`);
  const database = await open(name);
  await migrate(database.source);
  await database.close();
  return name;
}

/** Creates an empty database or, unless `migrated` is false, a migrated one. Its `url` can be given to other processes. */
export async function createTestDatabase(
  options: { migrated?: boolean } = {},
): Promise<Database & { drop(): Promise<void> }> {
  const name = `t_${randomBytes(6).toString('hex')}`;
  const isMigrated = options.migrated !== false;
  const template = process.env['ISTHMUS_TEST_TEMPLATE'];
  // Copying files takes half of the CPU time of writing the copy to the write-ahead log, the default.
  const copy = isMigrated && template ? ` TEMPLATE ${template} STRATEGY FILE_COPY` : '';
  await admin(`CREATE DATABASE ${name}${copy}`);
  const database = await open(name);
  if (isMigrated && !template) await migrate(database.source);
  database.endStartup();
  return {
    ...database,
    drop: async () => {
      await database.close();
      await admin(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  };
}

/**
 * Makes every transaction that writes events fail at COMMIT with `no commit`; its statements succeed.
 * Returns a function that ends this.
 */
export async function failCommits(database: Database): Promise<() => Promise<void>> {
  await database.plain.query(`
    CREATE FUNCTION no_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no commit'; END $$;
    CREATE CONSTRAINT TRIGGER no_commit AFTER UPDATE ON event_head DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION no_commit();
  `);
  return async () => {
    await database.plain.query('DROP TRIGGER no_commit ON event_head; DROP FUNCTION no_commit()');
  };
}
