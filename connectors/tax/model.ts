/** The tax model. Amounts are exact decimals as text; days are `2026-03-01`; periods are `2026`, `2026-Q1` or `2026-03`. */

export type Standing = 'GOOD' | 'ARREARS' | 'UNDER_REVIEW' | 'DEREGISTERED' | 'UNKNOWN';

/** A company as the tax office names it. */
export interface Taxpayer {
  /** Credit code. */
  readonly company: string;
  readonly taxpayerNo: string;
  /** Null if the file gives none or a truncated one. */
  readonly name: string | null;
  /** From SAF-T files only. */
  readonly address?: string;
}

/** A company's standing with the tax office. */
export interface TaxpayerAccount {
  readonly company: string;
  readonly standing: Standing;
  /** Day since which it has this standing; null if the file does not give it. */
  readonly since: string | null;
}

/** A tax return. */
export interface Filing {
  readonly company: string;
  readonly number: string;
  readonly period: string;
  /** Null while the return is due. */
  readonly filedOn: string | null;
  readonly amount: string;
  /** ISO 4217. */
  readonly currency: string;
}

/** An invoice or credit note; the amounts of a credit note are negative. */
export interface Invoice {
  readonly company: string;
  /** As printed, leading zeros kept. */
  readonly number: string;
  readonly issuedOn: string;
  /** Sum of the invoice lines, not rounded. */
  readonly net: string;
  readonly tax: string;
  readonly gross: string;
  readonly currency: string;
  readonly cancelled: boolean;
  /** False if it is left out of sums: cancelled, or replaced by another document. */
  readonly counted: boolean;
  /** Number of the invoice that this one corrects. */
  readonly original: string | null;
}

/** A rejected row or part of a file. */
export interface Fault {
  /** Line of the file, from 1; 0 for the whole file. */
  readonly line: number;
  readonly reason: Reason;
  /** Message for the operator and the sender; contains ids and field names, never amounts or names. */
  readonly detail: string;
}

/** Reasons for rejecting a file or a row. */
export const REASONS = {
  LAYOUT_UNKNOWN: 'The file has an unknown layout.',
  ENCODING_UNKNOWN: 'The declared encoding is unknown.',
  ENCODING_BROKEN: 'The bytes are not valid in the encoding.',
  NOT_WELL_FORMED: 'The file is not well-formed XML or CSV.',
  TOO_LARGE: 'The file is larger than the configured maximum.',
  EMPTY: 'The file is empty.',
  UNREADABLE: 'Reading the file failed repeatedly.',
  HEADER_WRONG: 'The first record is not a valid header.',
  TRAILER_MISSING: 'The last record is missing: the file is truncated.',
  COUNT_DIFFERS: 'The number of records differs from the number stated in the file.',
  TOTALS_DIFFER: 'The sum of the records differs from the total stated in the file.',
  TOO_MANY_REFUSED: 'More rows were rejected than the configured share.',
  TAXPAYER_MISSING: 'The header names no taxpayer.',
  TAXPAYER_UNKNOWN: 'The taxpayer number is not a credit code and is not in the settings.',
  ELEMENT_MISSING: 'A required element is missing.',
  CUSTOMER_UNKNOWN: 'A document names a customer who is not in the file.',
  SUPPLIER_UNKNOWN: 'A document names a supplier who is not in the file.',
  PRODUCT_UNKNOWN: 'A document names a product that is not in the file.',
  ORIGINAL_UNKNOWN: 'A credit note names an invoice of the same series that does not exist.',
  NUMBER_REPEATED: 'A number occurs twice.',
  NUMBER_GAP: 'A number is missing in a series.',
  AMOUNTS_DISAGREE: 'Net and tax do not add up to gross, or the lines not to net.',
  SIGNATURE_WRONG: 'The signature does not match the document and its predecessor.',
  RECORD_UNKNOWN: 'The kind of record is unknown.',
  RECORD_LENGTH: 'The record has the wrong length.',
  VALUE_INVALID: 'A field has an invalid value.',
  PERIOD_OUTSIDE: 'The row belongs to a different period than the file.',
} as const;
export type Reason = keyof typeof REASONS;

/** What a file replaces in the mirror. The newest file about a record wins. */
export interface Scope {
  /** Standings of all companies, of those named in the file, or of none. */
  readonly accounts: 'all' | 'named' | 'none';
  /** Returns of `filingPeriod`, of all companies, of those named in the file, or of none. */
  readonly filings: 'all' | 'named' | 'none';
  readonly filingPeriod: string | null;
  /** Invoices issued in `invoiceDays` (both inclusive), of all companies, of those named in the file, or of none. */
  readonly invoices: 'all' | 'named' | 'none';
  readonly invoiceDays: { readonly from: string; readonly to: string } | null;
  /** Subjects of rejected rows, whose stored records are not deleted: companies, and pairs of company and number. */
  readonly spared: {
    readonly accounts: readonly string[];
    readonly documents: readonly (readonly [string, string])[];
    /** The subject of a rejected row is unknown, so no stored record is deleted. */
    readonly all: boolean;
  };
}

export type Layout = 'saft-pt' | 'fixed' | 'csv';

/** An accepted file, possibly without some rows. */
export interface TakenFile {
  readonly taken: true;
  readonly layout: Layout;
  /** The file's own date. */
  readonly recordedAt: Date;
  readonly scope: Scope;
  /** All taxpayers that the file names. */
  readonly taxpayers: readonly Taxpayer[];
  readonly accounts: readonly TaxpayerAccount[];
  readonly filings: readonly Filing[];
  readonly invoices: readonly Invoice[];
  /** Rejected rows. */
  readonly faults: readonly Fault[];
  /** Notes for the operator, such as SIGNATURE_UNVERIFIED. */
  readonly notes: readonly string[];
}

/** A file that is rejected as a whole. */
export interface RefusedFile {
  readonly taken: false;
  readonly layout: Layout | null;
  readonly recordedAt: Date | null;
  readonly reason: Reason;
  readonly detail: string;
  readonly faults: readonly Fault[];
}

export type ReadFile = TakenFile | RefusedFile;

/** The tax office's reply to a clearance request. */
export interface ClearanceReply {
  readonly reference: string;
  readonly state: 'ACCEPTED' | 'REJECTED' | 'COMPLETED';
  /** Number of the acceptance or the certificate. */
  readonly receipt: string | null;
  readonly reason: string | null;
  readonly at: Date;
}

/** A clearance request. */
export interface ClearanceRequest {
  readonly reference: string;
  readonly taxpayerNo: string;
  readonly until: string;
  readonly at: Date;
}

/** Origin of a row of the mirror. */
export interface Mirrored {
  readonly installation: string;
  readonly company: string;
  /** The file's own date. */
  readonly recordedAt: Date;
}

/** `standing` is null if the company is known from returns or invoices only. */
export interface MirroredAccount extends Mirrored {
  readonly standing: Standing | null;
  /** When the installation's folder was last listed, as ISO text; null: never. */
  readonly listedAt: string | null;
  /** The company's return of the latest period, from any installation; null if there is none. */
  readonly lastFiling: MirroredFiling | null;
}

export interface MirroredFiling extends Mirrored, Filing {
  /** Last month of the period. */
  readonly ends: string;
}

export interface MirroredInvoice extends Mirrored, Omit<Invoice, 'counted'> {}

/** One page in reading direction. `after`: day (last month, for returns), number and installation of the preceding row. */
export interface ListPage {
  readonly forward: boolean;
  readonly limit: number;
  readonly after: readonly [string, string, string] | null;
}

/** Days: `from` inclusive, `to` exclusive. */
export interface InvoiceFilter {
  readonly from: string | null;
  readonly to: string | null;
  readonly gross: Readonly<Partial<Record<'eq' | 'lt' | 'lte' | 'gt' | 'gte', string>>> & {
    readonly in?: readonly string[];
  };
}

/** Sums of one period in one currency. */
export interface Totals {
  readonly company: string;
  readonly period: string;
  readonly currency: string;
  readonly invoices: number;
  readonly net: string;
  readonly tax: string;
}

/** Days, both inclusive, and the length of a period. */
export interface TotalsRange {
  readonly by: 'month' | 'quarter' | 'year';
  readonly from: string;
  readonly to: string;
}
