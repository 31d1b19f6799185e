/** The audit log as a company sees it: what was read of its data. Written by audit.ts. */
import type { Tx } from '../database.ts';

/** An entry as a company finds it. */
export interface AccessRow {
  readonly chain: string;
  readonly number: number;
  readonly time: Date;
  readonly body: string;
  readonly hash: Buffer;
}

const accessWhere = (company: string, time: { from?: Date; to?: Date }, values: unknown[]): string => {
  const add = (value: unknown) => `$${values.push(value)}`;
  return [
    `s.subject = (SELECT salted FROM audit_salt WHERE type = 'Company' AND id = ${add(company)})`,
    ...(time.from ? [`s.time >= ${add(time.from)}`] : []),
    ...(time.to ? [`s.time < ${add(time.to)}`] : []),
  ].join(' AND ');
};

/** Who has read the company's data, oldest first: at most `limit` beyond `place` (milliseconds, chain, number), in reading direction. */
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
    const n = values.length;
    test += ` AND (s.time, s.chain, s.number) ${compare} ($${n - 2}, $${n - 1}, $${n})`;
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

/** How many entries the company has in that time. */
export async function accessCount(tx: Tx, company: string, time: { from?: Date; to?: Date }): Promise<number> {
  const values: unknown[] = [];
  const test = accessWhere(company, time, values);
  const rows: { count: string }[] = await tx.query(`SELECT count(*) FROM audit_subject s WHERE ${test}`, values);
  return Number(rows[0]?.count ?? 0);
}
