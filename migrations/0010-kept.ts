import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The read cache: last readings of the sources, kept across restarts. */
export class Kept0010 implements MigrationInterface {
  name = 'Kept0010';

  async up(run: QueryRunner): Promise<void> {
    await run.query(`
      CREATE TABLE kept (
        installation text NOT NULL, key bytea NOT NULL, value jsonb NOT NULL, fetched_at timestamptz NOT NULL,
        recorded_at timestamptz, until timestamptz NOT NULL, PRIMARY KEY (installation, key)
      );
      CREATE INDEX kept_age ON kept (installation, fetched_at);
      CREATE INDEX kept_until ON kept (installation, until);
    `);
  }

  async down(run: QueryRunner): Promise<void> {
    await run.query('DROP TABLE kept');
  }
}
