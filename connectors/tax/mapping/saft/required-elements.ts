/** Required elements of SAF-T PT 1.04, from the published schema. */

export const NAMESPACE = 'urn:OECD:StandardAuditFile-Tax:PT_1.04_01';

/** Required children of the header, except TaxRegistrationNumber, which has its own reason. */
export const HEADER =
  'AuditFileVersion CompanyID TaxAccountingBasis CompanyName CompanyAddress FiscalYear StartDate EndDate CurrencyCode DateCreated TaxEntity ProductCompanyTaxID SoftwareCertificateNumber ProductID ProductVersion'.split(
    ' ',
  );

/** Lists of the master files: the id that documents reference, and the other required elements. */
export const MASTERS = {
  Customer: { id: 'CustomerID', required: ['AccountID', 'CustomerTaxID', 'CompanyName', 'BillingAddress'] },
  Supplier: { id: 'SupplierID', required: ['AccountID', 'SupplierTaxID', 'CompanyName', 'BillingAddress'] },
  Product: { id: 'ProductCode', required: ['ProductType', 'ProductDescription', 'ProductNumberCode'] },
} as const;
export type Master = keyof typeof MASTERS;

/** A kind of document. */
export interface Kind {
  readonly section: string;
  readonly element: string;
  readonly number: string;
  readonly status: string;
  readonly required: readonly string[];
  /** Whether the section has control totals of debit and credit. */
  readonly sums: boolean;
}

const SIGNED = ['ATCUD', 'Hash', 'HashControl', 'SourceID', 'SystemEntryDate', 'Line', 'DocumentTotals'];
const STATED = ['DocumentStatus/SourceID', 'DocumentStatus/SourceBilling'];
const TOTALS = ['DocumentTotals/TaxPayable', 'DocumentTotals/NetTotal', 'DocumentTotals/GrossTotal'];

export const KINDS: readonly Kind[] = [
  {
    section: 'SalesInvoices',
    element: 'Invoice',
    number: 'InvoiceNo',
    status: 'DocumentStatus/InvoiceStatus',
    required: [
      ...[...SIGNED, ...STATED, ...TOTALS, 'DocumentStatus/InvoiceStatusDate'],
      ...['InvoiceDate', 'InvoiceType', 'SpecialRegimes', 'CustomerID'],
    ],
    sums: true,
  },
  {
    section: 'MovementOfGoods',
    element: 'StockMovement',
    number: 'DocumentNumber',
    status: 'DocumentStatus/MovementStatus',
    required: [...SIGNED, ...STATED, ...TOTALS, 'MovementDate', 'MovementType', 'MovementStartTime'],
    sums: false,
  },
  {
    section: 'WorkingDocuments',
    element: 'WorkDocument',
    number: 'DocumentNumber',
    status: 'DocumentStatus/WorkStatus',
    required: [...SIGNED, ...STATED, ...TOTALS, 'WorkDate', 'WorkType', 'CustomerID'],
    sums: true,
  },
  {
    section: 'Payments',
    element: 'Payment',
    number: 'PaymentRefNo',
    status: 'DocumentStatus/PaymentStatus',
    required: [
      ...['ATCUD', 'TransactionDate', 'PaymentType', 'SourceID', 'SystemEntryDate', 'CustomerID', 'Line'],
      ...['DocumentStatus/SourceID', 'DocumentStatus/SourcePayment', ...TOTALS],
    ],
    sums: true,
  },
];

/** Statuses left out of control totals: cancelled, and replaced by another document. */
export const NOT_COUNTED: ReadonlySet<string> = new Set(['A', 'F']);
export const CANCELLED = 'A';
