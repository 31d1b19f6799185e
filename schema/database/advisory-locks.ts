/** Keys of PostgreSQL advisory locks. Migrations use 4739201 (`migrations/migrate.ts`, which imports no other module). */
export const ADVISORY_LOCKS = {
  auditStatements: 4_739_202,
  /** Held while a process registers or changes its configuration, and while a migration is reverted. */
  joiningProcesses: 4_739_203,
  readingMonths: 4_739_204,
} as const;
