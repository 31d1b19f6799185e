import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Vehicles by opaque id, and occupancy observations. */
export class Parking0003 implements MigrationInterface {
  name = 'Parking0003';

  async up(run: QueryRunner): Promise<void> {
    await run.query(`
      CREATE TABLE vehicle (
        id text NOT NULL, installation text NOT NULL, plate text NOT NULL, colour text NOT NULL, company text,
        PRIMARY KEY (id, installation)
      );
      CREATE INDEX vehicle_plate ON vehicle (plate);
      CREATE TABLE occupancy (
        installation text NOT NULL, vendor_id text NOT NULL, lot text NOT NULL, time timestamptz NOT NULL,
        occupied integer NOT NULL, capacity integer,
        over_capacity boolean NOT NULL, negative boolean NOT NULL, duplicate boolean NOT NULL,
        PRIMARY KEY (installation, vendor_id)
      );
      CREATE INDEX occupancy_lot ON occupancy (installation, lot, time);
    `);
  }

  async down(run: QueryRunner): Promise<void> {
    await run.query('DROP TABLE occupancy, vehicle');
  }
}
