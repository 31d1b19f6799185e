/** What was last read of the sources and may be shown after a restart while they are dark. Unmasked; read by the guard only. */
import type { Tx } from '../database.ts';

export interface KeptRow {
  /** JSON of the value. */
  readonly value: unknown;
  readonly fetchedAt: Date;
  readonly recordedAt: Date | null;
}

/** The reading of that key (a digest); null when there is none. */
export async function findKept(tx: Tx, installation: string, key: Buffer): Promise<KeptRow | null> {
  const rows: KeptRow[] = await tx.query(
    'SELECT value, fetched_at AS "fetchedAt", recorded_at AS "recordedAt" FROM kept WHERE installation = $1 AND key = $2',
    [installation, key],
  );
  return rows[0] ?? null;
}

/** Writes readings, the newer over the older and over those dated later than `now` (the wall clock was set back), and drops what no policy allows to show any more. */
export async function saveKept(
  tx: Tx,
  installation: string,
  rows: readonly (KeptRow & { readonly key: Buffer; readonly until: Date })[],
  now: Date,
): Promise<void> {
  await tx.query(
    `INSERT INTO kept (installation, key, value, fetched_at, recorded_at, until)
     SELECT $1, * FROM unnest($2::bytea[], $3::jsonb[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[])
     ON CONFLICT (installation, key) DO UPDATE SET value = excluded.value, fetched_at = excluded.fetched_at,
       recorded_at = excluded.recorded_at, until = excluded.until
       WHERE kept.fetched_at < excluded.fetched_at OR kept.fetched_at > $7`,
    [
      installation,
      rows.map((one) => one.key),
      rows.map((one) => JSON.stringify(one.value)),
      rows.map((one) => one.fetchedAt),
      rows.map((one) => one.recordedAt),
      rows.map((one) => one.until),
      now,
    ],
  );
  await tx.query('DELETE FROM kept WHERE installation = $1 AND until < $2', [installation, now]);
}

/** Bounds the table: only the newest `most` readings of the installation stay. */
export async function trimKept(tx: Tx, installation: string, most: number): Promise<void> {
  await tx.query(
    `DELETE FROM kept WHERE installation = $1 AND fetched_at <
       (SELECT fetched_at FROM kept WHERE installation = $1 ORDER BY fetched_at DESC OFFSET $2 LIMIT 1)`,
    [installation, most],
  );
}
