import type { MigrationInterface, QueryRunner } from 'typeorm';

/** One heartbeat for all leases of a process and for the status rows that it writes. */
export class ProcessHeartbeat0021 implements MigrationInterface {
  name = 'ProcessHeartbeat0021';

  async up(run: QueryRunner): Promise<void> {
    await run.query(`
      CREATE TABLE process_heartbeat (
        owner text NOT NULL, renewed_at timestamptz NOT NULL, until timestamptz NOT NULL,
        PRIMARY KEY (owner)
      );
      ALTER TABLE source ADD reporter text;
    `);
  }

  async down(run: QueryRunner): Promise<void> {
    // A version without heartbeats would never acquire a lease without an end.
    await run.query(`
      UPDATE lease SET until = now() WHERE until = 'infinity';
      ALTER TABLE source DROP reporter;
      DROP TABLE process_heartbeat;
    `);
  }
}
