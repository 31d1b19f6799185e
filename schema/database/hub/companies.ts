/** Companies: by credit code, and pages of a filtered list. */
import { selectList } from '../column-names.ts';
import { CompanyRow, IdentityRow } from '../entities/companies.ts';
import { genericPlan } from '../pool/prepared-statements.ts';
import type { Tx } from '../transaction.ts';

const COMPANY = selectList(CompanyRow, [], 'c');

/** Companies by credit code. */
export async function companiesByCodes(tx: Tx, codes: readonly string[]): Promise<Map<string, CompanyRow>> {
  const rows: CompanyRow[] = await tx.query(genericPlan(`SELECT ${COMPANY} FROM company c WHERE c.uscc = ANY($1)`), [
    codes,
  ]);
  return new Map(rows.map((row) => [row.uscc, row]));
}

const IDENTITY = selectList(IdentityRow, [], 'i');

/** Companies by credit code, each with its ids in the order of `identifiersOf`. */
export async function companiesWithIdentifiers(
  tx: Tx,
  codes: readonly string[],
): Promise<Map<string, CompanyRow & { identifiers: IdentityRow[] }>> {
  const rows: (CompanyRow & IdentityRow)[] = await tx.query(
    genericPlan(`SELECT ${COMPANY}, ${IDENTITY} FROM company c LEFT JOIN identity i ON i.entity = 'COMPANY' AND i.key = c.uscc
     WHERE c.uscc = ANY($1) ORDER BY c.uscc, i.system, i.value, i.installation`),
    [codes],
  );
  const found = new Map<string, CompanyRow & { identifiers: IdentityRow[] }>();
  for (const row of rows) {
    const company = found.get(row.uscc) ?? { ...row, identifiers: [] };
    // Without an id, the columns of `identity` are null.
    if (row.key !== null) company.identifiers.push(row);
    found.set(row.uscc, company);
  }
  return found;
}

/** Filter of a list of companies; all given conditions must hold. */
export interface CompanyQuery {
  readonly park?: readonly string[];
  readonly source?: readonly string[];
  readonly uscc?: readonly string[];
  readonly nameEq?: readonly string[];
  readonly nameContains?: string;
}

function conditions(query: CompanyQuery, values: unknown[]): string {
  const tests: string[] = [];
  const add = (value: unknown) => `$${values.push(value)}`;
  if (query.uscc) tests.push(`c.uscc = ANY(${add(query.uscc)})`);
  if (query.nameEq) tests.push(`c.name = ANY(${add(query.nameEq)})`);
  if (query.nameContains) {
    const pattern = `%${query.nameContains.replace(/[\\%_]/g, '\\$&')}%`;
    tests.push(`normalize(c.name, NFKC) ILIKE normalize(${add(pattern)}, NFKC)`);
  }
  if (query.park || query.source) {
    const park = query.park ? `AND i.park = ANY(${add(query.park)})` : '';
    const source = query.source ? `AND i.installation = ANY(${add(query.source)})` : '';
    tests.push(`EXISTS (SELECT 1 FROM identity i WHERE i.entity = 'COMPANY' AND i.key = c.uscc ${park} ${source})`);
  }
  return tests.length > 0 ? tests.join(' AND ') : 'true';
}

/** Companies by name and code in reading direction; at most `limit` after `place` (sort name, code). */
export async function companyPage(
  tx: Tx,
  query: CompanyQuery,
  page: { forward: boolean; limit: number; place: readonly (string | number)[] | null },
): Promise<CompanyRow[]> {
  const values: unknown[] = [];
  let test = conditions(query, values);
  const [compare, order] = page.forward ? ['>', 'ASC'] : ['<', 'DESC'];
  if (page.place) {
    values.push(page.place[0], page.place[1]);
    test += ` AND (c.sort_name, c.uscc) ${compare} ($${values.length - 1}, $${values.length})`;
  }
  // The limit is in the text: it decides between the index of the order and a sort.
  const sql = `SELECT ${COMPANY} FROM company c WHERE ${test} ORDER BY c.sort_name ${order}, c.uscc ${order} LIMIT ${page.limit}`;
  return tx.query(query.nameContains ? sql : genericPlan(sql), values);
}

/** Number of companies that match. */
export async function companyCount(tx: Tx, query: CompanyQuery): Promise<number> {
  const values: unknown[] = [];
  const rows: { count: string }[] = await tx.query(
    `SELECT count(*) FROM company c WHERE ${conditions(query, values)}`,
    values,
  );
  return Number(rows[0]?.count ?? 0);
}
