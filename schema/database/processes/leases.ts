/**
 * Leases: one process at a time runs an installation's jobs, and proves its lease in each transaction. A lease lasts as long as its owner
 * renews its heartbeat, which is one row for all leases of a process, or until a time. Both are measured only here, by the database's
 * clock (`now()`), since the wall clocks of processes may differ.
 */
import type { LeaseRow } from '../entities/processes.ts';
import type { Tx } from '../transaction.ts';

/** A lease; `fence` increases with each new holder. */
export type Lease = Readonly<Pick<LeaseRow, 'name' | 'owner' | 'fence'>>;

/** What the database knows of a lease that a process wants. */
export interface WantedLease {
  readonly name: string;
  /** The current or last holder. Null: it was never held. */
  readonly owner: string | null;
  readonly fence: string | null;
  /** Nobody holds it: it was released, its time or the heartbeat of its holder has expired, or the asking process holds it itself. */
  readonly free: boolean;
  /** Changes with every renewal of the lease or of its holder's heartbeat. */
  readonly mark: string;
}

/** Renews the heartbeat of `owner` and with it all its leases. Resolves with the names of those in `held` that it no longer holds. */
export async function renewHeartbeat(
  tx: Tx,
  owner: string,
  milliseconds: number,
  held: readonly Lease[],
): Promise<string[]> {
  const rows: { name: string }[] = await tx.query(
    `WITH renewed AS (
       INSERT INTO process_heartbeat (owner, renewed_at, until) VALUES ($1, now(), now() + $2 * interval '1 millisecond')
       ON CONFLICT (owner) DO UPDATE SET renewed_at = excluded.renewed_at, until = excluded.until
     )
     SELECT name FROM unnest($3::text[], $4::bigint[]) AS held (name, fence) WHERE NOT EXISTS (SELECT 1 FROM lease
       WHERE lease.name = held.name AND lease.owner = $1 AND lease.fence = held.fence AND lease.until > now())`,
    [owner, milliseconds, held.map(({ name }) => name), held.map(({ fence }) => fence)],
  );
  return rows.map(({ name }) => name);
}

/** Ends the heartbeat of `owner`; the row stays, so that others can tell when it ended. Deletes the rows of long dead processes. */
export async function endHeartbeat(tx: Tx, owner: string): Promise<void> {
  await tx.query(
    `WITH forgotten AS (DELETE FROM process_heartbeat WHERE until < now() - interval '1 day' AND owner <> $1
       AND NOT EXISTS (SELECT 1 FROM source WHERE reporter = process_heartbeat.owner))
     UPDATE process_heartbeat SET until = now() WHERE owner = $1`,
    [owner],
  );
}

/** The state of these leases, as `owner` sees it. */
export async function findLeases(tx: Tx, owner: string, names: readonly string[]): Promise<WantedLease[]> {
  return tx.query(
    `SELECT wanted.name, lease.owner, lease.fence,
       (lease.name IS NULL OR lease.owner = $1 OR lease.until <= now()
         OR (lease.until = 'infinity' AND coalesce(heartbeat.until <= now(), true))) AS free,
       concat_ws(' ', lease.fence, lease.until, heartbeat.until) AS mark
     FROM unnest($2::text[]) AS wanted (name) LEFT JOIN lease ON lease.name = wanted.name
       LEFT JOIN process_heartbeat AS heartbeat ON heartbeat.owner = lease.owner`,
    [owner, names],
  );
}

/**
 * Acquires leases for as long as `owner` renews its heartbeat, which it must have done before. Resolves with those acquired: the holder of
 * the others has changed since `findLeases`.
 */
export async function takeLeases(tx: Tx, owner: string, wanted: readonly WantedLease[]): Promise<Lease[]> {
  const rows: { name: string; fence: string }[] = await tx.query(
    `INSERT INTO lease (name, owner, until, fence)
     SELECT name, $1, 'infinity', 1 FROM unnest($2::text[]) AS wanted (name) ORDER BY name
     ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until, fence = lease.fence + 1
     WHERE lease.fence = (SELECT fence FROM unnest($2::text[], $3::bigint[]) AS seen (name, fence)
       WHERE seen.name = lease.name)
     RETURNING name, fence`,
    [owner, wanted.map(({ name }) => name), wanted.map(({ fence }) => fence)],
  );
  return rows.map(({ name, fence }) => ({ name, owner, fence }));
}

/** Acquires or renews the lease for `owner` until a time. Resolves with null if another owner holds it. */
export async function acquireLease(tx: Tx, name: string, owner: string, milliseconds: number): Promise<Lease | null> {
  const rows: { fence: string }[] = await tx.query(
    `INSERT INTO lease (name, owner, until, fence) VALUES ($1, $2, now() + $3 * interval '1 millisecond', 1)
     ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until,
       fence = lease.fence + CASE WHEN lease.owner = excluded.owner THEN 0 ELSE 1 END
     WHERE lease.owner = excluded.owner OR lease.until < now()
     RETURNING fence`,
    [name, owner, milliseconds],
  );
  const fence = rows[0]?.fence;
  return fence === undefined ? null : { name, owner, fence };
}

/** Whether the lease is still held; the row stays locked until the transaction ends, so that no other process acquires it. */
export async function proveLease(tx: Tx, lease: Lease): Promise<boolean> {
  const rows: unknown[] = await tx.query(
    'SELECT 1 FROM lease WHERE name = $1 AND owner = $2 AND fence = $3 FOR SHARE',
    [lease.name, lease.owner, lease.fence],
  );
  return rows.length === 1;
}

/** Ends the leases, so that another process can acquire them at once. */
export async function releaseLeases(tx: Tx, leases: readonly Lease[]): Promise<void> {
  await tx.query(
    `UPDATE lease SET until = now() FROM unnest($1::text[], $2::text[], $3::bigint[]) AS held (name, owner, fence)
     WHERE lease.name = held.name AND lease.owner = held.owner AND lease.fence = held.fence`,
    [leases.map(({ name }) => name), leases.map(({ owner }) => owner), leases.map(({ fence }) => fence)],
  );
}
