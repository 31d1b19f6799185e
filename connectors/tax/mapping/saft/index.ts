/** Maps a SAF-T file to the model. The file is accepted or rejected as a whole, because its documents are chained and summed. */
import type { Fault, Invoice, ReadFile, Reason, Taxpayer } from '../../model.ts';
import { formatDecimal, negate, parseDecimal, subtractDecimals, ZERO } from '../decimal.ts';
import type { ReadOptions } from '../validate-rows.ts';
import { type Document, parseSaft, SaftError, type SaftFile } from './parse.ts';
import { CANCELLED } from './required-elements.ts';
import { verifySignatures } from './signatures.ts';
import { isCounted, numberOf, validateSaft } from './validate.ts';

/** Whether the file is XML. */
export const isXml = (bytes: Buffer): boolean => /^(ï»¿|ÿþ|þÿ)?[\s\0]*</.test(bytes.subarray(0, 64).toString('latin1'));

/** Reads a SAF-T file; yields between chunks. */
export function* readSaftFile(bytes: Buffer, options: ReadOptions): Generator<void, ReadFile> {
  let recordedAt: Date | null = null;
  const refuse = (reason: Reason, detail: string, faults: readonly Fault[]): ReadFile => ({
    ...{ taken: false, layout: 'saft-pt', recordedAt, reason, detail, faults },
  });
  let file: SaftFile;
  try {
    file = yield* parseSaft(bytes);
  } catch (error) {
    if (!(error instanceof SaftError)) throw error;
    const fault = { line: error.line, reason: error.reason, detail: error.message };
    return refuse(error.reason, `Line ${error.line}: ${error.message}`, [fault]);
  }
  const faults = yield* validateSaft(file);
  const created = new Date(`${file.header.get('DateCreated')}T00:00:00Z`);
  if (!Number.isNaN(created.getTime())) recordedAt = created;
  const first = faults[0];
  if (first || !recordedAt) {
    return refuse(first?.reason ?? 'VALUE_INVALID', first?.detail ?? 'DateCreated is not a day.', faults);
  }
  const issuer = file.header.get('TaxRegistrationNumber') ?? '';
  const company = options.companyOf(issuer);
  if (company === null) return refuse('TAXPAYER_UNKNOWN', `Unknown taxpayer number ${issuer}.`, []);

  const documents = file.documents.filter(({ kind }) => kind.element === 'Invoice');
  const key = options.signatureKey(issuer);
  const notes: string[] = [];
  if (key === null) notes.push('SIGNATURE_UNVERIFIED');
  else {
    const { faults: invalid, open } = verifySignatures(documents, key);
    const [firstInvalid] = invalid;
    if (firstInvalid) return refuse('SIGNATURE_WRONG', firstInvalid.detail, invalid);
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

/** The taxpayer named in the header. */
function taxpayerOf(header: ReadonlyMap<string, string>, company: string, taxpayerNo: string): Taxpayer {
  const address = header.get('CompanyAddress/AddressDetail');
  return {
    ...{ company, taxpayerNo, name: header.get('CompanyName') || null },
    ...(address ? { address } : {}),
  };
}

/** Maps an invoice. A credit note has its amounts as debit, so they become negative. */
function invoiceOf(document: Document, company: string, currency: string): Invoice {
  const { fields, credit, debit, references, kind } = document;
  const total = (name: string) => parseDecimal(fields.get(`DocumentTotals/${name}`) ?? '') ?? ZERO;
  const net = subtractDecimals(credit, debit);
  const isCreditNote = net.units < 0n || (net.units === 0n && fields.get('InvoiceType') === 'NC');
  const signed = (name: string) => (isCreditNote ? negate(total(name)) : total(name));
  return {
    ...{ company, number: numberOf(document), issuedOn: fields.get('InvoiceDate') ?? '', currency },
    ...{
      net: formatDecimal(net),
      tax: formatDecimal(signed('TaxPayable')),
      gross: formatDecimal(signed('GrossTotal')),
    },
    ...{ cancelled: fields.get(kind.status) === CANCELLED, counted: isCounted(document) },
    original: references[0]?.text ?? null,
  };
}
