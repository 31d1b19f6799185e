import type { Tx } from '../transaction.ts';

/** Names of a table's partitions that sort before `name` and match `pattern`, in order. */
export async function partitionsBefore(
  tx: Tx,
  table: 'event' | 'meter_reading',
  pattern: RegExp,
  name: string,
): Promise<string[]> {
  const rows: { name: string }[] = await tx.query(
    `SELECT child.relname AS name FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
     WHERE inhparent = $1::regclass AND child.relname < $2 ORDER BY child.relname`,
    [table, name],
  );
  return rows.map((row) => row.name).filter((child) => pattern.test(child));
}
