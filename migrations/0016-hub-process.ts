import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The processes that use this database, and their configurations. */
export class HubProcess0016 implements MigrationInterface {
  name = 'HubProcess0016';

  async up(run: QueryRunner): Promise<void> {
    await run.query(`
      CREATE TABLE hub_process (
        owner text PRIMARY KEY, role text NOT NULL, host text NOT NULL, pid integer NOT NULL,
        configuration text NOT NULL, started_at timestamptz NOT NULL DEFAULT now(), until timestamptz NOT NULL
      );
      CREATE TABLE hub_configuration (
        digest text PRIMARY KEY, number bigint NOT NULL, outline jsonb NOT NULL, set_by text NOT NULL,
        set_at timestamptz NOT NULL DEFAULT now()
      );
    `);
  }

  async down(run: QueryRunner): Promise<void> {
    await run.query('DROP TABLE hub_configuration, hub_process');
  }
}
