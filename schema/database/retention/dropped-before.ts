/** The time before which retention has dropped measurements, so that series can report missing data. */
import type { DroppedBeforeRow } from '../entities/energy.ts';
import { genericPlan } from '../pool/prepared-statements.ts';
import type { Tx } from '../transaction.ts';

type DroppedKind = DroppedBeforeRow['what'];

/** SQL: that time; null: none were dropped. */
export const droppedBeforeSql = (kind: DroppedKind): string =>
  `(SELECT before FROM dropped_before WHERE what = '${kind}')`;

/** Records the time, in the transaction that drops. It never decreases. */
export async function recordDropped(tx: Tx, kind: DroppedKind, before: Date): Promise<void> {
  await tx.query(
    `INSERT INTO dropped_before AS d (what, before) VALUES ($1, $2)
     ON CONFLICT (what) DO UPDATE SET before = greatest(d.before, excluded.before)`,
    [kind, before],
  );
}

/** The time before which measurements were dropped; null: none were. */
export async function droppedBefore(tx: Tx, kind: DroppedKind): Promise<Date | null> {
  const rows: { before: Date | null }[] = await tx.query(genericPlan(`SELECT ${droppedBeforeSql(kind)} AS before`));
  return rows[0]?.before ?? null;
}
