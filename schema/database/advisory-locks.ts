import type { Tx } from './transaction.ts';

/** Keys of PostgreSQL advisory locks. Migrations use 4739201 (`migrations/migrate.ts`, which imports no other module). */
const ADVISORY_LOCKS = {
  auditStatements: 4_739_202,
  /** Held while a process registers or changes its configuration, and while a migration is reverted. */
  joiningProcesses: 4_739_203,
  readingMonths: 4_739_204,
  /** Shared by writers of readings; exclusive while sums of readings are claimed. */
  energySums: 4_739_205,
  /** The same for occupancy. */
  occupancySums: 4_739_206,
  /** Held while a process builds sums. */
  sumBuilder: 4_739_207,
} as const;

type LockName = keyof typeof ADVISORY_LOCKS;

/** The key of a lock, for statements. */
export const lockKey = (name: LockName): number => ADVISORY_LOCKS[name];

/** Waits for the lock and holds it until the transaction ends. */
export async function takeLock(tx: Tx, name: LockName): Promise<void> {
  await tx.query('SELECT pg_advisory_xact_lock($1)', [ADVISORY_LOCKS[name]]);
}

/** Takes the lock until the transaction ends; resolves with false if another transaction holds it. */
export async function tryLock(tx: Tx, name: LockName): Promise<boolean> {
  const rows: { taken: boolean }[] = await tx.query('SELECT pg_try_advisory_xact_lock($1) AS taken', [
    ADVISORY_LOCKS[name],
  ]);
  return rows[0]?.taken === true;
}
