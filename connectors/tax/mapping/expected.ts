/** Whether a file that was refused tells of another layout than the ones that are read, and which fields of the graph live on it. */
import type { Drift } from '../../kit/connector.ts';
import { missing } from '../../kit/monitoring/drift.ts';
import { REASONS, type Reason } from '../model.ts';
import { COLUMNS, firstLine } from './csv.ts';

/** A file as it was decided; `head` holds its first bytes. */
export interface Refused {
  readonly name: string;
  readonly reason: string;
  readonly detail: string;
  readonly head: Buffer;
}

const ALL = ['Company.tax', 'TaxAccount', 'TaxFiling', 'Invoice', 'TaxTotal'];
/** In the order of the heading. */
const FIELDS: readonly (readonly string[])[] = [
  ALL,
  ALL,
  ALL,
  ['TaxAccount.standing', 'Invoice.cancelled'],
  ['TaxFiling.id', 'Invoice.id'],
  ['TaxFiling.period'],
  ['TaxFiling.filedOn', 'Invoice.issuedOn'],
  ['TaxFiling.amount', 'Invoice.net', 'TaxTotal.net'],
  ['Invoice.tax', 'TaxTotal.tax'],
  ['Invoice.gross'],
  ['Invoice.original'],
];
const EXPECTED = Object.fromEntries(COLUMNS.map((column, i) => [column, FIELDS[i] ?? ALL]));

/** Reasons that speak of how the file is laid out, not of what its rows say. */
const LAYOUT: readonly Reason[] = [
  'LAYOUT_UNKNOWN',
  'ENCODING_UNKNOWN',
  'ENCODING_BROKEN',
  'NOT_WELL_FORMED',
  'HEADER_WRONG',
  'ELEMENT_MISSING',
  'RECORD_LENGTH',
  'RECORD_UNKNOWN',
  'VALUE_INVALID',
];

export function driftOf({ name, reason, detail, head }: Refused): Drift[] {
  // A file of which most rows were refused names the fault of the first.
  const why = reason === 'TOO_MANY_REFUSED' ? LAYOUT.find((one) => detail.includes(one)) : (reason as Reason);
  if (why === undefined || !LAYOUT.includes(why)) return [];
  const heading = firstLine(head).split(',');
  const known = heading.filter((one) => COLUMNS.includes(one)).length;
  if (why === 'LAYOUT_UNKNOWN' && known > COLUMNS.length / 2) {
    const gone = missing(EXPECTED, heading, (column) => `the column ${column} of ${name} is gone`);
    return gone.length > 0 ? gone : [{ what: `the columns of ${name} are more, or in another order`, fields: ALL }];
  }
  const sentence = REASONS[why].replace(/\.$/, '');
  return [{ what: `${name} was refused: ${sentence.charAt(0).toLowerCase()}${sentence.slice(1)}`, fields: ALL }];
}
