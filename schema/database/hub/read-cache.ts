/** Persistent part of the read cache: last readings of sources, used after a restart while a source is down. Unmasked; for the guard only. */
import { LessThan } from 'typeorm';
import { selectList } from '../column-names.ts';
import { CachedReadingRow } from '../entities/sources.ts';
import { genericPlan } from '../pool/prepared-statements.ts';
import type { Tx } from '../transaction.ts';

/** A cached reading. */
export type CachedReading = Omit<CachedReadingRow, 'installation' | 'key' | 'until'>;

const READING = selectList(CachedReadingRow, ['installation', 'key', 'until']);

/** The reading of that key (a digest); null if there is none. */
export async function findCachedReading(tx: Tx, installation: string, key: Buffer): Promise<CachedReading | null> {
  const rows: CachedReading[] = await tx.query(
    genericPlan(`SELECT ${READING} FROM kept WHERE installation = $1 AND key = $2`),
    [installation, key],
  );
  return rows[0] ?? null;
}

/**
 * Saves readings. A newer reading replaces an older one; one with a time after `now` (the wall clock was set back) is always replaced.
 */
export async function saveCachedReadings(
  tx: Tx,
  installation: string,
  rows: readonly Omit<CachedReadingRow, 'installation'>[],
  now: Date,
): Promise<void> {
  await tx.query(
    genericPlan(`INSERT INTO kept (installation, key, value, fetched_at, recorded_at, until)
     SELECT $1, * FROM unnest($2::bytea[], $3::jsonb[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[])
     ON CONFLICT (installation, key) DO UPDATE SET value = excluded.value, fetched_at = excluded.fetched_at,
       recorded_at = excluded.recorded_at, until = excluded.until
       WHERE kept.fetched_at < excluded.fetched_at OR kept.fetched_at > $7`),
    [
      installation,
      rows.map((row) => row.key),
      rows.map((row) => JSON.stringify(row.value)),
      rows.map((row) => row.fetchedAt),
      rows.map((row) => row.recordedAt),
      rows.map((row) => row.until),
      now,
    ],
  );
}

/** Deletes the installation's readings that are past `until`. */
export async function deleteExpiredReadings(tx: Tx, installation: string, now: Date): Promise<void> {
  await tx.delete(CachedReadingRow, { installation, until: LessThan(now) });
}

/** Deletes all but the newest `limit` readings of the installation. */
export async function trimCachedReadings(tx: Tx, installation: string, limit: number): Promise<void> {
  await tx.query(
    `DELETE FROM kept WHERE installation = $1 AND fetched_at <
       (SELECT fetched_at FROM kept WHERE installation = $1 ORDER BY fetched_at DESC OFFSET $2 LIMIT 1)`,
    [installation, limit],
  );
}
