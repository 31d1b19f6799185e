/** Requests for tax clearance by reference: the reply of the tax office contains only the hub's reference. */
import type { Tx } from '../transaction.ts';

/** A request for clearance. */
export interface TaxClearanceRow {
  readonly reference: string;
  readonly company: string;
  /** PREPARED (its file may not be written yet), SENT, ACCEPTED, REJECTED or COMPLETED. */
  readonly state: string;
}

/** Saves a request before its file is written; an existing reference does not change. */
export async function prepareTaxClearance(
  tx: Tx,
  installation: string,
  request: { reference: string; company: string; until: string; at: Date },
): Promise<void> {
  await tx.query(
    `INSERT INTO tax_clearance (installation, reference, company, until, requested_at, state, since)
     VALUES ($1, $2, $3, $4, $5, 'PREPARED', $5) ON CONFLICT DO NOTHING`,
    [installation, request.reference, request.company, request.until, request.at],
  );
}

/** The request, locked until the transaction ends; null for an unknown reference. */
export async function taxClearance(tx: Tx, installation: string, reference: string): Promise<TaxClearanceRow | null> {
  const rows: TaxClearanceRow[] = await tx.query(
    'SELECT reference, company, state FROM tax_clearance WHERE installation = $1 AND reference = $2 FOR UPDATE',
    [installation, reference],
  );
  return rows[0] ?? null;
}

/** Sets the state of a request. */
export async function updateTaxClearance(
  tx: Tx,
  installation: string,
  to: { reference: string; state: string; at: Date; receipt: string | null; reason: string | null },
): Promise<void> {
  await tx.query(
    `UPDATE tax_clearance SET state = $3, since = $4, receipt = coalesce($5, receipt), reason = $6
     WHERE installation = $1 AND reference = $2`,
    [installation, to.reference, to.state, to.at, to.receipt, to.reason],
  );
}

/** Deletes a request whose file was certainly not written. */
export async function forgetTaxClearance(tx: Tx, installation: string, reference: string): Promise<void> {
  await tx.query(`DELETE FROM tax_clearance WHERE installation = $1 AND reference = $2 AND state = 'PREPARED'`, [
    installation,
    reference,
  ]);
}
