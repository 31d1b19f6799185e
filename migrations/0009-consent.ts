import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Consents: which client may use a company's data for which purpose. */
export class Consent0009 implements MigrationInterface {
  name = 'Consent0009';

  async up(run: QueryRunner): Promise<void> {
    await run.query(`
      CREATE TABLE consent (
        id text PRIMARY KEY, company text NOT NULL, client text NOT NULL, purpose text NOT NULL,
        granted_at timestamptz NOT NULL, granted_by text NOT NULL, expires_at timestamptz,
        revoked_at timestamptz, revoked_by text
      );
      CREATE INDEX consent_company ON consent (company, granted_at);
      CREATE INDEX consent_client ON consent (client) WHERE revoked_at IS NULL;
    `);
  }

  async down(run: QueryRunner): Promise<void> {
    await run.query('DROP TABLE consent');
  }
}
