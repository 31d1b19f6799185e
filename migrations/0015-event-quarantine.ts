import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Events that do not match their type: rejected on arrival (position null), or found in the log. */
export class EventQuarantine0015 implements MigrationInterface {
  name = 'EventQuarantine0015';

  async up(run: QueryRunner): Promise<void> {
    await run.query(`
      CREATE TABLE event_quarantine (
        id text PRIMARY KEY, installation text NOT NULL, position bigint, kind text NOT NULL, field text NOT NULL,
        reason text NOT NULL, event text NOT NULL, found_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE INDEX event_quarantine_age ON event_quarantine (found_at);
    `);
  }

  async down(run: QueryRunner): Promise<void> {
    await run.query('DROP TABLE event_quarantine');
  }
}
