/** From the hub's rows to its model, and from the graph's filters to questions of the log. Pure. */
import { type EventFault, eventFault } from '../kit/events/event-check.ts';
import { type DataField, eventType } from '../kit/events/event-types.ts';
import type { Access, Building, Company, Conflict, LoggedEvent, ToldFact } from './model.ts';

export const building = (row: { id: string; park: string; name: string; floorArea: string | null }): Building => ({
  id: row.id,
  park: row.park,
  name: row.name,
  floorArea: row.floorArea,
});

export const company = (row: Company): Company => ({
  uscc: row.uscc,
  name: row.name,
  nameSource: row.nameSource,
  namePark: row.namePark,
  nameFetchedAt: row.nameFetchedAt,
});

/** What the audit log keeps as the bytes that were hashed. */
export function access(row: { chain: string; number: number; time: Date; body: string; hash: Buffer }): Access {
  const entry = JSON.parse(row.body) as {
    who: { subject: string; client: string }[];
    purpose: string | null;
    basis: string;
    fields: string[];
    count: number;
    outcome: string;
  };
  const names = (of: (one: { subject: string; client: string }) => string) =>
    [...new Set(entry.who.map(of))].join(', ');
  return {
    chain: row.chain,
    number: row.number,
    time: row.time,
    subject: names((one) => one.subject),
    client: names((one) => one.client),
    purpose: entry.purpose,
    legalBasis: entry.basis,
    fields: entry.fields,
    count: entry.count,
    outcome: entry.outcome,
    hash: row.hash.toString('hex'),
  };
}

/** A filter on keys: `eq` and `in` must both hold. Undefined: no test. */
export interface KeyFilter {
  readonly eq?: string | null;
  readonly in?: readonly string[] | null;
}

/** The keys that pass the filter; undefined when every key does. */
export function keys(filter: KeyFilter | null | undefined): string[] | undefined {
  if (filter == null) return undefined;
  const { eq, in: list } = filter;
  if (eq == null && list == null) return undefined;
  if (eq == null) return [...(list ?? [])];
  return list == null || list.includes(eq) ? [eq] : [];
}

export interface EventFilter {
  readonly kind?: KeyFilter | null;
  readonly park?: KeyFilter | null;
  readonly company?: KeyFilter | null;
  readonly vehicle?: KeyFilter | null;
  readonly door?: KeyFilter | null;
  readonly lot?: KeyFilter | null;
  readonly meter?: KeyFilter | null;
  readonly source?: KeyFilter | null;
  readonly time?: { readonly from?: Date | null; readonly to?: Date | null } | null;
}

const FILTER_NAMES = ['kind', 'park', 'company', 'vehicle', 'door', 'lot', 'meter', 'source'] as const;

/** The graph's filter as the log's question: only tests that were given. */
export function eventQuery(filter: EventFilter | null | undefined): Record<string, string[] | Date> {
  const query: Record<string, string[] | Date> = {};
  for (const name of FILTER_NAMES) {
    const list = keys(filter?.[name]);
    if (list) query[name] = list;
  }
  if (filter?.time?.from) query['from'] = filter.time.from;
  if (filter?.time?.to) query['to'] = filter.time.to;
  return query;
}

/** The sorted text of an event filter: cursors of one filter do not fit another. */
export const filterScope = (filter: EventFilter | null | undefined): unknown => {
  const query = eventQuery(filter);
  return Object.keys(query)
    .sort()
    .map((name) => [name, query[name]]);
};

/** What is wrong with an event of the log; null when it fits its type. */
export const loggedFault = (row: LoggedEvent): EventFault | null => eventFault({ ...row, case: row.caseId });

/** What an event's concrete type holds, entities as keys. The event fits its type. */
export function eventShape(row: Omit<LoggedEvent, 'position' | 'installation' | 'connector' | 'park' | 'caseId'>) {
  const type = eventType(row.kind);
  const stub = (id: string | null) => (id === null ? null : { id });
  const value = (name: string, { type: { name: typeName } }: DataField): unknown => {
    const held = row.data[name];
    return typeName === 'DateTime' && typeof held === 'string' ? new Date(held) : held;
  };
  const values: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(type?.fields ?? {})) {
    if (field.from === 'data') values[name] = value(name, field.data);
    else if (field.from === 'parts') {
      const parts = Object.entries(field.parts).map(([part, data]) => [part, value(part, data)]);
      values[name] = Object.fromEntries(parts);
    }
  }
  return {
    ...values,
    typename: type?.type,
    id: row.id,
    time: row.time,
    recordedAt: row.recordedAt,
    kind: row.kind,
    company: row.company === null ? null : { uscc: row.company },
    vehicle: stub(row.vehicle),
    door: stub(row.door),
    badge: stub(row.badge),
    lot: stub(row.lot),
    meter: stub(row.meter),
  };
}

/** Two spellings of the same: width, blanks, and the shape of brackets and dots do not matter. */
const plain = (text: string): string =>
  text
    .normalize('NFKC')
    .replace(/[\s·•・.,、，。]/g, '')
    .toLowerCase();

/** Whether all say the same. Of addresses, one may leave out the province or the city before the street. */
function agree(field: string, values: readonly ToldFact[]): boolean {
  const texts = values.map((one) => plain(one.value));
  const longest = texts.reduce((one, other) => (other.length > one.length ? other : one), '');
  return texts.every((one) => (field === 'address' ? longest.endsWith(one) : one === longest));
}

/** Fields of which not all installations say the same. */
export function conflicts(told: readonly ToldFact[]): Conflict[] {
  const fields = new Map<string, ToldFact[]>();
  for (const one of told) fields.set(one.field, [...(fields.get(one.field) ?? []), one]);
  return [...fields].flatMap(([field, values]) => (agree(field, values) ? [] : [{ field, values }]));
}
