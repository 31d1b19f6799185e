/** The office's own layouts, after their records have been taken apart: the same checks for fixed width and CSV. */
import type { Account, Fault, Filing, Invoice, Layout, ReadFile, Reason, Scope, Standing, Taxpayer } from '../model.ts';
import { daysOf, isDay } from './calendar.ts';
import { type Exact, exact, plus, print, same, ZERO } from './money.ts';

/** What the mapping must be told of the installation. */
export interface ReadOptions {
  /** Credit code of a taxpayer number; null when nobody knows it. */
  readonly companyOf: (taxpayerNo: string) => string | null;
  /** Public key (PEM) of an issuer of signed files; null when none is configured. */
  readonly signatureKey: (issuer: string) => string | null;
  /** Share of rows that may be refused, from 0 to 1. */
  readonly refusedShare: number;
}

/** First record. */
export interface Head {
  readonly line: number;
  readonly recordedAt: Date;
  readonly full: boolean;
  readonly contents: ReadonlySet<'account' | 'filing' | 'invoice'>;
  readonly period: string;
}

/** One record between first and last, as texts; blanks are cut off. */
export interface RawRow {
  readonly line: number;
  readonly kind: 'account' | 'filing' | 'invoice';
  readonly taxpayerNo: string;
  /** The taxpayer's name; empty when the record does not hold it whole. */
  readonly name: string;
  readonly standing: Standing | null;
  readonly number: string;
  readonly period: string;
  /** Empty, or a day as `2026-03-01`; anything else is refused. */
  readonly day: string;
  /** As decimals. */
  readonly net: string;
  readonly tax: string;
  readonly gross: string;
  /** Null: an unknown word stood there. */
  readonly cancelled: boolean | null;
  readonly original: string;
}

/** Last record. */
export interface Tail {
  readonly line: number;
  readonly rows: number;
  /** Of all returns' amounts and invoices' gross amounts. */
  readonly total: Exact;
}

export interface TakenApart {
  readonly layout: Layout;
  readonly head: Head | string;
  /** In order of lines; a fault where the record could not be taken apart. */
  readonly rows: readonly (RawRow | Fault)[];
  readonly tail: Tail | null;
}

const CURRENCY = 'CNY';
const NUMBER = /^[0-9A-Za-z][0-9A-Za-z/_. -]{0,39}$/;

class RowFault extends Error {
  readonly reason: Reason;
  constructor(reason: Reason, detail: string) {
    super(detail);
    this.reason = reason;
  }
}
const need = (right: boolean, reason: Reason, detail: string): void => {
  if (!right) throw new RowFault(reason, detail);
};

/** Checks the records against each other and makes them ours. */
export function judge(file: TakenApart, options: ReadOptions): ReadFile {
  const { layout, head, rows, tail } = file;
  const refuse = (reason: Reason, detail: string, faults: readonly Fault[] = []): ReadFile => {
    const recordedAt = typeof head === 'string' ? null : head.recordedAt;
    return { taken: false, layout, recordedAt, reason, detail, faults };
  };
  if (typeof head === 'string') return refuse('HEADER_WRONG', head);
  if (!tail) return refuse('TRAILER_MISSING', 'The last record is missing.');
  if (tail.rows !== rows.length) {
    return refuse('COUNT_DIFFERS', `The file says ${tail.rows} rows and holds ${rows.length}.`);
  }
  const made = new Made(head, options);
  for (const row of rows) made.add(row);
  const share = rows.length === 0 ? 0 : made.faults.length / rows.length;
  if (share > options.refusedShare) {
    const worst = made.faults[0];
    const first = worst ? ` The first, in line ${worst.line}: ${worst.reason}.` : '';
    const detail = `${made.faults.length} of ${rows.length} rows were refused.${first}`;
    return refuse('TOO_MANY_REFUSED', detail, made.faults);
  }
  // With refused rows the total cannot be proved: their amounts may be the very fault.
  if (made.faults.length === 0 && !same(made.total, tail.total)) {
    return refuse('TOTALS_DIFFER', 'The rows do not add up to the total of the last record.');
  }
  const { accounts, filings, invoices, faults } = made;
  return {
    taken: true,
    layout,
    recordedAt: head.recordedAt,
    scope: made.scope(),
    taxpayers: made.taxpayers(),
    ...{ accounts, filings, invoices, faults },
    notes: [],
  };
}

/** Rows that have been made ours so far. */
class Made {
  readonly accounts: Account[] = [];
  readonly filings: Filing[] = [];
  readonly invoices: Invoice[] = [];
  readonly faults: Fault[] = [];
  total: Exact = ZERO;
  readonly #head: Head;
  readonly #options: ReadOptions;
  readonly #seen = new Set<string>();
  readonly #taxpayers = new Map<string, Taxpayer>();
  #blind = false;
  readonly #sparedAccounts: string[] = [];
  readonly #sparedDocuments: (readonly [string, string])[] = [];

  constructor(head: Head, options: ReadOptions) {
    this.#head = head;
    this.#options = options;
  }

  add(row: RawRow | Fault): void {
    if ('reason' in row) {
      this.faults.push(row);
      this.#blind = true;
      return;
    }
    const company = this.#options.companyOf(row.taxpayerNo);
    try {
      if (company === null) throw new RowFault('TAXPAYER_UNKNOWN', `Nobody is known under ${row.taxpayerNo}.`);
      const name = row.name || (this.#taxpayers.get(company)?.name ?? null);
      this.#taxpayers.set(company, { company, taxpayerNo: row.taxpayerNo, name });
      const key = `${row.kind}\0${company}\0${row.number}`;
      need(!this.#seen.has(key), 'NUMBER_REPEATED', `${row.number || row.taxpayerNo} stands twice.`);
      this.#make(row, company);
      this.#seen.add(key);
    } catch (error) {
      if (!(error instanceof RowFault)) throw error;
      this.faults.push({ line: row.line, reason: error.reason, detail: error.message });
      if (company === null) return;
      if (row.kind === 'account') this.#sparedAccounts.push(company);
      else this.#sparedDocuments.push([company, row.number]);
    }
  }

  #make(row: RawRow, company: string): void {
    need(this.#head.contents.has(row.kind), 'RECORD_UNKNOWN', `The header announces no ${row.kind}.`);
    need(row.day === '' || isDay(row.day), 'VALUE_INVALID', 'The day is none.');
    if (row.kind === 'account') {
      if (row.standing === null) throw new RowFault('VALUE_INVALID', 'The standing is not known.');
      this.accounts.push({ company, standing: row.standing, since: row.day || null });
      return;
    }
    need(NUMBER.test(row.number), 'VALUE_INVALID', 'The number of the document is none.');
    if (row.kind === 'filing') this.#filing(row, company);
    else this.#invoice(row, company);
  }

  #filing(row: RawRow, company: string): void {
    need(daysOf(row.period) !== null, 'VALUE_INVALID', 'The period is none.');
    need(row.period === this.#head.period, 'PERIOD_OUTSIDE', `The file is about ${this.#head.period}.`);
    const amount = amountOf(row.net, 'amount');
    const { number, period } = row;
    const filedOn = row.day || null;
    this.filings.push({ company, number, period, filedOn, amount: print(amount), currency: CURRENCY });
    this.total = plus(this.total, amount);
  }

  #invoice(row: RawRow, company: string): void {
    need(row.day !== '', 'VALUE_INVALID', 'The day of issue is missing.');
    const days = daysOf(this.#head.period);
    const inside = days !== null && row.day >= days.from && row.day <= days.to;
    need(inside, 'PERIOD_OUTSIDE', `The file is about ${this.#head.period}.`);
    const [net, tax] = [amountOf(row.net, 'net amount'), amountOf(row.tax, 'tax')];
    const gross = amountOf(row.gross, 'gross amount');
    // Price and tax must add up to the fen.
    need(same(plus(net, tax), gross), 'AMOUNTS_DISAGREE', 'Net and tax do not make gross.');
    if (row.cancelled === null) throw new RowFault('VALUE_INVALID', 'The state of the invoice is not known.');
    this.invoices.push({
      ...{ company, number: row.number, issuedOn: row.day, currency: CURRENCY },
      ...{ net: print(net), tax: print(tax), gross: print(gross) },
      ...{ cancelled: row.cancelled, counted: !row.cancelled, original: row.original || null },
    });
    this.total = plus(this.total, gross);
  }

  taxpayers(): Taxpayer[] {
    return [...this.#taxpayers.values()];
  }

  scope(): Scope {
    const { contents, full, period } = this.#head;
    const width = (kind: 'account' | 'filing' | 'invoice') =>
      contents.has(kind) ? (full ? ('all' as const) : ('named' as const)) : ('none' as const);
    return {
      ...{ accounts: width('account'), filings: width('filing'), invoices: width('invoice') },
      ...{ filingPeriod: period, invoiceDays: daysOf(period) },
      spared: { accounts: this.#sparedAccounts, documents: this.#sparedDocuments, all: this.#blind },
    };
  }
}

function amountOf(text: string, what: string): Exact {
  const amount = exact(text);
  if (amount === null || amount.scale > 2) throw new RowFault('VALUE_INVALID', `The ${what} is no amount to the fen.`);
  return amount;
}
