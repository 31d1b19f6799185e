import type { Tx } from './transaction.ts';

/** Keys of PostgreSQL advisory locks. Migrations use 4739201 (`migrations/migrate.ts`, which imports no other module). */
const ADVISORY_LOCKS = {
  auditStatements: 4_739_202,
  /** Held while a process registers or changes its configuration, and while a migration is reverted. */
  joiningProcesses: 4_739_203,
  readingMonths: 4_739_204,
} as const;

/** Waits for the lock and holds it until the transaction ends. */
export async function takeLock(tx: Tx, name: keyof typeof ADVISORY_LOCKS): Promise<void> {
  await tx.query('SELECT pg_advisory_xact_lock($1)', [ADVISORY_LOCKS[name]]);
}
