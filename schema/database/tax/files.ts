/** Files from the tax office: their bytes, the result of processing, and rejected rows. */
import type { TaxFileRow } from '../entities/tax.ts';
import type { Tx } from '../transaction.ts';

const binary = (digest: string): Buffer => Buffer.from(digest, 'hex');

/** A received file. */
export interface ReceivedFile extends Readonly<Pick<TaxFileRow, 'name' | 'bytes' | 'modifiedAt' | 'receivedAt'>> {
  /** SHA-256 of the bytes, hex. */
  readonly digest: string;
  readonly size: number;
}

/**
 * Saves the bytes before they are parsed. Resolves with the number of attempts that did not finish, and whether the file was already
 * processed; a rejected file is processed again, since settings may have changed.
 */
export async function receiveTaxFile(
  tx: Tx,
  installation: string,
  file: ReceivedFile,
): Promise<{ isAccepted: boolean; attempts: number }> {
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
  return { isAccepted: rows[0]?.state === 'TAKEN', attempts: rows[0]?.attempts ?? 1 };
}

/** Undoes the last attempt, which failed because of an error in the hub. */
export async function undoTaxFileAttempt(tx: Tx, installation: string, digest: string): Promise<void> {
  await tx.query(
    `UPDATE tax_file SET attempts = greatest(attempts - 1, 0) WHERE installation = $1 AND digest = $2 AND state = 'RECEIVED'`,
    [installation, binary(digest)],
  );
}

/** The result of processing a file. */
export interface TaxFileResult {
  readonly digest: string;
  readonly at: Date;
  readonly layout: string | null;
  readonly recordedAt: Date | null;
  /** Why the file was rejected; null: it was accepted. */
  readonly reason: string | null;
  readonly detail: string | null;
  /** Number of accepted rows. */
  readonly rows: number;
  readonly notes: readonly string[];
  readonly errors: readonly { readonly line: number; readonly reason: string; readonly detail: string }[];
}

/** Saves the result of a received file; replaces an earlier result. */
export async function recordTaxFileResult(tx: Tx, installation: string, file: TaxFileResult): Promise<void> {
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
      file.errors.length,
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
      file.errors.map((error) => error.line),
      file.errors.map((error) => error.reason),
      file.errors.map((error) => error.detail),
    ],
  );
}

/** The newest accepted file except replies: when it was processed, and its own date. Null if there is none. */
export async function newestTaxFile(
  tx: Tx,
  installation: string,
): Promise<{ acceptedAt: Date; recordedAt: Date | null } | null> {
  const rows: { acceptedAt: Date; recordedAt: Date | null }[] = await tx.query(
    `SELECT settled_at AS "acceptedAt", recorded_at AS "recordedAt" FROM tax_file
     WHERE installation = $1 AND state = 'TAKEN' AND layout <> 'reply' ORDER BY settled_at DESC LIMIT 1`,
    [installation],
  );
  return rows[0] ?? null;
}

/** Rejected files after `since` except replies: the newest one of each kind, whose names differ in digits only. */
export const newestRejectedTaxFiles = (
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
