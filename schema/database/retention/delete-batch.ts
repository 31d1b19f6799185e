import type { Tx } from '../transaction.ts';

/** Deletes at most `limit` rows of a table that match an SQL condition; resolves with their number. */
export async function deleteBatch(
  tx: Tx,
  table: string,
  condition: string,
  values: readonly unknown[],
  limit: number,
): Promise<number> {
  const [, count]: [unknown, number] = await tx.query(
    `DELETE FROM ${table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM ${table} WHERE ${condition} LIMIT $${values.length + 1}))`,
    [...values, limit],
  );
  return count;
}
