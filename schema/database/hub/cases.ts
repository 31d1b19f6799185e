/** Cases (filings with authorities): a projection of CASE_CHANGED events, written in the transaction of the event. */
import { Any } from 'typeorm';
import { selectList } from '../column-names.ts';
import { CaseRow } from '../entities/companies.ts';
import type { Tx } from '../transaction.ts';

/** A case as it is read. */
export type Case = Omit<CaseRow, 'position'>;

/** Applies an event to its case, unless a newer event was applied. */
export async function projectCase(tx: Tx, row: Omit<Case, 'park'> & { position: bigint }): Promise<void> {
  await tx.query(
    `INSERT INTO filing (id, kind, company, state, since, receipt, reason, installation, connector, position, recorded_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
     ON CONFLICT (id) DO UPDATE SET state = excluded.state, since = excluded.since,
       receipt = coalesce(excluded.receipt, filing.receipt), reason = excluded.reason,
       position = excluded.position, recorded_at = excluded.recorded_at
     WHERE filing.position < excluded.position`,
    [
      row.id,
      row.kind,
      row.company,
      row.state,
      row.since,
      row.receipt,
      row.reason,
      row.installation,
      row.connector,
      row.position.toString(),
      row.recordedAt,
    ],
  );
}

const CASE = selectList(CaseRow);
/** `$2`: park ids; null: all. */
const IN_PARKS =
  '($2::text[] IS NULL OR EXISTS (SELECT 1 FROM source s WHERE s.id = installation AND s.park = ANY($2)))';

/** Cases by id. */
export async function casesByIds(tx: Tx, ids: readonly string[]): Promise<Map<string, Case>> {
  const rows: Case[] = await tx.findBy(CaseRow, { id: Any(ids) });
  return new Map(rows.map((row) => [row.id, row]));
}

/**
 * Cases of one company with authorities of these parks (null: of all), by time and id in reading direction; at most `limit` after
 * `place` (milliseconds, id).
 */
export async function casePage(
  tx: Tx,
  company: string,
  parks: readonly string[] | null,
  page: { forward: boolean; limit: number; place: readonly (string | number)[] | null },
): Promise<Case[]> {
  const values: unknown[] = [company, parks];
  const [compare, order] = page.forward ? ['>', 'ASC'] : ['<', 'DESC'];
  let test = `company = $1 AND ${IN_PARKS}`;
  if (page.place) {
    values.push(new Date(Number(page.place[0])), page.place[1]);
    test += ` AND (date_trunc('milliseconds', since), id) ${compare} ($3, $4)`;
  }
  values.push(page.limit);
  return tx.query(
    `SELECT ${CASE} FROM filing WHERE ${test} ORDER BY date_trunc('milliseconds', since) ${order}, id ${order} LIMIT $${values.length}`,
    values,
  );
}

/** Number of cases of one company with authorities of these parks. */
export async function caseCount(tx: Tx, company: string, parks: readonly string[] | null): Promise<number> {
  const rows: { count: string }[] = await tx.query(`SELECT count(*) FROM filing WHERE company = $1 AND ${IN_PARKS}`, [
    company,
    parks,
  ]);
  return Number(rows[0]?.count ?? 0);
}
