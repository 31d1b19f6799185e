import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Number of attempts per tax file, and the state of clearance requests. */
export class TaxAttempts0007 implements MigrationInterface {
  name = 'TaxAttempts0007';

  async up(run: QueryRunner): Promise<void> {
    await run.query(`
      ALTER TABLE tax_file ADD COLUMN attempts integer NOT NULL DEFAULT 1;
      CREATE INDEX tax_file_taken ON tax_file (installation, settled_at) WHERE state = 'TAKEN';
      ALTER TABLE tax_account DROP COLUMN stated;
      ALTER TABLE tax_clearance
        ADD COLUMN state text NOT NULL, ADD COLUMN since timestamptz NOT NULL, ADD COLUMN receipt text, ADD COLUMN reason text;
    `);
  }

  async down(run: QueryRunner): Promise<void> {
    await run.query(`
      ALTER TABLE tax_clearance DROP COLUMN reason, DROP COLUMN receipt, DROP COLUMN since, DROP COLUMN state;
      ALTER TABLE tax_account ADD COLUMN stated boolean NOT NULL DEFAULT true;
      ALTER TABLE tax_account ALTER COLUMN stated DROP DEFAULT;
      DROP INDEX tax_file_taken;
      ALTER TABLE tax_file DROP COLUMN attempts;
    `);
  }
}
