/**
 * Signatures of Portuguese invoices (Portaria 363/2010): RSA with SHA-1 over date, time of entry, number, gross total and the
 * preceding signature of the series.
 */
import { createPublicKey, createVerify } from 'node:crypto';
import type { Fault } from '../../model.ts';
import { formatRounded, parseDecimal, ZERO } from '../decimal.ts';
import type { Document } from './parse.ts';
import { numberOf, seriesOf } from './validate.ts';

/** The signed text of a document. */
export const signedText = (document: Document, before: string): string => {
  const field = (name: string) => document.fields.get(name) ?? '';
  const gross = formatRounded(parseDecimal(field('DocumentTotals/GrossTotal')) ?? ZERO);
  return [field('InvoiceDate'), field('SystemEntryDate'), numberOf(document), gross, before].join(';');
};

/** Verifies each series in order. `open`: number of series whose preceding signature is in another file. */
export function verifySignatures(invoices: readonly Document[], key: string): { faults: Fault[]; open: number } {
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
      detail: `The signature of ${numberOf(document)} does not match.`,
    });
  }
  return { faults: faults.sort((a, b) => a.line - b.line), open };
}
