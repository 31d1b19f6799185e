/**
 * Signatures of Portuguese invoices (Portaria 363/2010): RSA with SHA-1 over date, time of entry, number, gross total and the
 * signature before it in the same series.
 */
import { createPublicKey, createVerify } from 'node:crypto';
import type { Fault } from '../../model.ts';
import { exact, rounded, ZERO } from '../money.ts';
import { numberOf, seriesOf } from './check.ts';
import type { Document } from './read.ts';

/** What is signed of a document. */
export const signedText = (document: Document, before: string): string => {
  const field = (name: string) => document.fields.get(name) ?? '';
  const gross = rounded(exact(field('DocumentTotals/GrossTotal')) ?? ZERO);
  return [field('InvoiceDate'), field('SystemEntryDate'), numberOf(document), gross, before].join(';');
};

/** Checks each series in order. `open`: how many begin within a series, whose signature before is in another file. */
export function verify(invoices: readonly Document[], key: string): { faults: Fault[]; open: number } {
  const publicKey = createPublicKey(key);
  const faults: Fault[] = [];
  let open = 0;
  const last = new Map<string, string>();
  const ordered = invoices
    .map((document) => ({ document, place: seriesOf(numberOf(document)) }))
    .sort((a, b) => (a.place?.number ?? 0) - (b.place?.number ?? 0));
  for (const { document, place } of ordered) {
    const series = place?.series ?? '';
    const hash = document.fields.get('Hash') ?? '';
    const before = last.get(series) ?? (place?.number === 1 ? '' : null);
    last.set(series, hash);
    if (before === null) {
      open++;
      continue;
    }
    const check = createVerify('RSA-SHA1').update(signedText(document, before), 'utf8');
    if (check.verify(publicKey, Buffer.from(hash, 'base64'))) continue;
    faults.push({
      line: document.line,
      reason: 'SIGNATURE_WRONG',
      detail: `The signature of ${numberOf(document)} does not fit.`,
    });
  }
  return { faults: faults.sort((a, b) => a.line - b.line), open };
}
