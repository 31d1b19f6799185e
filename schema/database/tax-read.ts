/** Reading tax's mirror: many companies in one query. Amounts come as exact decimals in text, days as `2026-03-01`. */
import type { Tx } from './open.ts';

export interface AccountRow {
  readonly company: string;
  readonly taxpayerNo: string;
  readonly standing: string;
  readonly since: string | null;
  readonly recordedAt: Date;
}

/** By credit code, as this installation's files say. */
export async function accountsOf(
  tx: Tx,
  installation: string,
  companies: readonly string[],
): Promise<Map<string, AccountRow>> {
  const rows: AccountRow[] = await tx.query(
    `SELECT company, taxpayer_no AS "taxpayerNo", standing, standing_since::text AS since, recorded_at AS "recordedAt"
     FROM tax_account WHERE installation = $1 AND company = ANY($2)`,
    [installation, companies],
  );
  return new Map(rows.map((row) => [row.company, row]));
}

export interface FilingRow {
  readonly company: string;
  readonly number: string;
  readonly period: string;
  readonly filedOn: string | null;
  readonly amount: string;
  readonly currency: string;
  /** Last month of the period, for the order. */
  readonly ends: string;
  readonly recordedAt: Date;
}

/** Newest first: `after` is the order's text and the number of the last row seen, in reading direction. */
export interface Slice {
  readonly forward: boolean;
  readonly limit: number;
  readonly after: readonly [string, string] | null;
}

const order = ({ forward }: Slice) => (forward ? { compare: '<', way: 'DESC' } : { compare: '>', way: 'ASC' });

const FILING = `company, number, period, filed_on::text AS "filedOn", amount::text AS amount, currency, ends, recorded_at AS "recordedAt"`;

/** One page of returns for each company, in reading direction. */
export function filingsOf(
  tx: Tx,
  installation: string,
  companies: readonly string[],
  slice: Slice,
): Promise<FilingRow[]> {
  const { compare, way } = order(slice);
  return tx.query(
    `SELECT page.* FROM unnest($2::text[]) WITH ORDINALITY AS wanted (code, n) CROSS JOIN LATERAL (
       SELECT ${FILING} FROM tax_filing WHERE installation = $1 AND company = wanted.code
         AND ($3::text IS NULL OR (ends, number) ${compare} ($3, $4))
       ORDER BY ends ${way}, number ${way} LIMIT $5) AS page ORDER BY n, ends ${way}, number ${way}`,
    [installation, companies, slice.after?.[0] ?? null, slice.after?.[1] ?? null, slice.limit],
  );
}

/** The newest return of each company that was really filed. */
export async function lastFilings(
  tx: Tx,
  installation: string,
  companies: readonly string[],
): Promise<Map<string, FilingRow>> {
  const rows: FilingRow[] = await tx.query(
    `SELECT DISTINCT ON (company) ${FILING} FROM tax_filing
     WHERE installation = $1 AND company = ANY($2) AND filed_on IS NOT NULL
     ORDER BY company, filed_on DESC, tax_filing.ends DESC, number DESC`,
    [installation, companies],
  );
  return new Map(rows.map((row) => [row.company, row]));
}

export async function filingCounts(
  tx: Tx,
  installation: string,
  companies: readonly string[],
): Promise<Map<string, number>> {
  const rows: { company: string; n: number }[] = await tx.query(
    'SELECT company, count(*)::int AS n FROM tax_filing WHERE installation = $1 AND company = ANY($2) GROUP BY company',
    [installation, companies],
  );
  return new Map(rows.map((row) => [row.company, row.n]));
}

export interface InvoiceRow {
  readonly company: string;
  readonly number: string;
  readonly issuedOn: string;
  readonly net: string;
  readonly tax: string;
  readonly gross: string;
  readonly currency: string;
  readonly cancelled: boolean;
  readonly original: string | null;
  readonly recordedAt: Date;
}

/** Which invoices: days from (inclusive) to (exclusive), and tests on the gross amount as exact decimals. */
export interface InvoiceFilter {
  readonly from: string | null;
  readonly to: string | null;
  readonly gross: {
    readonly eq?: string | null;
    readonly in?: readonly string[] | null;
    readonly lt?: string | null;
    readonly lte?: string | null;
    readonly gt?: string | null;
    readonly gte?: string | null;
  } | null;
}

const OPERATORS = { eq: '=', lt: '<', lte: '<=', gt: '>', gte: '>=' } as const;

/** The filter as SQL; its values are added to `values`. */
function tests(filter: InvoiceFilter, values: unknown[]): string {
  const found: string[] = [];
  const add = (sql: (place: string) => string, value: unknown) => {
    values.push(value);
    found.push(sql(`$${values.length}`));
  };
  if (filter.from !== null) add((place) => `issued_on >= ${place}::date`, filter.from);
  if (filter.to !== null) add((place) => `issued_on < ${place}::date`, filter.to);
  for (const [name, operator] of Object.entries(OPERATORS)) {
    const value = filter.gross?.[name as keyof typeof OPERATORS];
    if (value != null) add((place) => `gross ${operator} ${place}::numeric`, value);
  }
  if (filter.gross?.in != null) add((place) => `gross = ANY(${place}::numeric[])`, filter.gross.in);
  return found.map((one) => ` AND ${one}`).join('');
}

/** One page of invoices for each company, newest first, in reading direction. */
export function invoicesOf(
  tx: Tx,
  installation: string,
  companies: readonly string[],
  slice: Slice & InvoiceFilter,
): Promise<InvoiceRow[]> {
  const { compare, way } = order(slice);
  const values: unknown[] = [installation, companies, slice.after?.[0] ?? null, slice.after?.[1] ?? null, slice.limit];
  return tx.query(
    `SELECT page.* FROM unnest($2::text[]) WITH ORDINALITY AS wanted (code, n) CROSS JOIN LATERAL (
       SELECT company, number, issued_on::text AS "issuedOn", net::text AS net, tax::text AS tax, gross::text AS gross, currency,
         cancelled, original, recorded_at AS "recordedAt"
       FROM tax_invoice WHERE installation = $1 AND company = wanted.code
         AND ($3::date IS NULL OR (issued_on, number) ${compare} ($3::date, $4))${tests(slice, values)}
       ORDER BY issued_on ${way}, number ${way} LIMIT $5) AS page ORDER BY n, "issuedOn" ${way}, number ${way}`,
    values,
  );
}

export async function invoiceCounts(
  tx: Tx,
  installation: string,
  companies: readonly string[],
  filter: InvoiceFilter,
): Promise<Map<string, number>> {
  const values: unknown[] = [installation, companies];
  const rows: { company: string; n: number }[] = await tx.query(
    `SELECT company, count(*)::int AS n FROM tax_invoice
     WHERE installation = $1 AND company = ANY($2)${tests(filter, values)} GROUP BY company`,
    values,
  );
  return new Map(rows.map((row) => [row.company, row.n]));
}

export interface TotalRow {
  readonly company: string;
  readonly period: string;
  readonly currency: string;
  readonly invoices: number;
  readonly net: string;
  readonly tax: string;
}

const SHAPES = { year: 'YYYY', quarter: 'YYYY-"Q"Q', month: 'YYYY-MM' } as const;

/** Sums of counted invoices, by period and currency; days `from` and `to` both included. */
export function invoiceTotals(
  tx: Tx,
  installation: string,
  companies: readonly string[],
  range: { readonly from: string; readonly to: string; readonly unit: keyof typeof SHAPES },
): Promise<TotalRow[]> {
  return tx.query(
    `SELECT company, to_char(issued_on, $5) AS period, currency, count(*)::int AS invoices,
       sum(net)::text AS net, sum(tax)::text AS tax
     FROM tax_invoice WHERE installation = $1 AND company = ANY($2) AND counted AND issued_on BETWEEN $3 AND $4
     GROUP BY company, 2, currency ORDER BY company, 2, currency`,
    [installation, companies, range.from, range.to, SHAPES[range.unit]],
  );
}

/** When the newest file that was taken in was made by its office. */
export async function newestFile(tx: Tx, installation: string): Promise<Date | null> {
  const rows: { newest: Date | null }[] = await tx.query(
    `SELECT max(recorded_at) AS newest FROM tax_file WHERE installation = $1 AND state = 'MIRRORED'`,
    [installation],
  );
  return rows[0]?.newest ?? null;
}

export interface ClearanceRow {
  readonly reference: string;
  readonly company: string;
  readonly until: string;
}

/** Notes whose clearance is asked for under the reference, before the office is asked. Idempotent. */
export async function saveClearance(
  tx: Tx,
  installation: string,
  row: ClearanceRow & { readonly requestedAt: Date },
): Promise<void> {
  await tx.query(
    `INSERT INTO tax_clearance (installation, reference, company, until, requested_at) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT DO NOTHING`,
    [installation, row.reference, row.company, row.until, row.requestedAt],
  );
}

/** By reference. */
export async function clearancesOf(
  tx: Tx,
  installation: string,
  references: readonly string[],
): Promise<Map<string, ClearanceRow>> {
  const rows: ClearanceRow[] = await tx.query(
    'SELECT reference, company, until FROM tax_clearance WHERE installation = $1 AND reference = ANY($2)',
    [installation, references],
  );
  return new Map(rows.map((row) => [row.reference, row]));
}
