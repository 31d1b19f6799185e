import type { MigrationInterface, QueryRunner } from 'typeorm';

/** All migrations of versions before 0.2, which recorded them in `schema_step`, with their numbers there. */
const RECORDED = [
  'Core0001',
  'Parking0003',
  'Tax0004',
  'Energy0005',
  'Registration0006',
  'TaxAttempts0007',
  'Audit0008',
  'Consent0009',
  'Kept0010',
  'EventUpkeep0011',
  'CompanyFact0012',
  'RefusedPayloads0013',
  'ReadingHistory0014',
  'EventQuarantine0015',
  'HubProcess0016',
  'ConnectorOutage0017',
];

/**
 * Closes `schema_step`, where versions before 0.2 recorded migrations: they reject a database with a migration unknown to them. Reverting
 * this migration leaves the table as such a version would have written it.
 */
export class MigrationTable0018 implements MigrationInterface {
  name = 'MigrationTable0018';

  async up(run: QueryRunner): Promise<void> {
    await run.query(`
      CREATE TABLE IF NOT EXISTS schema_step (
        number integer PRIMARY KEY, name text NOT NULL, run_at timestamptz NOT NULL DEFAULT now()
      );
    `);
    await run.query(
      `INSERT INTO schema_step (number, name) SELECT number, name FROM unnest($1::text[]) WITH ORDINALITY AS recorded (name, number)
       ON CONFLICT DO NOTHING`,
      [[...RECORDED, this.name]],
    );
  }

  async down(run: QueryRunner): Promise<void> {
    await run.query('DELETE FROM schema_step WHERE name = $1', [this.name]);
  }
}
