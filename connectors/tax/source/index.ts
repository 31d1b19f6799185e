/** The mirror of the tax office's files, as requests read it. Nothing here waits for the drop. */
import type { Call, Services } from '../../kit/connector.ts';
import { byArguments, loader } from '../../kit/loader.ts';
import type { Facts, Known } from '../../kit/provenance.ts';
import type {
  InvoiceFilter,
  ListPage,
  MirroredAccount,
  MirroredFiling,
  MirroredInvoice,
  Totals,
  TotalsRange,
} from '../model.ts';
import type { TaxSettings } from '../settings.ts';
import { Clearances } from './clearance.ts';
import type { Drop } from './sftp.ts';

/** What the jobs and the requests of one installation share. */
export interface Installation {
  readonly settings: TaxSettings;
  readonly services: Services;
  readonly drop: Drop;
}

/** Under this name the time of the last whole listing is kept. */
export const LISTED = 'listed';

/** What resolvers get of one installation for one request. Lists are asked for several installations at once: they share one mirror. */
export class TaxSource {
  readonly #at: Installation;
  readonly #call: Call;
  constructor(at: Installation, call: Call) {
    this.#at = at;
    this.#call = call;
  }

  #listed: Promise<string | null> | undefined;
  /** The facts of what this installation's files say; `recordedAt` is the file's own date. */
  async facts(recordedAt: Date | null): Promise<Facts> {
    const { services, settings } = this.#at;
    this.#listed ??= services.read((tx) => services.state.get<string>(tx, LISTED));
    const listed = await this.#listed;
    return services.guard.mirrored(this.#call, listed === null ? null : new Date(listed), recordedAt, settings.fresh);
  }

  /** Accounts by company, one for each installation that knows it. */
  readonly accounts = byArguments((installations: readonly string[]) =>
    loader<readonly MirroredAccount[]>(async (companies) => {
      const { services } = this.#at;
      const rows = await services.read((tx) => services.store.tax.taxAccounts(tx, installations, companies));
      return grouped(companies, rows as MirroredAccount[], false);
    }),
  );

  /** A page of returns by company, in reading direction, the newest first. */
  readonly filings = byArguments((ask: { installations: readonly string[]; page: ListPage }) =>
    loader<readonly MirroredFiling[]>(async (companies) => {
      const { services } = this.#at;
      const rows = await services.read((tx) =>
        services.store.tax.taxFilings(tx, ask.installations, companies, ask.page),
      );
      return grouped(companies, rows, true);
    }),
  );

  readonly filingCount = byArguments((installations: readonly string[]) =>
    loader<number>((companies) => {
      const { services } = this.#at;
      return services.read((tx) => services.store.tax.taxFilingCounts(tx, installations, companies));
    }),
  );

  /** A page of invoices by company, in reading direction, the newest first. */
  readonly invoices = byArguments((ask: { installations: readonly string[]; filter: InvoiceFilter; page: ListPage }) =>
    loader<readonly MirroredInvoice[]>(async (companies) => {
      const { services } = this.#at;
      const rows = await services.read((tx) =>
        services.store.tax.taxInvoices(tx, ask.installations, companies, ask.filter, ask.page),
      );
      return grouped(companies, rows, true);
    }),
  );

  readonly invoiceCount = byArguments((ask: { installations: readonly string[]; filter: InvoiceFilter }) =>
    loader<number>((companies) => {
      const { services } = this.#at;
      return services.read((tx) => services.store.tax.taxInvoiceCounts(tx, ask.installations, companies, ask.filter));
    }),
  );

  /** Sums by company; periods without an invoice have no row. */
  readonly totals = byArguments((ask: { installations: readonly string[]; range: TotalsRange }) =>
    loader<readonly Totals[]>(async (companies) => {
      const { services } = this.#at;
      const rows = await services.read((tx) =>
        services.store.tax.taxTotals(tx, ask.installations, companies, ask.range),
      );
      return grouped(companies, rows, true);
    }),
  );

  /** Lays a request for clearance on the drop; answers the case's global id. */
  requestClearance(request: { clientMutationId: string; company: string; until: string }): Promise<Known<string>> {
    return new Clearances(this.#at).request(this.#call, request);
  }
}

function grouped<T extends { readonly company: string }>(
  companies: readonly string[],
  rows: readonly T[],
  empty: boolean,
): Map<string, T[]> {
  const found = new Map<string, T[]>(empty ? companies.map((company) => [company, []]) : []);
  for (const row of rows) {
    const own = found.get(row.company);
    if (own) own.push(row);
    else found.set(row.company, [row]);
  }
  return found;
}
