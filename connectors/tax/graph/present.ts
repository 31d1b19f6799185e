/** From the mirror to what the graph shows: rights, pages, provenance. */
import type { DecimalFilter, PageArgs } from '../../../schema/graph/shared.ts';
import type { GraphContext, Installed } from '../../kit/connector.ts';
import { badInput } from '../../kit/errors.ts';
import { connection, pageOf, paging, type ShownConnection, scopeOf } from '../../kit/pagination.ts';
import { joinedProvenance, provenance } from '../../kit/provenance.ts';
import type * as model from '../model.ts';
import type { TaxSource } from '../source/index.ts';
import { type Invoice, type TaxAccount, type TaxFiling, TaxStanding, type TaxTotal } from './types.ts';

export type Context = GraphContext<TaxSource>;

const MOST_PERIODS = 240;
const YUAN = 'CNY';

/** The installations of the parks that the caller may see. */
export const allowed = ({ installations }: Context): readonly Installed<TaxSource>[] => installations.all();

/** All installations share one mirror: any of them reads it for all. */
function mirror(context: Context): TaxSource {
  const [one] = allowed(context);
  if (!one) throw badInput('There is no tax office here.');
  return one.source;
}

async function shownFacts(row: model.Mirrored, context: Context) {
  const known = await context.installations.byId(row.installation)?.source.facts(row.recordedAt);
  if (!known) throw new Error(`The mirror names ${row.installation}, which nobody has opened.`);
  return known;
}

/** Null when no file has told of the company. */
export async function showAccount(uscc: string, context: Context): Promise<TaxAccount | null> {
  const ids = allowed(context).map((one) => one.id);
  if (ids.length === 0) return null;
  const rows = await mirror(context).accounts(ids).load(uscc);
  if (!rows) return null;
  const told = rows.filter((row) => row.standing !== null);
  const newest = told.reduce<model.MirroredAccount | null>(
    (best, row) => (best === null || row.recordedAt > best.recordedAt ? row : best),
    null,
  );
  const facts = await Promise.all(rows.map((row) => shownFacts(row, context)));
  return {
    uscc,
    installations: rows.map((row) => row.installation),
    standing: TaxStanding[newest?.standing ?? 'UNKNOWN'],
    provenance: joinedProvenance(facts, context.clock),
  };
}

type Row = model.Mirrored & { readonly number: string };

/** One page of a list that is kept newest first. */
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
): Promise<ShownConnection<N>> {
  const request = paging(args, context.cursors, list.scope);
  const after = request.place as [string, string, string] | null;
  const rows = await read({ forward: request.forward, limit: request.size + 1, after });
  const found = pageOf(request, rows ?? [], (row) => [list.day(row), row.number, row.installation], list.total);
  const shown = await Promise.all(
    found.rows.map(async ({ node, place }) => ({ node: await list.show(node, context), place })),
  );
  return connection({ ...found, rows: shown }, context.cursors, list.scope, (node) => node);
}

export function filingsPage(
  account: TaxAccount,
  args: PageArgs,
  context: Context,
): Promise<ShownConnection<TaxFiling>> {
  const { uscc, installations } = account;
  const source = mirror(context);
  return page(
    {
      scope: scopeOf('tax filings', [uscc, installations]),
      day: (row: model.MirroredFiling) => row.ends,
      total: async () => (await source.filingCount(installations).load(uscc)) ?? 0,
      show: showFiling,
    },
    args,
    (wanted) => source.filings({ installations, page: wanted }).load(uscc),
    context,
  );
}

export async function lastFiling({ uscc, installations }: TaxAccount, context: Context): Promise<TaxFiling | null> {
  const newest = { forward: true, limit: 1, after: null };
  const rows = await mirror(context).filings({ installations, page: newest }).load(uscc);
  return rows?.[0] ? showFiling(rows[0], context) : null;
}

export function invoicesPage(
  account: TaxAccount,
  args: PageArgs,
  filter: model.InvoiceFilter,
  context: Context,
): Promise<ShownConnection<Invoice>> {
  const { uscc, installations } = account;
  const source = mirror(context);
  return page(
    {
      scope: scopeOf('invoices', [uscc, installations, filter]),
      day: (row: model.MirroredInvoice) => row.issuedOn,
      total: async () => (await source.invoiceCount({ installations, filter }).load(uscc)) ?? 0,
      show: showInvoice,
    },
    args,
    (wanted) => source.invoices({ installations, filter, page: wanted }).load(uscc),
    context,
  );
}

/** The filter as the source takes it: absent and null are the same. */
export function invoiceFilter(
  issued: { from?: string | null; to?: string | null } | null | undefined,
  gross: DecimalFilter | null | undefined,
): model.InvoiceFilter {
  const given = Object.entries(gross ?? {}).filter(([, value]) => value !== null && value !== undefined);
  return { from: issued?.from ?? null, to: issued?.to ?? null, gross: Object.fromEntries(given) };
}

async function showFiling(row: model.MirroredFiling, context: Context): Promise<TaxFiling> {
  return {
    id: `${row.installation}:${row.number}`,
    period: row.period,
    filedOn: row.filedOn,
    amount: { value: row.amount, currency: row.currency },
    provenance: provenance(await shownFacts(row, context), context.clock),
  };
}

async function showInvoice(row: model.MirroredInvoice, context: Context): Promise<Invoice> {
  const { currency } = row;
  return {
    id: row.number,
    issuedOn: row.issuedOn,
    net: { value: row.net, currency },
    tax: { value: row.tax, currency },
    gross: { value: row.gross, currency },
    cancelled: row.cancelled,
    original: row.original,
    provenance: provenance(await shownFacts(row, context), context.clock),
  };
}

interface Range {
  readonly by: model.TotalsRange['by'];
  readonly from: string;
  readonly to: string;
  readonly periods: readonly string[];
}

/** Periods from the one to the other, both included; they must be of one kind. */
export function periodsBetween(from: string, to: string): Range {
  const kind = (period: string) => (period.length === 4 ? 'year' : period[5] === 'Q' ? 'quarter' : 'month');
  const by = kind(from);
  if (kind(to) !== by) throw badInput(`from and to must be of one kind, found ${from} and ${to}.`);
  const width = { year: 12, quarter: 3, month: 1 }[by];
  const start = (period: string) => {
    const part = period.slice(by === 'quarter' ? 6 : 5);
    return Number(period.slice(0, 4)) * 12 + (by === 'year' ? 0 : (Number(part) - 1) * width);
  };
  const [first, last] = [start(from), start(to)];
  if (last < first) throw badInput(`from must not be later than to, found ${from} and ${to}.`);
  const count = (last - first) / width + 1;
  if (count > MOST_PERIODS) throw badInput(`At most ${MOST_PERIODS} periods can be asked for, found ${count}.`);
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

/** One row a period; where a company has invoices in several currencies, one a currency. */
export async function totalsOf(account: TaxAccount, from: string, to: string, context: Context): Promise<TaxTotal[]> {
  const { periods, ...range } = periodsBetween(from, to);
  const { uscc, installations } = account;
  const rows = (await mirror(context).totals({ installations, range }).load(uscc)) ?? [];
  const currency = rows[0]?.currency ?? YUAN;
  const none = (period: string) => ({ company: uscc, period, currency, invoices: 0, net: '0', tax: '0' });
  return periods.flatMap((period) => {
    const own = rows.filter((row) => row.period === period);
    return (own.length > 0 ? own : [none(period)]).map((row) => ({
      period,
      invoices: row.invoices,
      net: { value: row.net, currency: row.currency },
      tax: { value: row.tax, currency: row.currency },
    }));
  });
}
