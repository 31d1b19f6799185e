/** Requests for tax clearance by reference: the reply of the tax office contains only the hub's reference. */
import { TaxClearanceRow } from '../entities/tax.ts';
import type { Tx } from '../transaction.ts';

/** Saves a request before its file is written; an existing reference does not change. */
export async function prepareTaxClearance(
  tx: Tx,
  installation: string,
  request: { reference: string; company: string; until: string; at: Date },
): Promise<void> {
  const { at, ...given } = request;
  await tx
    .createQueryBuilder()
    .insert()
    .into(TaxClearanceRow)
    .values({ installation, ...given, requestedAt: at, state: 'PREPARED', since: at })
    .orIgnore()
    .execute();
}

/** The request, locked until the transaction ends; null for an unknown reference. */
export const taxClearance = (tx: Tx, installation: string, reference: string): Promise<TaxClearanceRow | null> =>
  tx.findOne(TaxClearanceRow, { where: { installation, reference }, lock: { mode: 'pessimistic_write' } });

/** Sets the state of a request. */
export async function updateTaxClearance(
  tx: Tx,
  installation: string,
  to: { reference: string; state: string; at: Date; receipt: string | null; reason: string | null },
): Promise<void> {
  const { reference, state, at: since, receipt, reason } = to;
  // A receipt stays when a later reply has none.
  await tx.update(
    TaxClearanceRow,
    { installation, reference },
    { state, since, reason, ...(receipt === null ? {} : { receipt }) },
  );
}

/** Deletes a request whose file was certainly not written. */
export async function forgetTaxClearance(tx: Tx, installation: string, reference: string): Promise<void> {
  await tx.delete(TaxClearanceRow, { installation, reference, state: 'PREPARED' });
}
