/**
 * Leases: one process at a time works for an installation, and proves it in each of its transactions. How long a lease lasts is
 * measured by the database's clock (`now()`) here and nowhere else: the processes' wall clocks may differ.
 */
import type { Tx } from '../database.ts';

/** A held lease: `fence` grows with each holder. */
export interface Lease {
  readonly name: string;
  readonly owner: string;
  readonly fence: string;
}

/** Takes the lease when it is free, run out, already ours, or `gone`'s, who is known to be dead; null when another holds it. */
export async function takeLease(
  tx: Tx,
  name: string,
  owner: string,
  milliseconds: number,
  gone: string | null = null,
): Promise<Lease | null> {
  const rows: { fence: string }[] = await tx.query(
    `INSERT INTO lease (name, owner, until, fence) VALUES ($1, $2, now() + $3 * interval '1 millisecond', 1)
     ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until,
       fence = lease.fence + CASE WHEN lease.owner = excluded.owner THEN 0 ELSE 1 END
     WHERE lease.owner = excluded.owner OR lease.until < now() OR lease.owner = $4
     RETURNING fence`,
    [name, owner, milliseconds, gone],
  );
  const fence = rows[0]?.fence;
  return fence === undefined ? null : { name, owner, fence };
}

/** Who holds it, or held it last; `mark` changes with every renewal. Null when nobody ever held it. */
export async function heldBy(tx: Tx, name: string): Promise<{ owner: string; mark: string } | null> {
  const rows: { owner: string; mark: string }[] = await tx.query(
    "SELECT owner, fence || ' ' || until AS mark FROM lease WHERE name = $1",
    [name],
  );
  return rows[0] ?? null;
}

/** True while the lease is still ours; the row stays locked until the transaction ends, so nobody takes it meanwhile. */
export async function proveLease(tx: Tx, lease: Lease): Promise<boolean> {
  const rows: unknown[] = await tx.query(
    'SELECT 1 FROM lease WHERE name = $1 AND owner = $2 AND fence = $3 FOR SHARE',
    [lease.name, lease.owner, lease.fence],
  );
  return rows.length === 1;
}

/** Gives it back, so that another process need not wait. */
export async function dropLease(tx: Tx, lease: Lease): Promise<void> {
  await tx.query('UPDATE lease SET until = now() WHERE name = $1 AND owner = $2 AND fence = $3', [
    lease.name,
    lease.owner,
    lease.fence,
  ]);
}
