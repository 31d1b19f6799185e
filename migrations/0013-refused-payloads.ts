import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Rejected payloads are stored completely, with size, digest and gateway; totals count stored and dropped payloads. */
export class RefusedPayloads0013 implements MigrationInterface {
  name = 'RefusedPayloads0013';

  async up(run: QueryRunner): Promise<void> {
    // Payloads were truncated to 4,096 bytes before, so a stored one of that length may be incomplete.
    await run.query(`
      ALTER TABLE meter_refusal ADD COLUMN gateway text, ADD COLUMN size bigint, ADD COLUMN digest bytea, ADD COLUMN whole boolean;
      UPDATE meter_refusal SET size = octet_length(payload), digest = sha256(payload), whole = octet_length(payload) < 4096;
      ALTER TABLE meter_refusal ALTER COLUMN size SET NOT NULL, ALTER COLUMN digest SET NOT NULL,
        ALTER COLUMN whole SET NOT NULL, ALTER COLUMN whole SET DEFAULT true;
      ALTER TABLE meter_refusal ADD COLUMN weight bigint NOT NULL
        GENERATED ALWAYS AS (size + octet_length(topic) + octet_length(reason) + 128) STORED;
      CREATE INDEX meter_refusal_age ON meter_refusal (installation, at);
      CREATE TABLE meter_refusal_part (
        refusal bigint NOT NULL, number integer NOT NULL, installation text NOT NULL, payload bytea NOT NULL,
        PRIMARY KEY (refusal, number)
      );
      CREATE TABLE meter_refusal_total (
        installation text PRIMARY KEY, count bigint NOT NULL, bytes bigint NOT NULL,
        dropped bigint NOT NULL DEFAULT 0, dropped_bytes bigint NOT NULL DEFAULT 0,
        dropped_until timestamptz, dropped_at timestamptz,
        expired bigint NOT NULL DEFAULT 0, expired_bytes bigint NOT NULL DEFAULT 0
      );
      INSERT INTO meter_refusal_total (installation, count, bytes)
        SELECT installation, count(*), sum(weight) FROM meter_refusal GROUP BY installation;
    `);
  }

  async down(run: QueryRunner): Promise<void> {
    await run.query(`
      DROP TABLE meter_refusal_total, meter_refusal_part;
      DROP INDEX meter_refusal_age;
      ALTER TABLE meter_refusal DROP COLUMN weight, DROP COLUMN whole, DROP COLUMN digest, DROP COLUMN size, DROP COLUMN gateway;
    `);
  }
}
