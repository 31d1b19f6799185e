import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Register entries as last read, and open applications. */
export class Registration0006 implements MigrationInterface {
  name = 'Registration0006';

  async up(run: QueryRunner): Promise<void> {
    await run.query(`
      CREATE TABLE register_entry (
        installation text NOT NULL, uscc text NOT NULL, fields jsonb NOT NULL, PRIMARY KEY (installation, uscc)
      );
      CREATE TABLE register_application (
        installation text NOT NULL, number text NOT NULL, reference text NOT NULL, uscc text NOT NULL, state text NOT NULL,
        PRIMARY KEY (installation, number)
      );
    `);
  }

  async down(run: QueryRunner): Promise<void> {
    await run.query('DROP TABLE register_application, register_entry');
  }
}
