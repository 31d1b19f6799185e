/** The time before which retention has dropped measurements, so that series can report missing data. */
import type { Tx } from '../transaction.ts';

export type DroppedKind = 'readings' | 'occupancy';

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
  const rows: { before: Date }[] = await tx.query('SELECT before FROM dropped_before WHERE what = $1', [kind]);
  return rows[0]?.before ?? null;
}
