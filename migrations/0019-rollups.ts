import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Columns of the sums of a meter. */
const SUM = `amount numeric, measured interval NOT NULL, estimated boolean NOT NULL, suspect boolean NOT NULL, corrected timestamptz`;

/** Sums of consumption by hour, day and month, and of occupancy by hour. They are empty: the hub fills them while it runs. */
export class Rollups0019 implements MigrationInterface {
  name = 'Rollups0019';

  async up(run: QueryRunner): Promise<void> {
    await run.query(`
      CREATE TABLE energy_hour (meter text NOT NULL, start timestamptz NOT NULL, ${SUM}, PRIMARY KEY (meter, start));
      CREATE TABLE energy_day (meter text NOT NULL, start timestamptz NOT NULL, ${SUM}, PRIMARY KEY (meter, start));
      CREATE TABLE energy_month (meter text NOT NULL, start timestamptz NOT NULL, ${SUM}, PRIMARY KEY (meter, start));
      CREATE TABLE energy_gap (
        meter text NOT NULL, level smallint NOT NULL, since timestamptz NOT NULL, time timestamptz NOT NULL,
        amount numeric, estimated boolean NOT NULL, suspect boolean NOT NULL, corrected timestamptz,
        PRIMARY KEY (meter, level, since)
      );
      CREATE TABLE energy_rollup (
        meter text PRIMARY KEY, claimed timestamptz NOT NULL, until timestamptz NOT NULL, read_from timestamptz NOT NULL,
        complete boolean NOT NULL, zone text NOT NULL, unit text, modulus numeric
      );
      CREATE TABLE energy_dirty (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, meter text NOT NULL, since timestamptz NOT NULL, until timestamptz NOT NULL,
        read_from timestamptz NOT NULL
      );
      CREATE INDEX energy_dirty_meter ON energy_dirty (meter);
      CREATE TABLE occupancy_hour (
        installation text NOT NULL, lot text NOT NULL, start timestamptz NOT NULL, measured integer NOT NULL, total bigint NOT NULL,
        min integer, max integer, flagged integer NOT NULL, PRIMARY KEY (installation, lot, start)
      );
      CREATE INDEX occupancy_hour_age ON occupancy_hour (start);
      CREATE TABLE occupancy_rollup (
        installation text NOT NULL, lot text NOT NULL, claimed timestamptz NOT NULL, until timestamptz NOT NULL,
        PRIMARY KEY (installation, lot)
      );
      CREATE TABLE occupancy_dirty (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, installation text NOT NULL, lot text NOT NULL, start timestamptz NOT NULL
      );
      CREATE INDEX occupancy_dirty_lot ON occupancy_dirty (installation, lot);
    `);
  }

  async down(run: QueryRunner): Promise<void> {
    await run.query(`
      DROP TABLE occupancy_dirty, occupancy_rollup, occupancy_hour;
      DROP TABLE energy_dirty, energy_rollup, energy_gap, energy_month, energy_day, energy_hour;
    `);
  }
}
