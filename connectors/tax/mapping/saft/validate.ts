/** Validates a SAF-T file: required elements, references, numbers, sums. Each violation is a fault with its line. */
import type { Fault, Reason } from '../../model.ts';
import { isDay } from '../calendar.ts';
import { addDecimals, type Decimal, isClose, isEqual, parseDecimal, sum, ZERO } from '../decimal.ts';
import type { Document, SaftFile } from './parse.ts';
import { HEADER, KINDS, MASTERS, type Master, NOT_COUNTED } from './required-elements.ts';

type Add = (reason: Reason, line: number, detail: string) => void;

/** All faults, ordered by importance of the reason, then by line. Yields between the kinds of checks. */
export function* validateSaft(file: SaftFile): Generator<void, Fault[]> {
  const found: Fault[] = [...file.faults];
  const add: Add = (reason, line, detail) => found.push({ line, reason, detail });
  for (const check of [shape, references, numbers, sums]) {
    check(file, add);
    yield;
  }
  return found.sort((a, b) => rank(a.reason) - rank(b.reason) || a.line - b.line);
}

/** Reasons by importance: a file with several faults is rejected for the first of these. */
const ORDER: readonly Reason[] = [
  ...(['TAXPAYER_MISSING', 'ELEMENT_MISSING', 'VALUE_INVALID', 'NUMBER_REPEATED', 'CUSTOMER_UNKNOWN'] as const),
  ...(['SUPPLIER_UNKNOWN', 'PRODUCT_UNKNOWN', 'ORIGINAL_UNKNOWN', 'NUMBER_GAP', 'PERIOD_OUTSIDE'] as const),
  ...(['COUNT_DIFFERS', 'AMOUNTS_DISAGREE', 'TOTALS_DIFFER'] as const),
];
const rank = (reason: Reason): number => ORDER.indexOf(reason);

export const numberOf = (document: Document): string => document.fields.get(document.kind.number) ?? '';
const nameOf = (document: Document): string => `${document.kind.element} ${numberOf(document) || 'without number'}`;
export const isCounted = ({ kind, fields }: Document): boolean => !NOT_COUNTED.has(fields.get(kind.status) ?? '');

/** Whether the element has text or children. The content of invoice lines is not stored, so a line only has to be present. */
const hasContent = (fields: ReadonlyMap<string, string>, name: string): boolean =>
  Boolean(fields.get(name)) ||
  (name === 'Line' && fields.has(name)) ||
  [...fields.keys()].some((path) => path.startsWith(`${name}/`));

function shape({ header, masters, sections, documents }: SaftFile, add: Add): void {
  const headerLine = Number(header.get(''));
  if (!header.get('TaxRegistrationNumber')) {
    add('TAXPAYER_MISSING', headerLine, 'The header has no TaxRegistrationNumber.');
  }
  for (const name of HEADER) {
    if (!hasContent(header, name)) add('ELEMENT_MISSING', headerLine, `The header has no ${name}.`);
  }
  for (const name of ['StartDate', 'EndDate', 'DateCreated']) {
    const day = header.get(name);
    if (day !== undefined && !isDay(day)) add('VALUE_INVALID', headerLine, `${name} is not a day.`);
  }
  for (const [name, { id, required }] of Object.entries(MASTERS)) {
    for (const { line, fields } of masters[name as Master]) {
      for (const element of [id, ...required]) {
        if (!hasContent(fields, element)) add('ELEMENT_MISSING', line, `${name} has no ${element}.`);
      }
    }
  }
  for (const { section, sums } of KINDS.filter((kind) => kind.sums)) {
    const found = sections.get(section);
    for (const name of sums && found ? ['NumberOfEntries', 'TotalDebit', 'TotalCredit'] : []) {
      const text = found?.fields.get(name);
      if (!text) add('ELEMENT_MISSING', found?.line ?? 0, `${section} has no ${name}.`);
      else if (!parseDecimal(text)) add('VALUE_INVALID', found?.line ?? 0, `${name} of ${section} is not a number.`);
    }
  }
  for (const document of documents) {
    const { kind, fields, line } = document;
    for (const element of [kind.number, kind.status, ...kind.required]) {
      if (!hasContent(fields, element)) add('ELEMENT_MISSING', line, `${nameOf(document)} has no ${element}.`);
    }
    if (kind.element === 'StockMovement' && !fields.get('CustomerID') && !fields.get('SupplierID')) {
      add('ELEMENT_MISSING', line, `${nameOf(document)} has neither CustomerID nor SupplierID.`);
    }
    for (const total of ['TaxPayable', 'NetTotal', 'GrossTotal']) {
      const text = fields.get(`DocumentTotals/${total}`);
      if (text !== undefined && !parseDecimal(text))
        add('VALUE_INVALID', line, `${total} of ${nameOf(document)} is not an amount.`);
    }
  }
}

function references({ masters, documents }: SaftFile, add: Add): void {
  const ids = (name: Master) => new Set(masters[name].map(({ fields }) => fields.get(MASTERS[name].id)));
  const [customers, suppliers, products] = [ids('Customer'), ids('Supplier'), ids('Product')];
  for (const document of documents) {
    const [customer, supplier] = [document.fields.get('CustomerID'), document.fields.get('SupplierID')];
    const name = nameOf(document);
    if (customer && !customers.has(customer)) {
      add('CUSTOMER_UNKNOWN', document.line, `${name} refers to the unknown customer ${customer}.`);
    }
    if (supplier && !suppliers.has(supplier)) {
      add('SUPPLIER_UNKNOWN', document.line, `${name} refers to the unknown supplier ${supplier}.`);
    }
    for (const { text, line } of document.products) {
      if (!products.has(text)) add('PRODUCT_UNKNOWN', line, `${name} refers to the unknown product ${text}.`);
    }
  }
}

/** Splits `2T A/5` into series `2T A` and number 5; null for another form. */
export function seriesOf(number: string): { series: string; number: number } | null {
  const found = /^(.*[^/])\/(\d{1,15})$/.exec(number);
  return found ? { series: found[1] as string, number: Number(found[2]) } : null;
}

function numbers({ masters, documents }: SaftFile, add: Add): void {
  for (const name of Object.keys(MASTERS) as Master[]) {
    repeated(
      masters[name].map(({ line, fields }) => ({ line, text: fields.get(MASTERS[name].id) ?? '' })),
      `${MASTERS[name].id} `,
      add,
    );
  }
  for (const kind of KINDS) {
    const own = documents
      .filter((document) => document.kind === kind)
      .map((document) => ({ line: document.line, text: numberOf(document) }));
    repeated(own, `${kind.element} `, add);
  }
  const series = new Map<string, { line: number; number: number }[]>();
  const invoices = documents.filter(({ kind }) => kind.element === 'Invoice');
  for (const invoice of invoices) {
    const found = seriesOf(numberOf(invoice));
    if (!found) {
      add('VALUE_INVALID', invoice.line, 'The InvoiceNo does not consist of series and number.');
      continue;
    }
    const own = series.get(found.series) ?? [];
    series.set(found.series, own);
    own.push({ line: invoice.line, number: found.number });
  }
  for (const [name, all] of series) {
    const sorted = [...all].sort((a, b) => a.number - b.number);
    sorted.forEach(({ line, number }, i) => {
      const before = sorted[i - 1];
      if (before && number > before.number + 1) add('NUMBER_GAP', line, `${name}/${before.number + 1} is missing.`);
    });
  }
  const last = new Map(
    [...series].map(([name, all]) => [name, all.reduce((highest, { number }) => Math.max(highest, number), 0)]),
  );
  // The original may be in the file of another year. A number after the end of a series in this file does not exist.
  for (const invoice of invoices) {
    for (const { text, line } of invoice.references) {
      const found = seriesOf(text);
      const end = found ? last.get(found.series) : undefined;
      if (found && end !== undefined && found.number > end) {
        add('ORIGINAL_UNKNOWN', line, `${nameOf(invoice)} refers to the unknown ${text}.`);
      }
    }
  }
}

function repeated(all: readonly { line: number; text: string }[], prefix: string, add: Add): void {
  const seen = new Set<string>();
  for (const { line, text } of all) {
    if (text !== '' && seen.has(text)) add('NUMBER_REPEATED', line, `${prefix}${text} occurs twice.`);
    seen.add(text);
  }
}

function sums({ sections, documents, header }: SaftFile, add: Add): void {
  for (const { section } of KINDS.filter((kind) => kind.sums)) {
    const found = sections.get(section);
    if (!found) continue;
    const own = documents.filter((document) => document.kind.section === section);
    const stated = (name: string): Decimal | null => parseDecimal(found.fields.get(name) ?? '');
    const entries = stated('NumberOfEntries');
    if (entries && !isEqual(entries, { units: BigInt(own.length), scale: 0 })) {
      add('COUNT_DIFFERS', found.line, `NumberOfEntries of ${section} differs from its ${own.length} entries.`);
    }
    const counted = own.filter(isCounted);
    const compareTotal = (name: string, actual: Decimal): void => {
      const expected = stated(name);
      if (expected && !isEqual(expected, actual))
        add('TOTALS_DIFFER', found.line, `${name} of ${section} is not the sum of the lines.`);
    };
    compareTotal('TotalDebit', sum(counted.map(({ debit }) => debit)));
    compareTotal('TotalCredit', sum(counted.map(({ credit }) => credit)));
  }
  const [from, to] = [header.get('StartDate') ?? '', header.get('EndDate') ?? ''];
  for (const document of documents.filter(({ kind }) => kind.element === 'Invoice')) {
    const { fields, line } = document;
    const day = fields.get('InvoiceDate') ?? '';
    if (!isDay(day)) add('VALUE_INVALID', line, `InvoiceDate of ${nameOf(document)} is not a day.`);
    else if (isDay(from) && isDay(to) && (day < from || day > to)) {
      add('PERIOD_OUTSIDE', line, `${nameOf(document)} has the date ${day}.`);
    }
    const amount = (name: string): Decimal => parseDecimal(fields.get(`DocumentTotals/${name}`) ?? '') ?? ZERO;
    const lines = addDecimals(document.credit, { units: -document.debit.units, scale: document.debit.scale });
    const size = lines.units < 0n ? { units: -lines.units, scale: lines.scale } : lines;
    // The document's totals are rounded sums of its lines.
    const matches =
      isClose(size, amount('NetTotal'), 1) &&
      isClose(addDecimals(amount('NetTotal'), amount('TaxPayable')), amount('GrossTotal'), 1);
    if (!matches) add('AMOUNTS_DISAGREE', line, `The totals of ${nameOf(document)} do not match its lines.`);
  }
}
