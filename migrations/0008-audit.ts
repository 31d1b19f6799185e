import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The audit log: chains, entries, their companies, signed statements, keys, salts. */
export class Audit0008 implements MigrationInterface {
  name = 'Audit0008';

  async up(run: QueryRunner): Promise<void> {
    await run.query(`
      CREATE TABLE audit_chain (
        chain text PRIMARY KEY, digest text NOT NULL, head text NOT NULL, begun timestamptz NOT NULL,
        trimmed bigint NOT NULL DEFAULT 0, trimmed_hash bytea
      );
      CREATE TABLE audit_entry (
        chain text NOT NULL, number bigint NOT NULL, time timestamptz NOT NULL, body text NOT NULL, hash bytea NOT NULL,
        PRIMARY KEY (chain, number)
      );
      CREATE INDEX audit_entry_time ON audit_entry USING brin (time);
      CREATE TABLE audit_subject (
        subject text NOT NULL, time timestamptz NOT NULL, chain text NOT NULL, number bigint NOT NULL,
        PRIMARY KEY (subject, time, chain, number)
      );
      CREATE INDEX audit_subject_entry ON audit_subject (chain, number);
      CREATE TABLE audit_statement (
        number bigint PRIMARY KEY, chain text, count bigint NOT NULL, body text NOT NULL, signature text NOT NULL
      );
      CREATE TABLE audit_key (id text PRIMARY KEY, jwk jsonb NOT NULL, first_used timestamptz NOT NULL DEFAULT now());
      CREATE TABLE audit_salt (
        type text NOT NULL, id text NOT NULL, salt bytea NOT NULL, salted text NOT NULL, PRIMARY KEY (type, id)
      );
    `);
  }

  async down(run: QueryRunner): Promise<void> {
    await run.query('DROP TABLE audit_salt, audit_key, audit_statement, audit_subject, audit_entry, audit_chain');
  }
}
