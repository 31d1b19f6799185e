/** Tables of the registration connector: register entries as last read, and open applications. */
import { RegisterApplicationRow, type RegisterEntryRow } from './entities/registration.ts';
import type { Tx } from './transaction.ts';

/** A register entry as last read. */
export type RegisterEntry = Readonly<Omit<RegisterEntryRow, 'installation'>>;

/** The saved entries by credit code. */
export async function registerEntries(
  tx: Tx,
  installation: string,
  codes: readonly string[],
): Promise<Map<string, RegisterEntry>> {
  const rows: RegisterEntry[] = await tx.query(
    'SELECT uscc, fields FROM register_entry WHERE installation = $1 AND uscc = ANY($2)',
    [installation, codes],
  );
  return new Map(rows.map((row) => [row.uscc, row]));
}

/** Saves entries; later values replace earlier ones. */
export async function saveEntries(tx: Tx, installation: string, entries: readonly RegisterEntry[]): Promise<void> {
  if (entries.length === 0) return;
  await tx.query(
    `INSERT INTO register_entry (installation, uscc, fields) SELECT $1, * FROM unnest($2::text[], $3::jsonb[])
     ON CONFLICT (installation, uscc) DO UPDATE SET fields = excluded.fields`,
    [installation, entries.map((entry) => entry.uscc), entries.map((entry) => JSON.stringify(entry.fields))],
  );
}

/** An application that the register has not decided. */
export type OpenApplication = Readonly<Omit<RegisterApplicationRow, 'installation'>>;

/** Saves the application, or deletes it if it is `done`. */
export async function saveApplication(
  tx: Tx,
  installation: string,
  application: OpenApplication,
  done: boolean,
): Promise<void> {
  if (done) {
    await tx.delete(RegisterApplicationRow, { installation, number: application.number });
    return;
  }
  await tx.query(
    `INSERT INTO register_application (installation, number, reference, uscc, state) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (installation, number) DO UPDATE SET state = excluded.state`,
    [installation, application.number, application.reference, application.uscc, application.state],
  );
}

/** Open applications with numbers after `after`, by number. */
export const openApplications = (
  tx: Tx,
  installation: string,
  after: string,
  limit: number,
): Promise<OpenApplication[]> =>
  tx.query(
    `SELECT reference, number, uscc, state FROM register_application WHERE installation = $1 AND number > $2
     ORDER BY number LIMIT $3`,
    [installation, after, limit],
  );
