/** The accesses to a company's data, as the company sees them. Written by `appendEntries`. */
import type { AuditEntryRow } from '../entities/audit.ts';
import type { Tx } from '../transaction.ts';

/** An audit entry about a company. */
export interface AccessRow extends Readonly<Omit<AuditEntryRow, 'number'>> {
  readonly number: number;
}

const accessWhere = (company: string, time: { from?: Date; to?: Date }, values: unknown[]): string => {
  const add = (value: unknown) => `$${values.push(value)}`;
  return [
    `s.subject = (SELECT salted FROM audit_salt WHERE type = 'Company' AND id = ${add(company)})`,
    ...(time.from ? [`s.time >= ${add(time.from)}`] : []),
    ...(time.to ? [`s.time < ${add(time.to)}`] : []),
  ].join(' AND ');
};

/** Entries about a company by time in reading direction; at most `limit` after `place` (milliseconds, chain, number). */
export async function accessPage(
  tx: Tx,
  company: string,
  time: { from?: Date; to?: Date },
  page: { forward: boolean; limit: number; place: readonly (string | number)[] | null },
): Promise<AccessRow[]> {
  const values: unknown[] = [];
  let test = accessWhere(company, time, values);
  const [compare, order] = page.forward ? ['>', 'ASC'] : ['<', 'DESC'];
  if (page.place) {
    const [at, chain, number] = page.place;
    values.push(new Date(Number(at)), chain, number);
    const count = values.length;
    test += ` AND (s.time, s.chain, s.number) ${compare} ($${count - 2}, $${count - 1}, $${count})`;
  }
  values.push(page.limit);
  const rows: (Omit<AccessRow, 'number'> & { number: string })[] = await tx.query(
    `SELECT s.chain, s.number, s.time, e.body, e.hash
     FROM audit_subject s JOIN audit_entry e ON e.chain = s.chain AND e.number = s.number
     WHERE ${test} ORDER BY s.time ${order}, s.chain ${order}, s.number ${order} LIMIT $${values.length}`,
    values,
  );
  return rows.map((row) => ({ ...row, number: Number(row.number) }));
}

/** Number of entries about a company in that time. */
export async function accessCount(tx: Tx, company: string, time: { from?: Date; to?: Date }): Promise<number> {
  const values: unknown[] = [];
  const test = accessWhere(company, time, values);
  const rows: { count: string }[] = await tx.query(`SELECT count(*) FROM audit_subject s WHERE ${test}`, values);
  return Number(rows[0]?.count ?? 0);
}
