import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Indexes by age, for pruning event keys and mutations. */
export class EventUpkeep0011 implements MigrationInterface {
  name = 'EventUpkeep0011';

  async up(run: QueryRunner): Promise<void> {
    await run.query(`
      CREATE INDEX event_key_age ON event_key (recorded_at);
      CREATE INDEX mutation_age ON mutation (started_at);
    `);
  }

  async down(run: QueryRunner): Promise<void> {
    await run.query(`
      DROP INDEX mutation_age, event_key_age;
    `);
  }
}
