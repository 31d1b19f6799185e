/** From the hub's model to what the graph shows. */
import { Provenance } from '../../../schema/graph/shared.ts';
import type { GraphContext } from '../../kit/connector.ts';
import { keyIn } from '../../kit/events/event-types.ts';
import { type Facts, provenance, READ_AT, type ShownProvenance } from '../../kit/provenance.ts';
import type { Building, Case, Company, Conflict, Identifier, LoggedEvent, Park, Source } from '../model.ts';
import type { CompanyQuery, HubRequest } from '../source.ts';
import { eventShape, filterScope, keys, mayIdentify } from '../source.ts';
import type { CompanyFilter, SourceFilter } from './types.ts';

type Context = GraphContext<HubRequest>;

export { filterScope, Provenance as ProvenanceType };

/** Which delivery of a subscription; made by gateway/live. */
export type DeliveryToken =
  | { readonly type: 'batch'; readonly after: string; readonly upTo: string; readonly limit: number }
  | {
      readonly type: 'gap';
      readonly position: string;
      readonly from: string;
      readonly to: string;
      readonly reason: string;
    }
  | { readonly type: 'lagged'; readonly position: string; readonly behind: number };

const own = (context: Context, authority = true): ShownProvenance => {
  const fetchedAt = context.now();
  const facts = {
    source: 'hub',
    system: 'hub',
    fetchedAt,
    [READ_AT]: context.clock.monotonic(),
    recordedAt: null,
    stale: false,
  };
  return provenance(facts, context.clock, { authority });
};

const told = (
  context: Context,
  by: { installation: string; connector: string; fetchedAt: Date; recordedAt: Date | null },
): ShownProvenance => {
  const facts: Facts = {
    source: by.installation,
    system: by.connector,
    fetchedAt: by.fetchedAt,
    recordedAt: by.recordedAt,
    stale: false,
  };
  return provenance(facts, context.clock);
};

export const park = (one: Park, context: Context) => ({ ...one, provenance: own(context) });

export const building = (one: Building, context: Context) => ({
  id: one.id,
  name: one.name,
  floorArea: one.floorArea,
  parkId: one.park,
  provenance: own(context),
});

/** The name is a copy: the register is its authority. */
export function companyProvenance(one: Company | null, context: Context): ShownProvenance {
  if (!one?.nameSource || !one.nameFetchedAt) return own(context);
  // A name is public; which register of another park it came from is not.
  if (!context.rows.sees({ park: one.namePark })) return own(context, false);
  return {
    ...told(context, {
      installation: one.nameSource,
      connector: 'registration',
      fetchedAt: one.nameFetchedAt,
      recordedAt: null,
    }),
    authority: false,
  };
}

export const identifier = (one: Identifier, context: Context) => ({
  system: one.system,
  value: one.value,
  provenance: told(context, { ...one, fetchedAt: one.lastSeen, recordedAt: null }),
});

export const conflict = (one: Conflict, context: Context) => ({
  field: one.field,
  values: one.values.map((each) => ({
    value: each.value,
    provenance: { ...told(context, each), authority: each.authority },
  })),
});

export const filing = (one: Case, context: Context) => ({
  id: one.id,
  kind: one.kind,
  state: one.state,
  since: one.since,
  receipt: one.receipt,
  reason: one.reason,
  companyCode: one.company,
  owner: { park: one.park, company: one.company },
  provenance: told(context, { ...one, fetchedAt: one.recordedAt, recordedAt: one.since }),
});

/** The graph's filter as a question of the hub's tables. */
export function companyQuery(filter: CompanyFilter | null | undefined, inPark?: string): CompanyQuery {
  const parks = keys(filter?.park);
  const park = inPark === undefined ? parks : parks === undefined || parks.includes(inPark) ? [inPark] : [];
  const source = keys(filter?.source);
  const uscc = keys(filter?.uscc);
  const nameEq = keys(filter?.name);
  const nameContains = filter?.name?.contains;
  return {
    ...(park ? { park } : {}),
    ...(source ? { source } : {}),
    ...(uscc ? { uscc } : {}),
    ...(nameEq ? { nameEq } : {}),
    ...(nameContains ? { nameContains } : {}),
  };
}

export function sourceTest(filter: SourceFilter | null | undefined): (source: Source) => boolean {
  const parks = keys(filter?.park);
  const systems = keys(filter?.system);
  const part = filter?.system?.contains?.toLowerCase();
  const states = keys(filter?.state);
  return (source) =>
    (!parks || parks.includes(source.park)) &&
    (!systems || systems.includes(source.system)) &&
    (!part || source.system.includes(part)) &&
    (!states || states.includes(source.state));
}

/** One event with its entities as keys. */
export function event(row: LoggedEvent, scope: string, context: Context) {
  return {
    ...eventShape(row),
    ...(mayIdentify(context.principal, row.kind) ? {} : { company: null }),
    owner: { park: row.park, company: row.company },
    cursor: context.cursors.seal(scope, [row.position]),
    provenance: told(context, { ...row, fetchedAt: row.recordedAt, recordedAt: row.time }),
    source: () => sourceOf(row, context),
    case: () => caseOf(row, context),
    park: () => parkOf(row, context),
    building: () => buildingOf(row, context),
  };
}

async function sourceOf(row: LoggedEvent, context: Context) {
  const all = await hub(context).sources();
  return all.find((one) => one.id === row.installation) ?? null;
}

async function caseOf(row: LoggedEvent, context: Context) {
  if (row.caseId === null) return null;
  const found = await hub(context).case(row.caseId);
  return found && filing(found, context);
}

async function parkOf(row: LoggedEvent, context: Context) {
  const found = await hub(context).park(row.park);
  return found && park(found, context);
}

async function buildingOf(row: LoggedEvent, context: Context) {
  const id = keyIn(row.data['building']);
  const found = id === null ? null : await hub(context).building(id);
  return found && building(found, context);
}

/** The hub has one installation: itself. */
export const hub = (context: Context): HubRequest => {
  const one = context.installations.all()[0];
  if (!one) throw new Error('The hub has no records of its own here.');
  return one.source;
};

/** Word of what was lost or delayed. */
export function delivery(token: Exclude<DeliveryToken, { type: 'batch' }>, scope: string, context: Context) {
  const cursor = context.cursors.seal(scope, [token.position]);
  if (token.type === 'lagged') return { behind: token.behind, cursor };
  return { fromTime: new Date(token.from), toTime: new Date(token.to), reason: token.reason, cursor };
}
