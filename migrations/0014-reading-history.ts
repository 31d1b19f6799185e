import type { MigrationInterface, QueryRunner } from 'typeorm';

/** History of corrected readings, and the time before which retention has deleted readings and observations. */
export class ReadingHistory0014 implements MigrationInterface {
  name = 'ReadingHistory0014';

  async up(run: QueryRunner): Promise<void> {
    // Existing readings have no receive time and gateway.
    await run.query(`
      ALTER TABLE meter_reading ADD COLUMN revision integer NOT NULL DEFAULT 0, ADD COLUMN received_at timestamptz,
        ADD COLUMN origin text, ADD COLUMN corrected_at timestamptz;
      CREATE TABLE meter_reading_history (
        meter text NOT NULL, time timestamptz NOT NULL, value numeric NOT NULL, quality text NOT NULL, revision integer NOT NULL,
        received_at timestamptz, origin text, superseded_at timestamptz NOT NULL,
        PRIMARY KEY (meter, time, revision, value, quality)
      );
      CREATE INDEX meter_reading_history_age ON meter_reading_history (time);
      CREATE INDEX occupancy_age ON occupancy (time);
      CREATE TABLE dropped_before (what text PRIMARY KEY, before timestamptz NOT NULL);
    `);
  }

  async down(run: QueryRunner): Promise<void> {
    await run.query(`
      DROP TABLE dropped_before, meter_reading_history;
      DROP INDEX occupancy_age;
      ALTER TABLE meter_reading DROP COLUMN corrected_at, DROP COLUMN origin, DROP COLUMN received_at, DROP COLUMN revision;
    `);
  }
}
