/** A SAF-T file to our model. It is taken whole or not at all: its documents are chained and summed. */
import type { Fault, Invoice, ReadFile, Reason, Taxpayer } from '../../model.ts';
import { exact, minus, negated, print, ZERO } from '../money.ts';
import type { ReadOptions } from '../rows.ts';
import { faultsOf, isCounted, numberOf } from './check.ts';
import { type Document, readSaft, SaftFault, type SaftFile } from './read.ts';
import { CANCELLED } from './shape.ts';
import { verify } from './sign.ts';

/** Whether the bytes begin like XML. */
export const isXml = (bytes: Buffer): boolean => /^(ï»¿|ÿþ|þÿ)?[\s\0]*</.test(bytes.subarray(0, 64).toString('latin1'));

/** One file in this layout. */
export function* readSaftFile(bytes: Buffer, options: ReadOptions): Generator<void, ReadFile> {
  let recordedAt: Date | null = null;
  const refuse = (reason: Reason, detail: string, faults: readonly Fault[]): ReadFile => ({
    ...{ taken: false, layout: 'saft-pt', recordedAt, reason, detail, faults },
  });
  let file: SaftFile;
  try {
    file = yield* readSaft(bytes);
  } catch (error) {
    if (!(error instanceof SaftFault)) throw error;
    const fault = { line: error.line, reason: error.reason, detail: error.message };
    return refuse(error.reason, `Line ${error.line}: ${error.message}`, [fault]);
  }
  const faults = yield* faultsOf(file);
  const created = new Date(`${file.header.get('DateCreated')}T00:00:00Z`);
  if (!Number.isNaN(created.getTime())) recordedAt = created;
  const first = faults[0];
  if (first || !recordedAt) {
    return refuse(first?.reason ?? 'VALUE_INVALID', first?.detail ?? 'DateCreated is no day.', faults);
  }
  const issuer = file.header.get('TaxRegistrationNumber') ?? '';
  const company = options.companyOf(issuer);
  if (company === null) return refuse('TAXPAYER_UNKNOWN', `Nobody is known under ${issuer}.`, []);

  const documents = file.documents.filter(({ kind }) => kind.element === 'Invoice');
  const key = options.signatureKey(issuer);
  const notes: string[] = [];
  if (key === null) notes.push('SIGNATURE_UNVERIFIED');
  else {
    const { faults: wrong, open } = verify(documents, key);
    const [worst] = wrong;
    if (worst) return refuse('SIGNATURE_WRONG', worst.detail, wrong);
    if (open > 0) notes.push('SIGNATURE_CHAIN_OPEN');
  }
  const days = { from: file.header.get('StartDate') ?? '', to: file.header.get('EndDate') ?? '' };
  return {
    ...{ taken: true, layout: 'saft-pt', recordedAt },
    scope: {
      ...{ accounts: 'none', filings: 'none', filingPeriod: null, invoices: 'named', invoiceDays: days },
      spared: { accounts: [], documents: [], all: false },
    },
    ...{
      taxpayers: [taxpayerOf(file.header, company, issuer)],
      accounts: [],
      filings: [],
    },
    invoices: documents.map((document) => invoiceOf(document, company, file.header.get('CurrencyCode') ?? '')),
    ...{ faults: [], notes },
  };
}

/** Whose file it is, as its header says. */
function taxpayerOf(header: ReadonlyMap<string, string>, company: string, taxpayerNo: string): Taxpayer {
  const address = header.get('CompanyAddress/AddressDetail');
  return {
    ...{ company, taxpayerNo, name: header.get('CompanyName') || null },
    ...(address ? { address } : {}),
  };
}

/** What the company must pay back stands as debit: it is negative. */
function invoiceOf(document: Document, company: string, currency: string): Invoice {
  const { fields, credit, debit, references, kind } = document;
  const total = (name: string) => exact(fields.get(`DocumentTotals/${name}`) ?? '') ?? ZERO;
  const net = minus(credit, debit);
  const back = net.units < 0n || (net.units === 0n && fields.get('InvoiceType') === 'NC');
  const signed = (name: string) => (back ? negated(total(name)) : total(name));
  return {
    ...{ company, number: numberOf(document), issuedOn: fields.get('InvoiceDate') ?? '', currency },
    ...{ net: print(net), tax: print(signed('TaxPayable')), gross: print(signed('GrossTotal')) },
    ...{ cancelled: fields.get(kind.status) === CANCELLED, counted: isCounted(document) },
    original: references[0]?.text ?? null,
  };
}
