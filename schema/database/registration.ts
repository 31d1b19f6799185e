/** What was last seen of each entry of the register, and our applications that are still under way. */
import type { Tx } from './database.ts';

export interface SeenEntry {
  readonly uscc: string;
  /** Field to value, as last read; JSON. */
  readonly fields: Readonly<Record<string, unknown>>;
}

export async function seenEntries(
  tx: Tx,
  installation: string,
  codes: readonly string[],
): Promise<Map<string, SeenEntry>> {
  const rows: SeenEntry[] = await tx.query(
    'SELECT uscc, fields FROM register_entry WHERE installation = $1 AND uscc = ANY($2)',
    [installation, codes],
  );
  return new Map(rows.map((row) => [row.uscc, row]));
}

export async function saveEntries(tx: Tx, installation: string, entries: readonly SeenEntry[]): Promise<void> {
  if (entries.length === 0) return;
  await tx.query(
    `INSERT INTO register_entry (installation, uscc, fields) SELECT $1, * FROM unnest($2::text[], $3::jsonb[])
     ON CONFLICT (installation, uscc) DO UPDATE SET fields = excluded.fields`,
    [installation, entries.map((one) => one.uscc), entries.map((one) => JSON.stringify(one.fields))],
  );
}

export interface OpenApplication {
  readonly reference: string;
  readonly number: string;
  readonly uscc: string;
  readonly state: string;
}

/** Keeps the application while it is under way; done ones are removed. */
export async function saveApplication(
  tx: Tx,
  installation: string,
  one: OpenApplication,
  done: boolean,
): Promise<void> {
  if (done) {
    await tx.query('DELETE FROM register_application WHERE installation = $1 AND number = $2', [
      installation,
      one.number,
    ]);
    return;
  }
  await tx.query(
    `INSERT INTO register_application (installation, number, reference, uscc, state) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (installation, number) DO UPDATE SET state = excluded.state`,
    [installation, one.number, one.reference, one.uscc, one.state],
  );
}

/** Applications under way whose number sorts after `after`, in that order. */
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
