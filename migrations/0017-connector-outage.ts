import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Connector processes that a gateway cannot reach. */
export class ConnectorOutage0017 implements MigrationInterface {
  name = 'ConnectorOutage0017';

  async up(run: QueryRunner): Promise<void> {
    await run.query(`
      CREATE TABLE connector_outage (
        connector text NOT NULL, seen_by text NOT NULL, reason text NOT NULL,
        since timestamptz NOT NULL, seen_at timestamptz NOT NULL,
        PRIMARY KEY (connector, seen_by)
      );
    `);
  }

  async down(run: QueryRunner): Promise<void> {
    await run.query('DROP TABLE connector_outage');
  }
}
