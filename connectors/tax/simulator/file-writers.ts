/**
 * Writes the tax office's files: fixed-width, CSV, and SAF-T for companies with foreign books. Written from the manual of the
 * layouts.
 */
import iconv from 'iconv-lite';
import type { Company } from '../../kit/testing/park/index.ts';
import type { GeneratedInvoice, GeneratedReturn, Standing } from './generated-data.ts';

export interface Delivery {
  readonly number: number;
  readonly at: Date;
  /** `2026-10`. */
  readonly period: string;
  readonly whole: boolean;
}

const local = (at: Date): string => new Date(at.getTime() + 8 * 3_600_000).toISOString().slice(0, 19);
const compact = (text: string): string => text.replace(/[-:T]/g, '');

const WIDTH = 128;
/** Left-aligned text, truncated at a whole character. */
function cell(text: string, width: number): Buffer {
  let bytes = iconv.encode(text, 'gb18030');
  for (let cut = text.length - 1; bytes.length > width; cut--) bytes = iconv.encode(text.slice(0, cut), 'gb18030');
  return Buffer.concat([bytes, Buffer.alloc(width - bytes.length, ' ')]);
}
const fen = (amount: number): string => `${amount < 0 ? '-' : '+'}${String(Math.abs(amount)).padStart(17, '0')}`;
function record(...cells: readonly (string | Buffer)[]): Buffer {
  const bytes = Buffer.concat(cells.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));
  return Buffer.concat([bytes, Buffer.alloc(WIDTH - bytes.length, ' '), Buffer.from('\r\n')]);
}
const head = ({ number, at, period, whole }: Delivery, contents: string): Buffer =>
  record(
    ...['H', 'TAXFW001', '500112', compact(local(at)), whole ? 'F' : 'D'],
    ...[cell(contents, 3), cell(compact(period), 6), cell(String(number % 10_000_000_000), 10)],
  );
const last = (rows: number, total: number): Buffer => record('T', String(rows).padStart(8, '0'), fen(total));

const STANDINGS: Readonly<Record<Standing, string>> = { good: '01', arrears: '02', review: '03', gone: '04' };

/** Fixed-width file of standings. */
export function standingsFile(delivery: Delivery, all: readonly { company: Company; standing: Standing }[]): Buffer {
  const rows = all.map(({ company, standing }) =>
    record(
      ...['A', cell(company.taxpayerNo, 20), cell(company.name, 60), STANDINGS[standing]],
      cell(compact(company.establishedOn), 8),
    ),
  );
  return Buffer.concat([head(delivery, 'A'), ...rows, last(rows.length, 0)]);
}

/** Fixed-width file of the returns of one period. */
export function returnsFile(
  delivery: Delivery,
  all: readonly { company: Company; returns: readonly GeneratedReturn[] }[],
): Buffer {
  const flat = all.flatMap(({ company, returns }) => returns.map((filing) => ({ company, filing })));
  const rows = flat.map(({ company, filing }) =>
    record(
      ...['R', cell(company.taxpayerNo, 20), cell(filing.number, 20), cell(compact(delivery.period), 6)],
      ...[cell(compact(filing.filedOn ?? ''), 8), fen(filing.fen)],
    ),
  );
  const total = flat.reduce((sum, { filing }) => sum + filing.fen, 0);
  return Buffer.concat([head(delivery, 'R'), ...rows, last(rows.length, total)]);
}

/** Formats fen as yuan. */
const yuan = (amount: number): string =>
  `${amount < 0 ? '-' : ''}${Math.floor(Math.abs(amount) / 100)}.${String(Math.abs(amount) % 100).padStart(2, '0')}`;

/** CSV file of the invoices of one period. `stray` adds an invoice of an unknown taxpayer. */
export function invoicesFile(
  delivery: Delivery,
  all: readonly { company: Company; bills: readonly GeneratedInvoice[] }[],
  stray: boolean,
): Buffer {
  const { number, at, period, whole } = delivery;
  const lines = ['类别,纳税人识别号,纳税人名称,状态,单号,所属期,日期,金额,税额,价税合计,原单号'];
  lines.push(`文件,,发票,${whole ? '全量' : '增量'},${number},${period},${local(at).replace('T', ' ')},,,,`);
  let total = 0;
  for (const { company, bills } of all) {
    for (const bill of bills) {
      total += bill.net + bill.tax;
      const amounts = [yuan(bill.net), yuan(bill.tax), yuan(bill.net + bill.tax)];
      lines.push(
        [
          ...['发票', company.taxpayerNo, `"${company.name}"`, bill.cancelled ? '作废' : '正常', bill.number, ''],
          ...[bill.day, ...amounts, bill.original ?? ''],
        ].join(','),
      );
    }
  }
  if (stray) lines.push(`发票,500112198001014,某个体户,正常,${number}00001,,${period}-01,1.00,0.03,1.03,`);
  lines.push(`结束,,,,${lines.length - 2},,,${yuan(total)},,,`);
  return iconv.encode(`${lines.join('\r\n')}\r\n`, 'gb18030');
}

const xml = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
const tags = (values: Readonly<Record<string, string>>): string =>
  Object.entries(values)
    .map(([name, text]) => `<${name}>${text}</${name}>`)
    .join('');

/** SAF-T file of one company and month. */
export function saftFile({ at, period }: Delivery, company: Company, bills: readonly GeneratedInvoice[]): Buffer {
  const [year, month] = period.split('-').map(Number) as [number, number];
  const end = `${period}-${new Date(Date.UTC(year, month, 0)).getUTCDate()}`;
  const address = tags({ AddressDetail: xml(company.address), City: '重庆', PostalCode: '401120', Country: 'CN' });
  const sums = { Debit: 0, Credit: 0 };
  const series = new Map<string, number>();
  const names = new Map<string, string>();
  const documents = bills.map((bill) => {
    const type = bill.net < 0 ? 'NC' : 'FT';
    const number = (series.get(type) ?? 0) + 1;
    series.set(type, number);
    const name = `${type} ${period.replace('-', '')}/${number}`;
    names.set(bill.number, name);
    const side = bill.net < 0 ? 'Debit' : 'Credit';
    const size = (fenAmount: number) => yuan(Math.abs(fenAmount));
    if (!bill.cancelled) sums[side] += Math.abs(bill.net);
    const entry = `${bill.day}T10:00:00`;
    const original = bill.original === null ? '' : names.get(bill.original);
    const line = [
      tags({ LineNumber: '1', ProductCode: 'S01', ProductDescription: '服务', Quantity: '1', UnitOfMeasure: 'UN' }),
      tags({ UnitPrice: size(bill.net), TaxPointDate: bill.day }),
      original ? `<References>${tags({ Reference: original })}</References>` : '',
      tags({ Description: '服务', [`${side}Amount`]: size(bill.net) }),
    ].join('');
    return [
      `<Invoice>${tags({ InvoiceNo: name, ATCUD: '0' })}<DocumentStatus>`,
      tags({ InvoiceStatus: bill.cancelled ? 'A' : 'N', InvoiceStatusDate: entry, SourceID: '1', SourceBilling: 'P' }),
      `</DocumentStatus>${tags({ Hash: '0', HashControl: '0', InvoiceDate: bill.day, InvoiceType: type })}<SpecialRegimes>`,
      tags({ SelfBillingIndicator: '0', CashVATSchemeIndicator: '0', ThirdPartiesBillingIndicator: '0' }),
      `</SpecialRegimes>${tags({ SourceID: '1', SystemEntryDate: entry, CustomerID: 'C1', Line: line })}<DocumentTotals>`,
      tags({ TaxPayable: size(bill.tax), NetTotal: size(bill.net), GrossTotal: size(bill.net + bill.tax) }),
      '</DocumentTotals></Invoice>',
    ].join('');
  });
  const header = [
    tags({ AuditFileVersion: '1.04_01', CompanyID: company.tenantNo, TaxRegistrationNumber: company.taxpayerNo }),
    tags({
      TaxAccountingBasis: 'F',
      CompanyName: xml(company.name),
      CompanyAddress: address,
      FiscalYear: String(year),
    }),
    tags({ StartDate: `${period}-01`, EndDate: end, CurrencyCode: 'CNY', DateCreated: local(at).slice(0, 10) }),
    tags({ TaxEntity: 'Global', ProductCompanyTaxID: '0', SoftwareCertificateNumber: '0', ProductID: 'Books/Books' }),
    tags({ ProductVersion: '1' }),
  ].join('\n    ');
  const customer = tags({
    CustomerID: 'C1',
    AccountID: '0',
    CustomerTaxID: '0',
    CompanyName: '某客户',
    BillingAddress: address,
  });
  const product = tags({ ProductType: 'S', ProductCode: 'S01', ProductDescription: '服务', ProductNumberCode: 'S01' });
  const section = tags({
    NumberOfEntries: String(documents.length),
    TotalDebit: yuan(sums.Debit),
    TotalCredit: yuan(sums.Credit),
  });
  return Buffer.from(
    [
      '<?xml version="1.0" encoding="UTF-8"?>',
      '<AuditFile xmlns="urn:OECD:StandardAuditFile-Tax:PT_1.04_01">',
      `  <Header>\n    ${header}\n  </Header>`,
      `  <MasterFiles>${tags({ Customer: customer, Product: product })}</MasterFiles>`,
      `  <SourceDocuments><SalesInvoices>${section}`,
      ...documents,
      '  </SalesInvoices></SourceDocuments>',
      '</AuditFile>\n',
    ].join('\n'),
    'utf8',
  );
}
