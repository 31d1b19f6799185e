/** What must hold in a SAF-T file: shape, references, numbers, sums. Each breach is a fault with its line. */
import type { Fault, Reason } from '../../model.ts';
import { isDay } from '../calendar.ts';
import { close, type Exact, exact, plus, same, sum, ZERO } from '../money.ts';
import type { Document, SaftFile } from './read.ts';
import { HEADER, KINDS, MASTERS, type Master, NOT_COUNTED } from './shape.ts';

type Add = (reason: Reason, line: number, detail: string) => void;

/** All faults, the gravest first; within a reason in order of lines. Pauses between the kinds of checks. */
export function* faultsOf(file: SaftFile): Generator<void, Fault[]> {
  const found: Fault[] = [...file.faults];
  const add: Add = (reason, line, detail) => found.push({ line, reason, detail });
  for (const check of [shape, references, numbers, sums]) {
    check(file, add);
    yield;
  }
  return found.sort((a, b) => weight(a.reason) - weight(b.reason) || a.line - b.line);
}

/** A file with several breaches is refused for the first of these. */
const ORDER: readonly Reason[] = [
  ...(['TAXPAYER_MISSING', 'ELEMENT_MISSING', 'VALUE_INVALID', 'NUMBER_REPEATED', 'CUSTOMER_UNKNOWN'] as const),
  ...(['SUPPLIER_UNKNOWN', 'PRODUCT_UNKNOWN', 'ORIGINAL_UNKNOWN', 'NUMBER_GAP', 'PERIOD_OUTSIDE'] as const),
  ...(['COUNT_DIFFERS', 'AMOUNTS_DISAGREE', 'TOTALS_DIFFER'] as const),
];
const weight = (reason: Reason): number => ORDER.indexOf(reason);

export const numberOf = (document: Document): string => document.fields.get(document.kind.number) ?? '';
const nameOf = (document: Document): string => `${document.kind.element} ${numberOf(document) || 'without number'}`;
export const isCounted = ({ kind, fields }: Document): boolean => !NOT_COUNTED.has(fields.get(kind.status) ?? '');

/** Whether the element holds a text or children. What a line of goods holds is not kept, so a line only has to be there. */
const holds = (fields: ReadonlyMap<string, string>, name: string): boolean =>
  Boolean(fields.get(name)) ||
  (name === 'Line' && fields.has(name)) ||
  [...fields.keys()].some((one) => one.startsWith(`${name}/`));

function shape({ header, masters, sections, documents }: SaftFile, add: Add): void {
  const headerLine = Number(header.get(''));
  if (!header.get('TaxRegistrationNumber')) {
    add('TAXPAYER_MISSING', headerLine, 'The header has no TaxRegistrationNumber.');
  }
  for (const name of HEADER) {
    if (!holds(header, name)) add('ELEMENT_MISSING', headerLine, `The header has no ${name}.`);
  }
  for (const name of ['StartDate', 'EndDate', 'DateCreated']) {
    const day = header.get(name);
    if (day !== undefined && !isDay(day)) add('VALUE_INVALID', headerLine, `${name} is no day.`);
  }
  for (const [name, { id, required }] of Object.entries(MASTERS)) {
    for (const { line, fields } of masters[name as Master]) {
      for (const one of [id, ...required]) {
        if (!holds(fields, one)) add('ELEMENT_MISSING', line, `${name} has no ${one}.`);
      }
    }
  }
  for (const { section, sums } of KINDS.filter((kind) => kind.sums)) {
    const found = sections.get(section);
    for (const one of sums && found ? ['NumberOfEntries', 'TotalDebit', 'TotalCredit'] : []) {
      const text = found?.fields.get(one);
      if (!text) add('ELEMENT_MISSING', found?.line ?? 0, `${section} has no ${one}.`);
      else if (!exact(text)) add('VALUE_INVALID', found?.line ?? 0, `${one} of ${section} is no number.`);
    }
  }
  for (const document of documents) {
    const { kind, fields, line } = document;
    for (const one of [kind.number, kind.status, ...kind.required]) {
      if (!holds(fields, one)) add('ELEMENT_MISSING', line, `${nameOf(document)} has no ${one}.`);
    }
    if (kind.element === 'StockMovement' && !fields.get('CustomerID') && !fields.get('SupplierID')) {
      add('ELEMENT_MISSING', line, `${nameOf(document)} has neither CustomerID nor SupplierID.`);
    }
    for (const one of ['TaxPayable', 'NetTotal', 'GrossTotal']) {
      const text = fields.get(`DocumentTotals/${one}`);
      if (text !== undefined && !exact(text)) add('VALUE_INVALID', line, `${one} of ${nameOf(document)} is no amount.`);
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
      add('CUSTOMER_UNKNOWN', document.line, `${name} names the customer ${customer}.`);
    }
    if (supplier && !suppliers.has(supplier)) {
      add('SUPPLIER_UNKNOWN', document.line, `${name} names the supplier ${supplier}.`);
    }
    for (const { text, line } of document.products) {
      if (!products.has(text)) add('PRODUCT_UNKNOWN', line, `${name} names the product ${text}.`);
    }
  }
}

/** `2T A/5` is number 5 of the series `2T A`; null when it has no such form. */
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
    const own = documents.filter((one) => one.kind === kind).map((one) => ({ line: one.line, text: numberOf(one) }));
    repeated(own, `${kind.element} `, add);
  }
  const series = new Map<string, { line: number; number: number }[]>();
  const invoices = documents.filter(({ kind }) => kind.element === 'Invoice');
  for (const invoice of invoices) {
    const found = seriesOf(numberOf(invoice));
    if (!found) {
      add('VALUE_INVALID', invoice.line, 'An InvoiceNo is not made of series and number.');
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
    [...series].map(([name, all]) => [name, all.reduce((most, one) => Math.max(most, one.number), 0)]),
  );
  // An original of an earlier year is in another file; one beyond the end of a series that is here is nowhere.
  for (const invoice of invoices) {
    for (const { text, line } of invoice.references) {
      const found = seriesOf(text);
      const end = found ? last.get(found.series) : undefined;
      if (found && end !== undefined && found.number > end) {
        add('ORIGINAL_UNKNOWN', line, `${nameOf(invoice)} names ${text}.`);
      }
    }
  }
}

function repeated(all: readonly { line: number; text: string }[], what: string, add: Add): void {
  const seen = new Set<string>();
  for (const { line, text } of all) {
    if (text !== '' && seen.has(text)) add('NUMBER_REPEATED', line, `${what}${text} stands twice.`);
    seen.add(text);
  }
}

function sums({ sections, documents, header }: SaftFile, add: Add): void {
  for (const { section } of KINDS.filter((kind) => kind.sums)) {
    const found = sections.get(section);
    if (!found) continue;
    const own = documents.filter((document) => document.kind.section === section);
    const told = (name: string): Exact | null => exact(found.fields.get(name) ?? '');
    const entries = told('NumberOfEntries');
    if (entries && !same(entries, { units: BigInt(own.length), scale: 0 })) {
      add('COUNT_DIFFERS', found.line, `${section} says another number of entries than the ${own.length} it holds.`);
    }
    const counted = own.filter(isCounted);
    const differs = (name: string, held: Exact): void => {
      const wanted = told(name);
      if (wanted && !same(wanted, held))
        add('TOTALS_DIFFER', found.line, `${name} of ${section} is not the sum of the lines.`);
    };
    differs('TotalDebit', sum(counted.map((one) => one.debit)));
    differs('TotalCredit', sum(counted.map((one) => one.credit)));
  }
  const [from, to] = [header.get('StartDate') ?? '', header.get('EndDate') ?? ''];
  for (const document of documents.filter(({ kind }) => kind.element === 'Invoice')) {
    const { fields, line } = document;
    const day = fields.get('InvoiceDate') ?? '';
    if (!isDay(day)) add('VALUE_INVALID', line, `InvoiceDate of ${nameOf(document)} is no day.`);
    else if (isDay(from) && isDay(to) && (day < from || day > to)) {
      add('PERIOD_OUTSIDE', line, `${nameOf(document)} is of ${day}.`);
    }
    const amount = (name: string): Exact => exact(fields.get(`DocumentTotals/${name}`) ?? '') ?? ZERO;
    const lines = plus(document.credit, { units: -document.debit.units, scale: document.debit.scale });
    const size = lines.units < 0n ? { units: -lines.units, scale: lines.scale } : lines;
    // The document rounds what its lines give exactly.
    const fits =
      close(size, amount('NetTotal'), 1) &&
      close(plus(amount('NetTotal'), amount('TaxPayable')), amount('GrossTotal'), 1);
    if (!fits) add('AMOUNTS_DISAGREE', line, `The totals of ${nameOf(document)} do not fit.`);
  }
}
