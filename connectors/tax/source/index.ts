/** Reads the mirror of the tax office's files for requests; it never calls the SFTP server. */
import type { Call } from '../../kit/call.ts';
import type { Tx } from '../../kit/connector.ts';
import { loader, memoizeByArguments } from '../../kit/loader.ts';
import type { ProvenanceFacts, Sourced } from '../../kit/provenance.ts';
import type {
  InvoiceFilter,
  ListPage,
  MirroredAccount,
  MirroredFiling,
  MirroredInvoice,
  Totals,
  TotalsRange,
} from '../model.ts';
import { Clearances } from './clearance.ts';
import { type Installation, LISTED } from './installation.ts';

/** The loaders of one request. Lists take several installations at once, because all installations share one mirror. */
export class TaxSource {
  readonly #installation: Installation;
  readonly #call: Call;
  constructor(at: Installation, call: Call) {
    this.#installation = at;
    this.#call = call;
  }

  #read<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#installation.services.read(work, this.#call);
  }

  #listed: Promise<string | null> | undefined;
  /**
   * Provenance of a row from this installation's files; `recordedAt` is the date in the file. `listedAt` is `MirroredAccount.listedAt` of
   * this installation, if it was read.
   */
  async facts(recordedAt: Date | null, listedAt?: string | null): Promise<ProvenanceFacts> {
    const { services, settings } = this.#installation;
    if (listedAt !== undefined) this.#listed ??= Promise.resolve(listedAt);
    this.#listed ??= services.read((tx) => services.state.get<string>(tx, LISTED));
    const listed = await this.#listed;
    return services.guard.mirrorFacts(
      this.#call,
      listed === null ? null : new Date(listed),
      recordedAt,
      settings.fresh,
    );
  }

  /** Accounts by company, one per installation with data about it. */
  readonly accounts = memoizeByArguments((installations: readonly string[]) =>
    loader<readonly MirroredAccount[]>(async (companies) => {
      const { services } = this.#installation;
      const rows = await this.#read((tx) => services.store.tax.taxAccounts(tx, installations, companies, LISTED));
      const accounts = rows.map(({ state, ...row }) => ({ ...row, listedAt: state }));
      return grouped(companies, accounts as MirroredAccount[], { includeEmpty: false });
    }),
  );

  /** A page of returns by company, newest first, in reading direction. */
  readonly filings = memoizeByArguments((list: { installations: readonly string[]; page: ListPage }) =>
    loader<readonly MirroredFiling[]>(async (companies) => {
      const { services } = this.#installation;
      const rows = await this.#read((tx) =>
        services.store.tax.taxFilings(tx, list.installations, companies, list.page),
      );
      return grouped(companies, rows, { includeEmpty: true });
    }),
  );

  readonly filingCount = memoizeByArguments((installations: readonly string[]) =>
    loader<number>((companies) => {
      const { services } = this.#installation;
      return this.#read((tx) => services.store.tax.taxFilingCounts(tx, installations, companies));
    }),
  );

  /** A page of invoices by company, newest first, in reading direction. */
  readonly invoices = memoizeByArguments(
    (list: { installations: readonly string[]; filter: InvoiceFilter; page: ListPage }) =>
      loader<readonly MirroredInvoice[]>(async (companies) => {
        const { services } = this.#installation;
        const rows = await this.#read((tx) =>
          services.store.tax.taxInvoices(tx, list.installations, companies, list.filter, list.page),
        );
        return grouped(companies, rows, { includeEmpty: true });
      }),
  );

  readonly invoiceCount = memoizeByArguments((list: { installations: readonly string[]; filter: InvoiceFilter }) =>
    loader<number>((companies) => {
      const { services } = this.#installation;
      return this.#read((tx) => services.store.tax.taxInvoiceCounts(tx, list.installations, companies, list.filter));
    }),
  );

  /** Sums by company; a period without invoices has no row. */
  readonly totals = memoizeByArguments((totals: { installations: readonly string[]; range: TotalsRange }) =>
    loader<readonly Totals[]>(async (companies) => {
      const { services } = this.#installation;
      const rows = await this.#read((tx) =>
        services.store.tax.taxTotals(tx, totals.installations, companies, totals.range),
      );
      return grouped(companies, rows, { includeEmpty: true });
    }),
  );

  /** Sends a clearance request; resolves with the case's global id. */
  requestClearance(request: { clientMutationId: string; company: string; until: string }): Promise<Sourced<string>> {
    return new Clearances(this.#installation).request(this.#call, request);
  }
}

/** Rows by company. `includeEmpty`: companies without rows have an empty list, otherwise they are missing. */
function grouped<T extends { readonly company: string }>(
  companies: readonly string[],
  rows: readonly T[],
  { includeEmpty }: { readonly includeEmpty: boolean },
): Map<string, T[]> {
  const found = new Map<string, T[]>(includeEmpty ? companies.map((company) => [company, []]) : []);
  for (const row of rows) {
    const own = found.get(row.company);
    if (own) own.push(row);
    else found.set(row.company, [row]);
  }
  return found;
}
