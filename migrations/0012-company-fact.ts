import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Facts about companies by installation, for finding conflicts. */
export class CompanyFact0012 implements MigrationInterface {
  name = 'CompanyFact0012';

  async up(run: QueryRunner): Promise<void> {
    await run.query(`
      CREATE TABLE company_fact (
        uscc text NOT NULL, field text NOT NULL, installation text NOT NULL, connector text NOT NULL,
        value text NOT NULL, authority boolean NOT NULL, recorded_at timestamptz, fetched_at timestamptz NOT NULL,
        PRIMARY KEY (uscc, field, installation)
      );
    `);
  }

  async down(run: QueryRunner): Promise<void> {
    await run.query('DROP TABLE company_fact');
  }
}
