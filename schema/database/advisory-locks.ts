/** Keys of PostgreSQL advisory locks, one for each purpose. Migrations use 4739201 (`migrations/migrate.ts`, which imports nothing of ours). */
export const ADVISORY_LOCKS = {
  auditStatements: 4_739_202,
  /** Held while a process joins, changes its configuration, or a migration is reverted. */
  joiningProcesses: 4_739_203,
  readingMonths: 4_739_204,
} as const;
