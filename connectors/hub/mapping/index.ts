/** Maps database rows to the model and graph filters to database queries. Pure functions. */
import { type EventProblem, findEventProblem } from '../../kit/events/event-check.ts';
import { type DataField, eventType } from '../../kit/events/event-types.ts';
import type { Access, Building, Company, LoggedEvent } from '../model.ts';

export { conflicts } from './conflicts.ts';

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

/** Maps an audit entry. `body` is the hashed JSON text. */
export function access(row: { chain: string; number: number; time: Date; body: string; hash: Buffer }): Access {
  const entry = JSON.parse(row.body) as {
    who: { subject: string; client: string }[];
    purpose: string | null;
    basis: string;
    fields: string[];
    count: number;
    outcome: string;
  };
  const names = (nameOf: (reader: { subject: string; client: string }) => string) =>
    [...new Set(entry.who.map(nameOf))].join(', ');
  return {
    chain: row.chain,
    number: row.number,
    time: row.time,
    subject: names(({ subject }) => subject),
    client: names(({ client }) => client),
    purpose: entry.purpose,
    legalBasis: entry.basis,
    fields: entry.fields,
    count: entry.count,
    outcome: entry.outcome,
    hash: row.hash.toString('hex'),
  };
}

/** A filter on keys. If both `eq` and `in` are given, both must match. */
export interface KeyFilter {
  readonly eq?: string | null;
  readonly in?: readonly string[] | null;
}

/** The keys that match the filter; undefined if every key matches. */
export function matchingKeys(filter: KeyFilter | null | undefined): string[] | undefined {
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

/** The graph's filter as a query of the event log, with the given conditions only. */
export function eventQuery(filter: EventFilter | null | undefined): Record<string, string[] | Date> {
  const query: Record<string, string[] | Date> = {};
  for (const name of FILTER_NAMES) {
    const list = matchingKeys(filter?.[name]);
    if (list) query[name] = list;
  }
  if (filter?.time?.from) query['from'] = filter.time.from;
  if (filter?.time?.to) query['to'] = filter.time.to;
  return query;
}

/** The filter in canonical order. It is part of a cursor's scope, so a cursor is valid for its filter only. */
export const filterScope = (filter: EventFilter | null | undefined): unknown => {
  const query = eventQuery(filter);
  return Object.keys(query)
    .sort()
    .map((name) => [name, query[name]]);
};

/** Why a logged event does not match its type; null if it does. */
export const checkLoggedEvent = (row: LoggedEvent): EventProblem | null =>
  findEventProblem({ ...row, case: row.caseId });

/** The fields of the event's graph type, with entities as keys. Expects an event that matches its type. */
export function eventShape(row: Omit<LoggedEvent, 'position' | 'installation' | 'connector' | 'park' | 'caseId'>) {
  const type = eventType(row.kind);
  const stub = (id: string | null) => (id === null ? null : { id });
  const value = (name: string, { type: { name: typeName } }: DataField): unknown => {
    const stored = row.data[name];
    return typeName === 'DateTime' && typeof stored === 'string' ? new Date(stored) : stored;
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
