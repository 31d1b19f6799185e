/** A database of its own for each test file, in the one cluster that the test run started. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { migrate } from '../../../migrations/migrate.ts';
import { type Database, openDatabase } from '../../../schema/database/database.ts';

/** Address of the test run's cluster; set by tests/global.ts. */
export function clusterUrl(): string {
  const url = process.env['ISTHMUS_TEST_CLUSTER'];
  if (!url)
    throw new Error(
      'ISTHMUS_TEST_CLUSTER is not set: run the tests by `npx --no-install vitest`, which starts the cluster.',
    );
  return url;
}

/** Makes an empty database and brings it to this version. `url` can be handed to other processes. */
export async function freshDatabase(
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
  const database = await openDatabase(url, { pool: 8, name: 'isthmus test' });
  if (options.migrated !== false) await migrate(database.source);
  database.settle();
  return {
    ...database,
    drop: async () => {
      await database.close();
      await admin(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  };
}

/**
 * From now on no transaction that writes events commits: all its statements succeed, and COMMIT itself fails with `no commit`.
 * Answers what ends this.
 */
export async function refuseCommits(database: Database): Promise<() => Promise<void>> {
  await database.plain.query(`
    CREATE FUNCTION no_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no commit'; END $$;
    CREATE CONSTRAINT TRIGGER no_commit AFTER UPDATE ON event_head DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION no_commit();
  `);
  return async () => {
    await database.plain.query('DROP TRIGGER no_commit ON event_head; DROP FUNCTION no_commit()');
  };
}
