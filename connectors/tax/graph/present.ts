/** Converts rows of the mirror to graph objects: visible installations, pages, provenance. */
import type { DecimalFilter, PageArgs } from '../../../schema/graph/shared.ts';
import type { GraphContext, InstallationHandle } from '../../kit/connector.ts';
import { cursorScope } from '../../kit/cursor.ts';
import { badInput } from '../../kit/errors.ts';
import { type ConnectionObject, parsePageArguments, toConnection, toPage } from '../../kit/pagination.ts';
import { joinedProvenance, provenance } from '../../kit/provenance.ts';
import type * as model from '../model.ts';
import type { TaxSource } from '../source/index.ts';
import { type Invoice, type TaxAccount, type TaxFiling, TaxStanding, type TaxTotal } from './types.ts';

export type Context = GraphContext<TaxSource>;

/** Maximum periods of one request for totals. */
const MAX_PERIODS = 240;
const DEFAULT_CURRENCY = 'CNY';

/** The installations in parks that the caller may see. */
export const visibleInstallations = ({ installations }: Context): readonly InstallationHandle<TaxSource>[] =>
  installations.all();

/** A source that reads the mirror, which all installations share. Throws BAD_USER_INPUT if none is visible. */
function mirror(context: Context): TaxSource {
  const [installation] = visibleInstallations(context);
  if (!installation) throw badInput('No tax office is configured for the parks that you may see.');
  return installation.source;
}

async function factsOf(row: model.Mirrored & { readonly listedAt?: string | null }, context: Context) {
  const known = await context.installations.byId(row.installation)?.source.facts(row.recordedAt, row.listedAt);
  if (!known) throw new Error(`The tax mirror has rows of installation ${row.installation}, which is not open.`);
  return known;
}

/** The company's tax account; null if no file names the company. */
export async function presentAccount(uscc: string, context: Context): Promise<TaxAccount | null> {
  const ids = visibleInstallations(context).map(({ id }) => id);
  if (ids.length === 0) return null;
  const rows = await mirror(context).accounts(ids).load(uscc);
  if (!rows) return null;
  const withStanding = rows.filter((row) => row.standing !== null);
  const newest = withStanding.reduce<model.MirroredAccount | null>(
    (best, row) => (best === null || row.recordedAt > best.recordedAt ? row : best),
    null,
  );
  const facts = await Promise.all(rows.map((row) => factsOf(row, context)));
  return {
    uscc,
    installations: rows.map((row) => row.installation),
    latestFiling: rows[0]?.lastFiling ?? null,
    standing: TaxStanding[newest?.standing ?? 'UNKNOWN'],
    provenance: joinedProvenance(facts, context.clock),
  };
}

type Row = model.Mirrored & { readonly number: string };

/** One page of a list that is sorted newest first. */
async function page<R extends Row, N>(
  list: {
    scope: string;
    day(row: R): string;
    total(): Promise<number | null>;
    show(row: R, context: Context): Promise<N>;
  },
  args: PageArgs,
  read: (page: model.ListPage) => Promise<readonly R[] | null>,
  context: Context,
): Promise<ConnectionObject<N>> {
  const request = parsePageArguments(args, context.cursors, list.scope);
  const after = request.position as [string, string, string] | null;
  const rows = await read({ forward: request.forward, limit: request.size + 1, after });
  const found = toPage(request, rows ?? [], (row) => [list.day(row), row.number, row.installation], list.total);
  const presented = await Promise.all(
    found.rows.map(async ({ node, position }) => ({ node: await list.show(node, context), position })),
  );
  return toConnection({ ...found, rows: presented }, context.cursors, list.scope, (node) => node);
}

export function filingsPage(
  account: TaxAccount,
  args: PageArgs,
  context: Context,
): Promise<ConnectionObject<TaxFiling>> {
  const { uscc, installations } = account;
  const source = mirror(context);
  return page(
    {
      scope: cursorScope('tax filings', [uscc, installations]),
      day: (row: model.MirroredFiling) => row.ends,
      total: async () => (await source.filingCount(installations).load(uscc)) ?? 0,
      show: presentFiling,
    },
    args,
    (listPage) => source.filings({ installations, page: listPage }).load(uscc),
    context,
  );
}

/** The return of the latest period; null if there is none. */
export async function lastFiling({ latestFiling }: TaxAccount, context: Context): Promise<TaxFiling | null> {
  return latestFiling && presentFiling(latestFiling, context);
}

export function invoicesPage(
  account: TaxAccount,
  args: PageArgs,
  filter: model.InvoiceFilter,
  context: Context,
): Promise<ConnectionObject<Invoice>> {
  const { uscc, installations } = account;
  const source = mirror(context);
  return page(
    {
      scope: cursorScope('invoices', [uscc, installations, filter]),
      day: (row: model.MirroredInvoice) => row.issuedOn,
      total: async () => (await source.invoiceCount({ installations, filter }).load(uscc)) ?? 0,
      show: presentInvoice,
    },
    args,
    (listPage) => source.invoices({ installations, filter, page: listPage }).load(uscc),
    context,
  );
}

/** The graph's arguments as a filter of the source; null is the same as absent. */
export function invoiceFilter(
  issued: { from?: string | null; to?: string | null } | null | undefined,
  gross: DecimalFilter | null | undefined,
): model.InvoiceFilter {
  const conditions = Object.entries(gross ?? {}).filter(([, value]) => value !== null && value !== undefined);
  return { from: issued?.from ?? null, to: issued?.to ?? null, gross: Object.fromEntries(conditions) };
}

async function presentFiling(row: model.MirroredFiling, context: Context): Promise<TaxFiling> {
  return {
    id: `${row.installation}:${row.number}`,
    period: row.period,
    filedOn: row.filedOn,
    amount: { value: row.amount, currency: row.currency },
    provenance: provenance(await factsOf(row, context), context.clock),
  };
}

async function presentInvoice(row: model.MirroredInvoice, context: Context): Promise<Invoice> {
  const { currency } = row;
  return {
    id: row.number,
    issuedOn: row.issuedOn,
    net: { value: row.net, currency },
    tax: { value: row.tax, currency },
    gross: { value: row.gross, currency },
    cancelled: row.cancelled,
    original: row.original,
    provenance: provenance(await factsOf(row, context), context.clock),
  };
}

interface Range {
  readonly by: model.TotalsRange['by'];
  readonly from: string;
  readonly to: string;
  readonly periods: readonly string[];
}

/**
 * The periods from `from` to `to`, both inclusive. Throws BAD_USER_INPUT if they differ in length, are reversed, or are more than
 * MAX_PERIODS.
 */
export function periodsBetween(from: string, to: string): Range {
  const kind = (period: string) => (period.length === 4 ? 'year' : period[5] === 'Q' ? 'quarter' : 'month');
  const by = kind(from);
  if (kind(to) !== by)
    throw badInput(`from and to must have the same length: two months, quarters or years. Found ${from} and ${to}.`);
  const width = { year: 12, quarter: 3, month: 1 }[by];
  const start = (period: string) => {
    const part = period.slice(by === 'quarter' ? 6 : 5);
    return Number(period.slice(0, 4)) * 12 + (by === 'year' ? 0 : (Number(part) - 1) * width);
  };
  const [first, last] = [start(from), start(to)];
  if (last < first) throw badInput(`from must not be later than to. Found ${from} and ${to}.`);
  const count = (last - first) / width + 1;
  if (count > MAX_PERIODS)
    throw badInput(`Too many periods: ${count}, at most ${MAX_PERIODS} are allowed. Request a shorter range.`);
  const periods = Array.from({ length: count }, (_, i) => {
    const month = first + i * width;
    const year = String(Math.floor(month / 12)).padStart(4, '0');
    if (by === 'year') return year;
    return by === 'quarter'
      ? `${year}-Q${(month % 12) / 3 + 1}`
      : `${year}-${String((month % 12) + 1).padStart(2, '0')}`;
  });
  const day = (month: number, date: number) =>
    new Date(Date.UTC(2000, month - 24_000, date)).toISOString().slice(0, 10);
  return { by, from: day(first, 1), to: day(last + width, 0), periods };
}

/** One row per period, or per period and currency if there are several currencies. A period without invoices has zeros. */
export async function totalsOf(account: TaxAccount, from: string, to: string, context: Context): Promise<TaxTotal[]> {
  const { periods, ...range } = periodsBetween(from, to);
  const { uscc, installations } = account;
  const rows = (await mirror(context).totals({ installations, range }).load(uscc)) ?? [];
  const currency = rows[0]?.currency ?? DEFAULT_CURRENCY;
  const emptyTotal = (period: string) => ({ company: uscc, period, currency, invoices: 0, net: '0', tax: '0' });
  return periods.flatMap((period) => {
    const own = rows.filter((row) => row.period === period);
    return (own.length > 0 ? own : [emptyTotal(period)]).map((row) => ({
      period,
      invoices: row.invoices,
      net: { value: row.net, currency: row.currency },
      tax: { value: row.tax, currency: row.currency },
    }));
  });
}
