/** Reads the tax mirror, for several companies and installations at once. */
import { selectList } from '../column-names.ts';
import * as entities from '../entities/tax.ts';
import { genericPlan } from '../pool/prepared-statements.ts';
import type { Tx } from '../transaction.ts';

/** A tax account. */
export interface TaxAccountRow
  extends Readonly<Pick<entities.TaxAccountRow, 'installation' | 'company' | 'recordedAt'>> {
  /** Null if the files contain only returns or invoices of the company. */
  readonly standing: string | null;
  /** The installation's state of that name. */
  readonly state: unknown;
  /** The company's return of the latest period, from any of the installations; null if there is none. */
  readonly lastFiling: TaxFilingRow | null;
}

const FILING = selectList(entities.TaxFilingRow, ['digest']);

/**
 * Accounts by company, with a state of their installations; a company without data has no row. Looks only at installations that have
 * claimed the company, as each file does.
 */
export async function taxAccounts(
  tx: Tx,
  installations: readonly string[],
  companies: readonly string[],
  state: string,
): Promise<TaxAccountRow[]> {
  const rows: TaxAccountRow[] = await tx.query(
    genericPlan(`SELECT i.installation, c.company, a.standing, coalesce(a.recorded_at, d.recorded_at) AS "recordedAt", s.value AS state,
       to_jsonb(f) || jsonb_build_object('amount', f.amount::text) AS "lastFiling"
     FROM unnest($2::text[]) AS c (company)
       CROSS JOIN LATERAL (
         SELECT DISTINCT installation FROM identity
         WHERE entity = 'COMPANY' AND key = c.company AND installation = ANY($1::text[])
       ) i
       LEFT JOIN tax_account a ON a.installation = i.installation AND a.company = c.company
       LEFT JOIN LATERAL (
         SELECT max(recorded_at) AS recorded_at FROM (
           SELECT recorded_at FROM tax_filing f WHERE f.installation = i.installation AND f.company = c.company
           UNION ALL SELECT recorded_at FROM tax_invoice v WHERE v.installation = i.installation AND v.company = c.company
         ) AS dates
       ) d ON a.company IS NULL
       LEFT JOIN state s ON s.installation = i.installation AND s.name = $3
       LEFT JOIN LATERAL (
         SELECT ${FILING} FROM tax_filing WHERE installation = ANY($1) AND company = c.company
         ORDER BY tax_filing.ends DESC, number DESC, installation DESC LIMIT 1
       ) f ON true
     WHERE coalesce(a.recorded_at, d.recorded_at) IS NOT NULL ORDER BY c.company, i.installation`),
    [installations, companies, state],
  );
  return rows.map(({ lastFiling, ...row }) => ({
    ...row,
    lastFiling: lastFiling && { ...lastFiling, recordedAt: new Date(lastFiling.recordedAt) },
  }));
}

export type TaxFilingRow = Readonly<Omit<entities.TaxFilingRow, 'digest'>>;

/** A page, newest first. */
export interface TaxPage {
  readonly forward: boolean;
  readonly limit: number;
  /** Day (of returns: last month), number and installation of the previous row; null: from the start. */
  readonly after: readonly [string, string, string] | null;
}

/** One page per company from a table. */
function pages<T>(
  tx: Tx,
  list: {
    readonly table: string;
    readonly columns: string;
    readonly day: string;
    readonly type: string;
    readonly test?: string;
  },
  values: unknown[],
  page: TaxPage,
): Promise<T[]> {
  const [compare, order] = page.forward ? ['<', 'DESC'] : ['>', 'ASC'];
  let test = `installation = ANY($1) AND company = c.wanted${list.test ? ` AND ${list.test}` : ''}`;
  if (page.after) {
    const count = values.push(...page.after);
    test += ` AND (${list.day}, number, installation) ${compare} ($${count - 2}::${list.type}, $${count - 1}, $${count})`;
  }
  const limit = values.push(page.limit);
  return tx.query(
    genericPlan(`SELECT t.* FROM unnest($2::text[]) AS c (wanted) CROSS JOIN LATERAL (
       SELECT ${list.columns} FROM ${list.table} WHERE ${test}
       ORDER BY ${list.table}.${list.day} ${order}, number ${order}, installation ${order} LIMIT $${limit}
     ) t`),
    values,
  );
}

/** SQL: rows of the installations `$1` and the companies `$2`. */
const IN_BOTH = 'installation = ANY($1) AND company = ANY($2)';

/** Number of rows of each company. */
async function counts(
  tx: Tx,
  table: 'tax_filing' | 'tax_invoice',
  test: string,
  values: readonly unknown[],
): Promise<Map<string, number>> {
  const rows: { company: string; n: number }[] = await tx.query(
    `SELECT company, count(*)::int AS n FROM ${table} WHERE ${IN_BOTH} AND ${test} GROUP BY company`,
    [...values],
  );
  return new Map(rows.map((row) => [row.company, row.n]));
}

export const taxFilings = (
  tx: Tx,
  installations: readonly string[],
  companies: readonly string[],
  page: TaxPage,
): Promise<TaxFilingRow[]> =>
  pages(tx, { table: 'tax_filing', columns: FILING, day: 'ends', type: 'text' }, [installations, companies], page);

export async function taxFilingCounts(
  tx: Tx,
  installations: readonly string[],
  companies: readonly string[],
): Promise<Map<string, number>> {
  return counts(tx, 'tax_filing', 'true', [installations, companies]);
}

export type TaxInvoiceRow = Readonly<Omit<entities.TaxInvoiceRow, 'digest' | 'counted'>>;

/** Filter of invoices. Days: `from` inclusive, `to` exclusive. */
export interface TaxInvoiceFilter {
  readonly from: string | null;
  readonly to: string | null;
  readonly gross: Readonly<Partial<Record<'eq' | 'lt' | 'lte' | 'gt' | 'gte', string>>> & {
    readonly in?: readonly string[];
  };
}

const INVOICE = selectList(entities.TaxInvoiceRow, ['digest', 'counted']);
const COMPARE = { eq: '=', lt: '<', lte: '<=', gt: '>', gte: '>=' } as const;

function invoiceCondition(filter: TaxInvoiceFilter, values: unknown[]): string {
  const add = (value: unknown) => `$${values.push(value)}`;
  const tests = ['true'];
  if (filter.from !== null) tests.push(`issued_on >= ${add(filter.from)}::date`);
  if (filter.to !== null) tests.push(`issued_on < ${add(filter.to)}::date`);
  for (const [name, sign] of Object.entries(COMPARE)) {
    const wanted = filter.gross[name as keyof typeof COMPARE];
    if (wanted !== undefined) tests.push(`gross ${sign} ${add(wanted)}::numeric`);
  }
  if (filter.gross.in !== undefined) tests.push(`gross = ANY(${add(filter.gross.in)}::numeric[])`);
  return tests.join(' AND ');
}

export function taxInvoices(
  tx: Tx,
  installations: readonly string[],
  companies: readonly string[],
  filter: TaxInvoiceFilter,
  page: TaxPage,
): Promise<TaxInvoiceRow[]> {
  const values: unknown[] = [installations, companies];
  const test = invoiceCondition(filter, values);
  return pages(tx, { table: 'tax_invoice', columns: INVOICE, day: 'issued_on', type: 'date', test }, values, page);
}

export async function taxInvoiceCounts(
  tx: Tx,
  installations: readonly string[],
  companies: readonly string[],
  filter: TaxInvoiceFilter,
): Promise<Map<string, number>> {
  const values: unknown[] = [installations, companies];
  return counts(tx, 'tax_invoice', invoiceCondition(filter, values), values);
}

export interface TaxTotalRow {
  readonly company: string;
  readonly period: string;
  readonly currency: string;
  readonly invoices: number;
  readonly net: string;
  readonly tax: string;
}

const PERIODS = { month: 'YYYY-MM', quarter: 'YYYY-"Q"Q', year: 'YYYY' } as const;

/** Sums of counted invoices by period and currency; `from` and `to` are inclusive days. */
export function taxTotals(
  tx: Tx,
  installations: readonly string[],
  companies: readonly string[],
  range: { readonly by: keyof typeof PERIODS; readonly from: string; readonly to: string },
): Promise<TaxTotalRow[]> {
  return tx.query(
    `SELECT company, to_char(issued_on, '${PERIODS[range.by]}') AS period, currency, count(*)::int AS invoices,
       sum(net)::text AS net, sum(tax)::text AS tax
     FROM tax_invoice WHERE ${IN_BOTH} AND counted AND issued_on BETWEEN $3::date AND $4::date
     GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`,
    [installations, companies, range.from, range.to],
  );
}
