/** Replaces mirrored rows with the content of a file. Rows from newer files are not changed. */
import type { TaxFilingRow, TaxInvoiceRow } from '../entities/tax.ts';
import type { Tx } from '../transaction.ts';

type ReplacementScope = 'all' | 'named' | 'none';

/** The content of a file and the rows that it replaces. */
export interface MirrorFile {
  readonly digest: string;
  readonly recordedAt: Date;
  /** Credit codes of the companies in the file. */
  readonly companies: readonly string[];
  readonly scope: {
    readonly accounts: ReplacementScope;
    readonly filings: ReplacementScope;
    readonly filingPeriod: string | null;
    readonly invoices: ReplacementScope;
    readonly invoiceDays: { readonly from: string; readonly to: string } | null;
    readonly spared: {
      readonly accounts: readonly string[];
      readonly documents: readonly (readonly [string, string])[];
      readonly all: boolean;
    };
  };
  readonly accounts: readonly { readonly company: string; readonly standing: string; readonly since: string | null }[];
  readonly filings: readonly MirroredFiling[];
  readonly invoices: readonly MirroredInvoice[];
}

/** A return without what the hub adds. */
export type MirroredFiling = Readonly<Omit<TaxFilingRow, 'installation' | 'ends' | 'digest' | 'recordedAt'>>;

/** An invoice without what the hub adds. */
export type MirroredInvoice = Readonly<Omit<TaxInvoiceRow, 'installation' | 'digest' | 'recordedAt'>>;

/** Replaces accounts, filings and invoices in the caller's transaction. */
export async function replaceTaxMirror(tx: Tx, installation: string, file: MirrorFile): Promise<void> {
  await replaceAccounts(tx, installation, file);
  await replaceFilings(tx, installation, file);
  await replaceInvoices(tx, installation, file);
}

async function replaceAccounts(tx: Tx, installation: string, { scope, accounts, recordedAt, digest }: MirrorFile) {
  if (scope.accounts === 'none') return;
  if (scope.accounts === 'all' && !scope.spared.all) {
    const remaining = [...accounts.map((account) => account.company), ...scope.spared.accounts];
    await tx.query(
      'DELETE FROM tax_account WHERE installation = $1 AND recorded_at <= $2 AND company <> ALL($3::text[])',
      [installation, recordedAt, remaining],
    );
  }
  await tx.query(
    `INSERT INTO tax_account (installation, company, standing, standing_since, digest, recorded_at)
     SELECT $1, company, standing, since, $2, $3
     FROM unnest($4::text[], $5::text[], $6::date[]) AS given (company, standing, since) ORDER BY company
     ON CONFLICT (installation, company) DO UPDATE SET standing = excluded.standing, standing_since = excluded.standing_since,
       digest = excluded.digest, recorded_at = excluded.recorded_at
     WHERE tax_account.recorded_at <= excluded.recorded_at`,
    [
      ...[installation, Buffer.from(digest, 'hex'), recordedAt],
      ...[
        accounts.map((account) => account.company),
        accounts.map((account) => account.standing),
        accounts.map((account) => account.since),
      ],
    ],
  );
}

/** Deletes the rows that the file replaces; resolves with the companies that have rows from newer files. */
async function deleteReplaced(
  tx: Tx,
  table: 'tax_filing' | 'tax_invoice',
  installation: string,
  file: MirrorFile,
  place: { readonly test: string; readonly values: readonly unknown[]; readonly width: ReplacementScope },
): Promise<ReadonlySet<string>> {
  const whose = place.width === 'all' ? 'true' : 'company = ANY($3::text[])';
  const values = [installation, file.recordedAt, file.companies, ...place.values];
  const within = `installation = $1 AND ${whose} AND $3::text[] IS NOT NULL AND ${place.test}`;
  const newer: { company: string }[] = await tx.query(
    `SELECT DISTINCT company FROM ${table} WHERE ${within} AND recorded_at > $2`,
    values,
  );
  const known = new Set(newer.map((row) => row.company));
  if (file.scope.spared.all) return known;
  const spared = file.scope.spared.documents;
  const next = values.length;
  await tx.query(
    `DELETE FROM ${table} WHERE ${within} AND recorded_at <= $2 AND company <> ALL($${next + 1}::text[])
       AND (company, number) NOT IN (SELECT * FROM unnest($${next + 2}::text[], $${next + 3}::text[]))`,
    [...values, [...known], spared.map(([company]) => company), spared.map(([, number]) => number)],
  );
  return known;
}

async function replaceFilings(tx: Tx, installation: string, file: MirrorFile): Promise<void> {
  const { scope } = file;
  if (scope.filings === 'none' || scope.filingPeriod === null) return;
  const place = { test: 'period = $4', values: [scope.filingPeriod], width: scope.filings };
  const newer = await deleteReplaced(tx, 'tax_filing', installation, file, place);
  const rows = file.filings.filter((filing) => !newer.has(filing.company));
  await upsertDocuments(tx, 'tax_filing', installation, file, rows, [
    ['company', 'text', (row) => row.company],
    ['number', 'text', (row) => row.number],
    ['period', 'text', (row) => row.period],
    ['filed_on', 'date', (row) => row.filedOn],
    ['amount', 'numeric', (row) => row.amount],
    ['currency', 'text', (row) => row.currency],
  ]);
}

async function replaceInvoices(tx: Tx, installation: string, file: MirrorFile): Promise<void> {
  const { scope } = file;
  if (scope.invoices === 'none' || scope.invoiceDays === null) return;
  const { from, to } = scope.invoiceDays;
  const place = { test: 'issued_on BETWEEN $4 AND $5', values: [from, to], width: scope.invoices };
  const newer = await deleteReplaced(tx, 'tax_invoice', installation, file, place);
  const rows = file.invoices.filter((invoex) => !newer.has(invoex.company));
  await upsertDocuments(tx, 'tax_invoice', installation, file, rows, [
    ['company', 'text', (row) => row.company],
    ['number', 'text', (row) => row.number],
    ['issued_on', 'date', (row) => row.issuedOn],
    ['net', 'numeric', (row) => row.net],
    ['tax', 'numeric', (row) => row.tax],
    ['gross', 'numeric', (row) => row.gross],
    ['currency', 'text', (row) => row.currency],
    ['cancelled', 'boolean', (row) => row.cancelled],
    ['counted', 'boolean', (row) => row.counted],
    ['original', 'text', (row) => row.original],
  ]);
}

/** Adds or replaces rows; those from newer files stay. `columns`: name, type and value, first those of the key. */
async function upsertDocuments<Row>(
  tx: Tx,
  table: 'tax_filing' | 'tax_invoice',
  installation: string,
  { digest, recordedAt }: MirrorFile,
  rows: readonly Row[],
  columns: readonly (readonly [name: string, type: string, value: (row: Row) => unknown])[],
): Promise<void> {
  const names = columns.map(([name]) => name);
  const arrays = columns.map(([, type], i) => `$${i + 4}::${type}[]`);
  const replaced = ['digest', 'recorded_at', ...names.slice(2)].map((name) => `${name} = excluded.${name}`);
  await tx.query(
    `INSERT INTO ${table} (installation, digest, recorded_at, ${names})
     SELECT $1, $2, $3, given.* FROM unnest(${arrays}) AS given (${names}) ORDER BY company, number
     ON CONFLICT (installation, company, number) DO UPDATE SET ${replaced} WHERE ${table}.recorded_at <= excluded.recorded_at`,
    [installation, Buffer.from(digest, 'hex'), recordedAt, ...columns.map(([, , value]) => rows.map(value))],
  );
}
