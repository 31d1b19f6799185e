/**
 * Leases: one process at a time runs an installation's jobs, and proves its lease in each transaction. The duration of a lease is
 * measured only here, by the database's clock (`now()`), since the wall clocks of processes may differ.
 */
import { LeaseRow } from '../entities/processes.ts';
import type { Tx } from '../transaction.ts';

/** A lease; `fence` increases with each new holder. */
export type Lease = Readonly<Pick<LeaseRow, 'name' | 'owner' | 'fence'>>;

/** Acquires or renews the lease for `owner`. Resolves with null if another owner holds it, unless that is `deadOwner`. */
export async function acquireLease(
  tx: Tx,
  name: string,
  owner: string,
  milliseconds: number,
  deadOwner: string | null = null,
): Promise<Lease | null> {
  const rows: { fence: string }[] = await tx.query(
    `INSERT INTO lease (name, owner, until, fence) VALUES ($1, $2, now() + $3 * interval '1 millisecond', 1)
     ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until,
       fence = lease.fence + CASE WHEN lease.owner = excluded.owner THEN 0 ELSE 1 END
     WHERE lease.owner = excluded.owner OR lease.until < now() OR lease.owner = $4
     RETURNING fence`,
    [name, owner, milliseconds, deadOwner],
  );
  const fence = rows[0]?.fence;
  return fence === undefined ? null : { name, owner, fence };
}

/** The current or last holder; `mark` changes with every renewal. Null if the lease was never held. */
export async function leaseHolder(tx: Tx, name: string): Promise<{ owner: string; mark: string } | null> {
  const rows: { owner: string; mark: string }[] = await tx.query(
    "SELECT owner, fence || ' ' || until AS mark FROM lease WHERE name = $1",
    [name],
  );
  return rows[0] ?? null;
}

/** Whether the lease is still held; the row stays locked until the transaction ends, so that no other process acquires it. */
export async function proveLease(tx: Tx, lease: Lease): Promise<boolean> {
  const rows: unknown[] = await tx.query(
    'SELECT 1 FROM lease WHERE name = $1 AND owner = $2 AND fence = $3 FOR SHARE',
    [lease.name, lease.owner, lease.fence],
  );
  return rows.length === 1;
}

/** Ends the lease, so that another process can acquire it at once. */
export async function releaseLease(tx: Tx, lease: Lease): Promise<void> {
  await tx.update(LeaseRow, lease, { until: () => 'now()' });
}
