/** Drift check: whether a rejected file indicates a changed layout, and which graph fields depend on it. */
import type { Drift } from '../../kit/connector.ts';
import { findMissing } from '../../kit/monitoring/drift.ts';
import { REASONS, type Reason } from '../model.ts';
import { COLUMNS, firstLine } from './csv.ts';

/** A rejected file; `head` holds its first bytes. */
export interface RejectedFile {
  readonly name: string;
  readonly reason: string;
  readonly detail: string;
  readonly head: Buffer;
}

const ALL_FIELDS = ['Company.tax', 'TaxAccount', 'TaxFiling', 'Invoice', 'TaxTotal'];
/** Graph fields by column, in the order of the heading. */
const COLUMN_FIELDS: readonly (readonly string[])[] = [
  ALL_FIELDS,
  ALL_FIELDS,
  ALL_FIELDS,
  ['TaxAccount.standing', 'Invoice.cancelled'],
  ['TaxFiling.id', 'Invoice.id'],
  ['TaxFiling.period'],
  ['TaxFiling.filedOn', 'Invoice.issuedOn'],
  ['TaxFiling.amount', 'Invoice.net', 'TaxTotal.net'],
  ['Invoice.tax', 'TaxTotal.tax'],
  ['Invoice.gross'],
  ['Invoice.original'],
];
const EXPECTED = Object.fromEntries(COLUMNS.map((column, i) => [column, COLUMN_FIELDS[i] ?? ALL_FIELDS]));

/** Reasons that indicate a changed layout rather than invalid data. */
const LAYOUT_REASONS: readonly Reason[] = [
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

/** Drift that the rejected file indicates; empty if its reason does not concern the layout. */
export function findDrift({ name, reason, detail, head }: RejectedFile): Drift[] {
  // The detail of TOO_MANY_REFUSED names the reason of the first row.
  const layoutReason =
    reason === 'TOO_MANY_REFUSED' ? LAYOUT_REASONS.find((candidate) => detail.includes(candidate)) : (reason as Reason);
  if (layoutReason === undefined || !LAYOUT_REASONS.includes(layoutReason)) return [];
  const heading = firstLine(head).split(',');
  const known = heading.filter((column) => COLUMNS.includes(column)).length;
  if (layoutReason === 'LAYOUT_UNKNOWN' && known > COLUMNS.length / 2) {
    const missingColumns = findMissing(EXPECTED, heading, (column) => `the column ${column} of ${name} is gone`);
    return missingColumns.length > 0
      ? missingColumns
      : [{ description: `${name} has additional columns or another column order`, fields: ALL_FIELDS }];
  }
  const reasonText = REASONS[layoutReason].replace(/\.$/, '');
  return [
    {
      description: `${name} was rejected: ${reasonText.charAt(0).toLowerCase()}${reasonText.slice(1)}`,
      fields: ALL_FIELDS,
    },
  ];
}
