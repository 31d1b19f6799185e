/** Up to when retention has dropped what is kept over time: a series that begins earlier says so. */
import type { Tx } from '../database.ts';

export type DroppedKind = 'readings' | 'occupancy';

/** Notes it, in the transaction that drops. It never goes back. */
export async function noteDropped(tx: Tx, what: DroppedKind, before: Date): Promise<void> {
  await tx.query(
    `INSERT INTO dropped_before AS d (what, before) VALUES ($1, $2)
     ON CONFLICT (what) DO UPDATE SET before = greatest(d.before, excluded.before)`,
    [what, before],
  );
}

/** The time before which things were dropped; null: nothing was. */
export async function droppedBefore(tx: Tx, what: DroppedKind): Promise<Date | null> {
  const rows: { before: Date }[] = await tx.query('SELECT before FROM dropped_before WHERE what = $1', [what]);
  return rows[0]?.before ?? null;
}
