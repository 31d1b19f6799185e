/** Validates the parsed records of the office's own layouts, fixed-width and CSV, and maps them to the model. */
import type {
  Fault,
  Filing,
  Invoice,
  Layout,
  ReadFile,
  Reason,
  Scope,
  Standing,
  Taxpayer,
  TaxpayerAccount,
} from '../model.ts';
import { daysOfPeriod, isDay } from './calendar.ts';
import { addDecimals, type Decimal, formatDecimal, isEqual, parseDecimal, ZERO } from './decimal.ts';

/** Settings of the installation that the mapping needs. */
export interface ReadOptions {
  /** Credit code of a taxpayer number; null if unknown. */
  readonly companyOf: (taxpayerNo: string) => string | null;
  /** Public key (PEM) of an issuer of signed files; null if none is configured. */
  readonly signatureKey: (issuer: string) => string | null;
  /** Share of rejected rows, from 0 to 1, above which the file is rejected. */
  readonly refusedShare: number;
}

/** The first record. `full`: the file replaces all records of its contents, else only those of the companies it names. */
export interface FileHeader {
  readonly line: number;
  readonly recordedAt: Date;
  readonly full: boolean;
  readonly contents: ReadonlySet<'account' | 'filing' | 'invoice'>;
  readonly period: string;
}

/** A record between the first and the last, as trimmed text. */
export interface RawRow {
  readonly line: number;
  readonly kind: 'account' | 'filing' | 'invoice';
  readonly taxpayerNo: string;
  /** The taxpayer's name; empty if missing or truncated. */
  readonly name: string;
  readonly standing: Standing | null;
  readonly number: string;
  readonly period: string;
  /** Empty, or a day as `2026-03-01`; anything else is rejected. */
  readonly day: string;
  /** Amounts as decimals. */
  readonly net: string;
  readonly tax: string;
  readonly gross: string;
  /** Null: unknown value. */
  readonly cancelled: boolean | null;
  readonly original: string;
}

/** The last record. */
export interface FileTrailer {
  readonly line: number;
  readonly rows: number;
  /** Sum of the amounts of returns and the gross amounts of invoices. */
  readonly total: Decimal;
}

/** A parsed file. */
export interface ParsedFile {
  readonly layout: Layout;
  /** A string: why the first record is invalid. */
  readonly head: FileHeader | string;
  /** In the order of lines; a fault for a record that could not be parsed. */
  readonly rows: readonly (RawRow | Fault)[];
  readonly tail: FileTrailer | null;
}

const CURRENCY = 'CNY';
const NUMBER = /^[0-9A-Za-z][0-9A-Za-z/_. -]{0,39}$/;

/** Rejects the current row. */
class InvalidRow extends Error {
  readonly reason: Reason;
  constructor(reason: Reason, detail: string) {
    super(detail);
    this.reason = reason;
  }
}
const check = (condition: boolean, reason: Reason, detail: string): void => {
  if (!condition) throw new InvalidRow(reason, detail);
};

/** Validates the records and maps them. Rejects the file if its count, total or share of rejected rows is wrong. */
export function validateFile(file: ParsedFile, options: ReadOptions): ReadFile {
  const { layout, head, rows, tail } = file;
  const refuse = (reason: Reason, detail: string, faults: readonly Fault[] = []): ReadFile => {
    const recordedAt = typeof head === 'string' ? null : head.recordedAt;
    return { taken: false, layout, recordedAt, reason, detail, faults };
  };
  if (typeof head === 'string') return refuse('HEADER_WRONG', head);
  if (!tail) return refuse('TRAILER_MISSING', 'The last record is missing.');
  if (tail.rows !== rows.length) {
    return refuse('COUNT_DIFFERS', `The last record states ${tail.rows} rows, but the file has ${rows.length}.`);
  }
  const mapped = new MappedRows(head, options);
  for (const row of rows) mapped.add(row);
  const share = rows.length === 0 ? 0 : mapped.faults.length / rows.length;
  if (share > options.refusedShare) {
    const firstFault = mapped.faults[0];
    const first = firstFault ? ` The first is in line ${firstFault.line}: ${firstFault.reason}.` : '';
    const detail = `${mapped.faults.length} of ${rows.length} rows were rejected.${first}`;
    return refuse('TOO_MANY_REFUSED', detail, mapped.faults);
  }
  // With rejected rows the total cannot be checked, because their amounts may be invalid.
  if (mapped.faults.length === 0 && !isEqual(mapped.total, tail.total)) {
    return refuse('TOTALS_DIFFER', 'The rows do not add up to the total of the last record.');
  }
  const { accounts, filings, invoices, faults } = mapped;
  return {
    taken: true,
    layout,
    recordedAt: head.recordedAt,
    scope: mapped.scope(),
    taxpayers: mapped.taxpayers(),
    ...{ accounts, filings, invoices, faults },
    notes: [],
  };
}

/** The rows mapped so far. */
class MappedRows {
  readonly accounts: TaxpayerAccount[] = [];
  readonly filings: Filing[] = [];
  readonly invoices: Invoice[] = [];
  readonly faults: Fault[] = [];
  total: Decimal = ZERO;
  readonly #head: FileHeader;
  readonly #options: ReadOptions;
  readonly #seen = new Set<string>();
  readonly #taxpayers = new Map<string, Taxpayer>();
  /** A row was rejected without a known subject. */
  #subjectUnknown = false;
  readonly #sparedAccounts: string[] = [];
  readonly #sparedDocuments: (readonly [string, string])[] = [];

  constructor(head: FileHeader, options: ReadOptions) {
    this.#head = head;
    this.#options = options;
  }

  add(row: RawRow | Fault): void {
    if ('reason' in row) {
      this.faults.push(row);
      this.#subjectUnknown = true;
      return;
    }
    const company = this.#options.companyOf(row.taxpayerNo);
    try {
      if (company === null) throw new InvalidRow('TAXPAYER_UNKNOWN', `Unknown taxpayer number ${row.taxpayerNo}.`);
      const name = row.name || (this.#taxpayers.get(company)?.name ?? null);
      this.#taxpayers.set(company, { company, taxpayerNo: row.taxpayerNo, name });
      const key = `${row.kind}\0${company}\0${row.number}`;
      check(!this.#seen.has(key), 'NUMBER_REPEATED', `${row.number || row.taxpayerNo} occurs twice.`);
      this.#map(row, company);
      this.#seen.add(key);
    } catch (error) {
      if (!(error instanceof InvalidRow)) throw error;
      this.faults.push({ line: row.line, reason: error.reason, detail: error.message });
      if (company === null) return;
      if (row.kind === 'account') this.#sparedAccounts.push(company);
      else this.#sparedDocuments.push([company, row.number]);
    }
  }

  #map(row: RawRow, company: string): void {
    check(this.#head.contents.has(row.kind), 'RECORD_UNKNOWN', `The header announces no ${row.kind} records.`);
    check(row.day === '' || isDay(row.day), 'VALUE_INVALID', 'The date is invalid.');
    if (row.kind === 'account') {
      if (row.standing === null) throw new InvalidRow('VALUE_INVALID', 'The standing is unknown.');
      this.accounts.push({ company, standing: row.standing, since: row.day || null });
      return;
    }
    check(NUMBER.test(row.number), 'VALUE_INVALID', 'The document number is invalid.');
    if (row.kind === 'filing') this.#filing(row, company);
    else this.#invoice(row, company);
  }

  #filing(row: RawRow, company: string): void {
    check(daysOfPeriod(row.period) !== null, 'VALUE_INVALID', 'The period is invalid.');
    check(row.period === this.#head.period, 'PERIOD_OUTSIDE', `The period of the file is ${this.#head.period}.`);
    const amount = amountOf(row.net, 'amount');
    const { number, period } = row;
    const filedOn = row.day || null;
    this.filings.push({ company, number, period, filedOn, amount: formatDecimal(amount), currency: CURRENCY });
    this.total = addDecimals(this.total, amount);
  }

  #invoice(row: RawRow, company: string): void {
    check(row.day !== '', 'VALUE_INVALID', 'The day of issue is missing.');
    const days = daysOfPeriod(this.#head.period);
    const inside = days !== null && row.day >= days.from && row.day <= days.to;
    check(inside, 'PERIOD_OUTSIDE', `The period of the file is ${this.#head.period}.`);
    const [net, tax] = [amountOf(row.net, 'net amount'), amountOf(row.tax, 'tax')];
    const gross = amountOf(row.gross, 'gross amount');
    // Net and tax must add up exactly, to the fen.
    check(isEqual(addDecimals(net, tax), gross), 'AMOUNTS_DISAGREE', 'Net and tax do not add up to gross.');
    if (row.cancelled === null) throw new InvalidRow('VALUE_INVALID', 'The state of the invoice is unknown.');
    this.invoices.push({
      ...{ company, number: row.number, issuedOn: row.day, currency: CURRENCY },
      ...{ net: formatDecimal(net), tax: formatDecimal(tax), gross: formatDecimal(gross) },
      ...{ cancelled: row.cancelled, counted: !row.cancelled, original: row.original || null },
    });
    this.total = addDecimals(this.total, gross);
  }

  taxpayers(): Taxpayer[] {
    return [...this.#taxpayers.values()];
  }

  scope(): Scope {
    const { contents, full, period } = this.#head;
    const extent = (kind: 'account' | 'filing' | 'invoice') =>
      contents.has(kind) ? (full ? ('all' as const) : ('named' as const)) : ('none' as const);
    return {
      ...{ accounts: extent('account'), filings: extent('filing'), invoices: extent('invoice') },
      ...{ filingPeriod: period, invoiceDays: daysOfPeriod(period) },
      spared: { accounts: this.#sparedAccounts, documents: this.#sparedDocuments, all: this.#subjectUnknown },
    };
  }
}

function amountOf(text: string, field: string): Decimal {
  const amount = parseDecimal(text);
  if (amount === null || amount.scale > 2)
    throw new InvalidRow('VALUE_INVALID', `The ${field} is not an amount with at most two decimals.`);
  return amount;
}
