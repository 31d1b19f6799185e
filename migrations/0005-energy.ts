import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Meters, raw readings by month, and rejected payloads. */
export class Energy0005 implements MigrationInterface {
  name = 'Energy0005';

  async up(run: QueryRunner): Promise<void> {
    await run.query(`
      CREATE TABLE meter (
        id text PRIMARY KEY, installation text NOT NULL, serial text NOT NULL, medium text, unit text,
        building text, company text, modulus numeric
      );
      CREATE INDEX meter_company ON meter (company, id);
      CREATE INDEX meter_building ON meter (building, id);
      CREATE INDEX meter_installation ON meter (installation);
      CREATE TABLE meter_reading (
        meter text NOT NULL, time timestamptz NOT NULL, value numeric NOT NULL, quality text NOT NULL,
        PRIMARY KEY (meter, time)
      ) PARTITION BY RANGE (time);
      CREATE TABLE meter_refusal (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, installation text NOT NULL, topic text NOT NULL,
        payload bytea NOT NULL, reason text NOT NULL, at timestamptz NOT NULL
      );
      CREATE INDEX meter_refusal_installation ON meter_refusal (installation, id);
    `);
  }

  async down(run: QueryRunner): Promise<void> {
    await run.query('DROP TABLE meter_refusal, meter_reading, meter');
  }
}
