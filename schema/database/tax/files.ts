/** Files of the tax office: their own bytes, what became of them, and what was refused in them. */
import type { Tx } from '../database.ts';

const binary = (digest: string): Buffer => Buffer.from(digest, 'hex');

export interface ReceivedFile {
  /** SHA-256 of the bytes, hex. */
  readonly digest: string;
  readonly name: string;
  readonly size: number;
  /** Null when the file was too large to be read. */
  readonly bytes: Buffer | null;
  /** By the drop. */
  readonly modifiedAt: Date;
  readonly receivedAt: Date;
}

/**
 * Keeps the bytes before anybody looks into them. Answers how often this file has been begun without an end, and whether it
 * has been taken in already; a refused one is looked at again, since settings may have changed.
 */
export async function receiveTaxFile(
  tx: Tx,
  installation: string,
  file: ReceivedFile,
): Promise<{ taken: boolean; attempts: number }> {
  const rows: { state: string; attempts: number }[] = await tx.query(
    `INSERT INTO tax_file (installation, digest, name, size, bytes, modified_at, received_at, state, attempts)
     VALUES ($1, $2, $3, $4, $5, $6, $7, 'RECEIVED', 1)
     ON CONFLICT (installation, digest) DO UPDATE SET
       state = CASE WHEN tax_file.state = 'TAKEN' THEN 'TAKEN' ELSE 'RECEIVED' END,
       name = CASE WHEN tax_file.state = 'TAKEN' THEN tax_file.name ELSE excluded.name END,
       attempts = CASE WHEN tax_file.state = 'RECEIVED' THEN tax_file.attempts + 1 ELSE 1 END
     RETURNING state, attempts`,
    [installation, binary(file.digest), file.name, file.size, file.bytes, file.modifiedAt, file.receivedAt],
  );
  return { taken: rows[0]?.state === 'TAKEN', attempts: rows[0]?.attempts ?? 1 };
}

/** The last attempt does not count: it ended by our own trouble. */
export async function forgiveTaxFile(tx: Tx, installation: string, digest: string): Promise<void> {
  await tx.query(
    `UPDATE tax_file SET attempts = greatest(attempts - 1, 0) WHERE installation = $1 AND digest = $2 AND state = 'RECEIVED'`,
    [installation, binary(digest)],
  );
}

export interface DecidedFile {
  readonly digest: string;
  readonly at: Date;
  readonly layout: string | null;
  readonly recordedAt: Date | null;
  /** Null: taken in. */
  readonly reason: string | null;
  readonly detail: string | null;
  /** Rows taken in. */
  readonly rows: number;
  readonly notes: readonly string[];
  readonly faults: readonly { readonly line: number; readonly reason: string; readonly detail: string }[];
}

/** Says what became of a received file, with its report in place of an earlier one. */
export async function decideTaxFile(tx: Tx, installation: string, file: DecidedFile): Promise<void> {
  const digest = binary(file.digest);
  await tx.query(
    `UPDATE tax_file SET state = $3, settled_at = $4, layout = $5, recorded_at = $6, reason = $7, detail = $8, rows = $9,
       refused = $10, notes = $11 WHERE installation = $1 AND digest = $2`,
    [
      installation,
      digest,
      file.reason === null ? 'TAKEN' : 'REFUSED',
      file.at,
      file.layout,
      file.recordedAt,
      file.reason,
      file.detail,
      file.rows,
      file.faults.length,
      file.notes,
    ],
  );
  await tx.query('DELETE FROM tax_row_report WHERE installation = $1 AND digest = $2', [installation, digest]);
  await tx.query(
    `INSERT INTO tax_row_report (installation, digest, number, line, reason, detail)
     SELECT $1, $2, number, line, reason, detail
     FROM unnest($3::int[], $4::text[], $5::text[]) WITH ORDINALITY AS given (line, reason, detail, number)`,
    [
      installation,
      digest,
      file.faults.map((one) => one.line),
      file.faults.map((one) => one.reason),
      file.faults.map((one) => one.detail),
    ],
  );
}

/** The newest file that was taken in, answers to requests left out: when that was, and its own date. */
export async function newestTaxFile(
  tx: Tx,
  installation: string,
): Promise<{ takenAt: Date; recordedAt: Date | null } | null> {
  const rows: { takenAt: Date; recordedAt: Date | null }[] = await tx.query(
    `SELECT settled_at AS "takenAt", recorded_at AS "recordedAt" FROM tax_file
     WHERE installation = $1 AND state = 'TAKEN' AND layout <> 'reply' ORDER BY settled_at DESC LIMIT 1`,
    [installation],
  );
  return rows[0] ?? null;
}

/** Files that were refused after `since`, each the newest of its kind (names alike but for digits); answers to requests left out. */
export const newestRefusedTaxFiles = (
  tx: Tx,
  installation: string,
  since: Date,
): Promise<{ name: string; reason: string; detail: string; head: Buffer }[]> =>
  tx.query(
    `SELECT name, reason, detail, coalesce(substring(bytes FROM 1 FOR 4096), '') AS head FROM (
       SELECT DISTINCT ON (regexp_replace(name, '[0-9]+', '#', 'g')) name, state, reason, coalesce(detail, '') AS detail, bytes
       FROM tax_file WHERE installation = $1 AND settled_at > $2 AND layout IS DISTINCT FROM 'reply'
       ORDER BY regexp_replace(name, '[0-9]+', '#', 'g'), settled_at DESC) newest
     WHERE state = 'REFUSED' ORDER BY name`,
    [installation, since],
  );
