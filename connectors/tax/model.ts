/** What tax knows, in our words. Amounts are exact decimals as texts; days are `2026-03-01`, periods `2026`, `2026-Q1` or `2026-03`. */

export type Standing = 'GOOD' | 'ARREARS' | 'UNDER_REVIEW' | 'DEREGISTERED' | 'UNKNOWN';

/** A company and how the tax office calls it. */
export interface Taxpayer {
  /** Credit code. */
  readonly company: string;
  /** As the office writes it. */
  readonly taxpayerNo: string;
  /** As the office writes it; null when it does not, or not to its end. */
  readonly name: string | null;
  /** Where it is, as its audit file says; absent in files that do not tell. */
  readonly address?: string;
}

/** How a company stands with the tax office. */
export interface Account {
  readonly company: string;
  readonly standing: Standing;
  /** Day since which it has this standing; null when the file does not say. */
  readonly since: string | null;
}

/** A tax return. */
export interface Filing {
  readonly company: string;
  readonly number: string;
  readonly period: string;
  /** Null while it is due. */
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
  /** Sum of its lines, not rounded. */
  readonly net: string;
  readonly tax: string;
  readonly gross: string;
  readonly currency: string;
  readonly cancelled: boolean;
  /** False for what must not enter sums: cancelled, or billed again by another document. */
  readonly counted: boolean;
  /** Number of the invoice that this one corrects. */
  readonly original: string | null;
}

/** A row, or a part of a file, that was refused. */
export interface Fault {
  /** Line of the file, from 1; 0 when the fault is of the whole file. */
  readonly line: number;
  readonly reason: Reason;
  /** A sentence for people; holds ids and field names, never an amount or a name. */
  readonly detail: string;
}

/** Why something was refused. */
export const REASONS = {
  LAYOUT_UNKNOWN: 'The file is in none of the known layouts.',
  ENCODING_UNKNOWN: 'The declared encoding is not known.',
  ENCODING_BROKEN: 'Bytes do not fit the encoding.',
  NOT_WELL_FORMED: 'The file breaks the rules of XML or CSV.',
  TOO_LARGE: 'The file is larger than agreed.',
  EMPTY: 'The file is empty.',
  UNREADABLE: 'Reading the file failed again and again.',
  HEADER_WRONG: 'The first record does not say what the file is.',
  TRAILER_MISSING: 'The last record is missing: the file was cut off.',
  COUNT_DIFFERS: 'There are more or fewer records than the file itself says.',
  TOTALS_DIFFER: 'The records do not add up to the total that the file itself gives.',
  TOO_MANY_REFUSED: 'More rows were refused than agreed.',
  TAXPAYER_MISSING: 'The header names no taxpayer.',
  TAXPAYER_UNKNOWN: 'The taxpayer number is no credit code and is not named in the settings.',
  ELEMENT_MISSING: 'An element that the schema demands is missing.',
  CUSTOMER_UNKNOWN: 'A document names a customer who is not in the file.',
  SUPPLIER_UNKNOWN: 'A document names a supplier who is not in the file.',
  PRODUCT_UNKNOWN: 'A document names a product that is not in the file.',
  ORIGINAL_UNKNOWN: 'A credit note names an invoice of the same series that does not exist.',
  NUMBER_REPEATED: 'A number stands twice.',
  NUMBER_GAP: 'A number is missing in a series.',
  AMOUNTS_DISAGREE: 'Net and tax do not make gross, or the lines do not make net.',
  SIGNATURE_WRONG: 'The signature does not fit the document and the one before it.',
  RECORD_UNKNOWN: 'The kind of record is not known.',
  RECORD_LENGTH: 'The record is too long or too short.',
  VALUE_INVALID: 'A field holds something else than it should.',
  PERIOD_OUTSIDE: 'The row belongs to another period than the file.',
} as const;
export type Reason = keyof typeof REASONS;

/** What a file replaces; the newest file about a thing counts. */
export interface Scope {
  /** Standings: of all companies, of the named ones, or of none. */
  readonly accounts: 'all' | 'named' | 'none';
  /** Returns of this period: of all companies, of the named ones, or none. */
  readonly filings: 'all' | 'named' | 'none';
  readonly filingPeriod: string | null;
  /** Invoices issued in these days, both included. */
  readonly invoices: 'all' | 'named' | 'none';
  readonly invoiceDays: { readonly from: string; readonly to: string } | null;
  /** What refused rows were about, so that what is known of it stays: companies, and company with number. */
  readonly spared: {
    readonly accounts: readonly string[];
    readonly documents: readonly (readonly [string, string])[];
    /** A refused row did not even tell what it is about: then nothing that is known is deleted. */
    readonly all: boolean;
  };
}

export type Layout = 'saft-pt' | 'fixed' | 'csv';

/** A file that is taken in, perhaps without some rows. */
export interface TakenFile {
  readonly taken: true;
  readonly layout: Layout;
  /** The file's own date. */
  readonly recordedAt: Date;
  readonly scope: Scope;
  /** All that the file speaks of. */
  readonly taxpayers: readonly Taxpayer[];
  readonly accounts: readonly Account[];
  readonly filings: readonly Filing[];
  readonly invoices: readonly Invoice[];
  /** Rows that were left out. */
  readonly faults: readonly Fault[];
  /** What a person should know, such as SIGNATURE_UNVERIFIED. */
  readonly notes: readonly string[];
}

/** A file that is refused as a whole. */
export interface RefusedFile {
  readonly taken: false;
  readonly layout: Layout | null;
  readonly recordedAt: Date | null;
  readonly reason: Reason;
  readonly detail: string;
  readonly faults: readonly Fault[];
}

export type ReadFile = TakenFile | RefusedFile;

/** What the office answered to a request for clearance. */
export interface ClearanceReply {
  readonly reference: string;
  readonly state: 'ACCEPTED' | 'REJECTED' | 'COMPLETED';
  /** Number of the certificate or of the acceptance. */
  readonly receipt: string | null;
  readonly reason: string | null;
  readonly at: Date;
}

/** A request for clearance. */
export interface ClearanceRequest {
  readonly reference: string;
  readonly taxpayerNo: string;
  readonly until: string;
  readonly at: Date;
}

/** Where a row of the mirror comes from. */
export interface Mirrored {
  readonly installation: string;
  readonly company: string;
  /** The file's own date. */
  readonly recordedAt: Date;
}

/** `standing` is null when only returns or invoices have told of the company. */
export interface MirroredAccount extends Mirrored {
  readonly standing: Standing | null;
}

export interface MirroredFiling extends Mirrored, Filing {
  /** Last month of the period. */
  readonly ends: string;
}

export interface MirroredInvoice extends Mirrored, Omit<Invoice, 'counted'> {}

/** One page in reading direction; `after` is day (of returns: last month), number and installation of the row before. */
export interface ListPage {
  readonly forward: boolean;
  readonly limit: number;
  readonly after: readonly [string, string, string] | null;
}

/** Days: `from` included, `to` excluded. */
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

/** Days, both included, and how they are cut. */
export interface TotalsRange {
  readonly by: 'month' | 'quarter' | 'year';
  readonly from: string;
  readonly to: string;
}
