import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Tax files with their original bytes and rejected rows, and the mirror of accounts, filings and invoices. */
export class Tax0004 implements MigrationInterface {
  name = 'Tax0004';

  async up(run: QueryRunner): Promise<void> {
    await run.query(`
      CREATE TABLE tax_file (
        installation text NOT NULL, digest bytea NOT NULL, name text NOT NULL, size bigint NOT NULL, bytes bytea,
        modified_at timestamptz NOT NULL, received_at timestamptz NOT NULL, state text NOT NULL,
        layout text, recorded_at timestamptz, rows integer, refused integer, reason text, detail text,
        notes text[] NOT NULL DEFAULT '{}', settled_at timestamptz,
        PRIMARY KEY (installation, digest)
      );
      CREATE TABLE tax_row_report (
        installation text NOT NULL, digest bytea NOT NULL, number integer NOT NULL, line integer NOT NULL,
        reason text NOT NULL, detail text NOT NULL,
        PRIMARY KEY (installation, digest, number),
        FOREIGN KEY (installation, digest) REFERENCES tax_file ON DELETE CASCADE
      );
      CREATE TABLE tax_account (
        installation text NOT NULL, company text NOT NULL, standing text NOT NULL,
        standing_since date, stated boolean NOT NULL, digest bytea NOT NULL, recorded_at timestamptz NOT NULL,
        PRIMARY KEY (installation, company)
      );
      CREATE TABLE tax_filing (
        installation text NOT NULL, company text NOT NULL, number text NOT NULL, period text NOT NULL,
        ends text NOT NULL GENERATED ALWAYS AS (
          CASE WHEN length(period) = 4 THEN period || '-12'
            WHEN substr(period, 6, 1) = 'Q' THEN left(period, 5) || lpad((substr(period, 7, 1)::integer * 3)::text, 2, '0')
            ELSE period END
        ) STORED,
        filed_on date, amount numeric NOT NULL, currency text NOT NULL,
        digest bytea NOT NULL, recorded_at timestamptz NOT NULL,
        PRIMARY KEY (installation, company, number)
      );
      CREATE INDEX tax_filing_order ON tax_filing (installation, company, ends, number);
      CREATE INDEX tax_filing_period ON tax_filing (installation, period);
      CREATE TABLE tax_invoice (
        installation text NOT NULL, company text NOT NULL, number text NOT NULL, issued_on date NOT NULL,
        net numeric NOT NULL, tax numeric NOT NULL, gross numeric NOT NULL, currency text NOT NULL,
        cancelled boolean NOT NULL, counted boolean NOT NULL, original text,
        digest bytea NOT NULL, recorded_at timestamptz NOT NULL,
        PRIMARY KEY (installation, company, number)
      );
      CREATE INDEX tax_invoice_order ON tax_invoice (installation, company, issued_on, number);
      CREATE INDEX tax_invoice_day ON tax_invoice (installation, issued_on);
      CREATE TABLE tax_clearance (
        installation text NOT NULL, reference text NOT NULL, company text NOT NULL, until text NOT NULL,
        requested_at timestamptz NOT NULL,
        PRIMARY KEY (installation, reference)
      );
    `);
  }

  async down(run: QueryRunner): Promise<void> {
    await run.query('DROP TABLE tax_clearance, tax_invoice, tax_filing, tax_account, tax_row_report, tax_file');
  }
}
