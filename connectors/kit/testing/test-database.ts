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

/** Creates an empty database and, unless `migrated` is false, migrates it. Its `url` can be given to other processes. */
export async function createTestDatabase(
  options: { migrated?: boolean } = {},
): Promise<Database & { drop(): Promise<void> }> {
  const name = `t_${randomBytes(6).toString('hex')}`;
  const admin = async (sql: string) => {
    const client = new pg.Client({ connectionString: clusterUrl() });
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  };
  await admin(`CREATE DATABASE ${name}`);
  const url = clusterUrl().replace(/\/[^/?]+(\?|$)/, `/${name}$1`);
  const database = await openDatabase(url, { poolSize: 8, name: 'isthmus test' });
  if (options.migrated !== false) await migrate(database.source);
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
