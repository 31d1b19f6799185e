/** Converts the hub's model to graph objects. */
import { Provenance } from '../../../schema/graph/shared.ts';
import type { GraphContext } from '../../kit/connector.ts';
import { entityId } from '../../kit/events/event-types.ts';
import { type ProvenanceFacts, type ProvenanceObject, provenance, READ_AT } from '../../kit/provenance.ts';
import type { Building, Case, Company, Conflict, Identifier, LoggedEvent, Park, Source } from '../model.ts';
import type { CompanyQuery, HubRequest } from '../source.ts';
import { eventShape, filterScope, matchingKeys, mayIdentify } from '../source.ts';
import type { CompanyFilter, SourceFilter } from './types.ts';

type Context = GraphContext<HubRequest>;

export { filterScope, Provenance as ProvenanceType };

/** Token of `_delivery`, as JSON; created by gateway/live. */
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

/** Provenance of the hub's own records. */
const own = (context: Context, authority = true): ProvenanceObject => {
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

/** Provenance of what an installation reported. */
const reported = (
  context: Context,
  by: { installation: string; connector: string; fetchedAt: Date; recordedAt: Date | null },
): ProvenanceObject => {
  const facts: ProvenanceFacts = {
    source: by.installation,
    system: by.connector,
    fetchedAt: by.fetchedAt,
    recordedAt: by.recordedAt,
    stale: false,
  };
  return provenance(facts, context.clock);
};

export const park = (row: Park, context: Context) => ({ ...row, provenance: own(context) });

export const building = (row: Building, context: Context) => ({
  id: row.id,
  name: row.name,
  floorArea: row.floorArea,
  parkId: row.park,
  provenance: own(context),
});

/** Provenance of the company's name, which is a copy from the register. */
export function companyProvenance(company: Company | null, context: Context): ProvenanceObject {
  if (!company?.nameSource || !company.nameFetchedAt) return own(context);
  // The name is public, but not from which register of another park it was read.
  if (!context.rows.maySee({ park: company.namePark })) return own(context, false);
  return {
    ...reported(context, {
      installation: company.nameSource,
      connector: 'registration',
      fetchedAt: company.nameFetchedAt,
      recordedAt: null,
    }),
    authority: false,
  };
}

export const identifier = (row: Identifier, context: Context) => ({
  system: row.system,
  value: row.value,
  provenance: reported(context, { ...row, fetchedAt: row.lastSeen, recordedAt: null }),
});

export const conflict = (row: Conflict, context: Context) => ({
  field: row.field,
  values: row.values.map((fact) => ({
    value: fact.value,
    provenance: { ...reported(context, fact), authority: fact.authority },
  })),
});

export const filing = (row: Case, context: Context) => ({
  id: row.id,
  kind: row.kind,
  state: row.state,
  since: row.since,
  receipt: row.receipt,
  reason: row.reason,
  companyCode: row.company,
  owner: { park: row.park, company: row.company },
  provenance: reported(context, { ...row, fetchedAt: row.recordedAt, recordedAt: row.since }),
});

/** The graph's filter as a query of the hub's tables; `inPark` limits it to one park. */
export function companyQuery(filter: CompanyFilter | null | undefined, inPark?: string): CompanyQuery {
  const parks = matchingKeys(filter?.park);
  const park = inPark === undefined ? parks : parks === undefined || parks.includes(inPark) ? [inPark] : [];
  const source = matchingKeys(filter?.source);
  const uscc = matchingKeys(filter?.uscc);
  const nameEq = matchingKeys(filter?.name);
  const nameContains = filter?.name?.contains;
  return {
    ...(park ? { park } : {}),
    ...(source ? { source } : {}),
    ...(uscc ? { uscc } : {}),
    ...(nameEq ? { nameEq } : {}),
    ...(nameContains ? { nameContains } : {}),
  };
}

/** A predicate for the graph's source filter. */
export function sourceTest(filter: SourceFilter | null | undefined): (source: Source) => boolean {
  const parks = matchingKeys(filter?.park);
  const systems = matchingKeys(filter?.system);
  const part = filter?.system?.contains?.toLowerCase();
  const states = matchingKeys(filter?.state);
  return (source) =>
    (!parks || parks.includes(source.park)) &&
    (!systems || systems.includes(source.system)) &&
    (!part || source.system.includes(part)) &&
    (!states || states.includes(source.state));
}

/** An event with its entities as keys. `company` is null unless the caller may see it. */
export function event(row: LoggedEvent, scope: string, context: Context) {
  return {
    ...eventShape(row),
    ...(mayIdentify(context.principal, row.kind) ? {} : { company: null }),
    owner: { park: row.park, company: row.company },
    cursor: context.cursors.sign(scope, [row.position]),
    provenance: reported(context, { ...row, fetchedAt: row.recordedAt, recordedAt: row.time }),
    source: () => sourceOf(row, context),
    case: () => caseOf(row, context),
    park: () => parkOf(row, context),
    building: () => buildingOf(row, context),
  };
}

async function sourceOf(row: LoggedEvent, context: Context) {
  const all = await hub(context).sources();
  return all.find(({ id }) => id === row.installation) ?? null;
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
  const id = entityId(row.data['building']);
  const found = id === null ? null : await hub(context).building(id);
  return found && building(found, context);
}

/** The hub's only installation. */
export const hub = (context: Context): HubRequest => {
  const installation = context.installations.all()[0];
  if (!installation) throw new Error('The hub connector has no installation in this process.');
  return installation.source;
};

/** A `Gap` or `Lagged` delivery. */
export function delivery(token: Exclude<DeliveryToken, { type: 'batch' }>, scope: string, context: Context) {
  const cursor = context.cursors.sign(scope, [token.position]);
  if (token.type === 'lagged') return { behind: token.behind, cursor };
  return { fromTime: new Date(token.from), toTime: new Date(token.to), reason: token.reason, cursor };
}
