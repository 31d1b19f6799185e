/** Consumption over time of a company, building, park or meter, from the stored readings. */
import { bucketCount } from '../../../schema/graph/bucket-sizes.ts';
import { hasScope, MIN_COMPANY_COUNT, mayAccessCompany } from '../../kit/auth/principal.ts';
import type { GraphContext } from '../../kit/connector.ts';
import { withheldGroups } from '../../kit/disclosure-control.ts';
import { badInput, HubError } from '../../kit/errors.ts';
import { joinedProvenance } from '../../kit/provenance.ts';
import type { EnergyQuery, EnergyRequest, MeterSourcesQuery } from '../source/index.ts';
import { sumDecimals } from './decimal-sum.ts';

export type EnergyContext = GraphContext<EnergyRequest>;

/** Maximum number of buckets of one series. */
const MAX_BUCKETS = 40_000;

const noInstallation = () => new HubError('SOURCE_UNAVAILABLE', 'No energy installation is configured for your parks.');

/** Any visible installation: the tables contain the readings of all, so each can answer. Throws when there is none. */
export function anySource(context: EnergyContext): EnergyRequest {
  const [installation] = context.installations.all();
  if (!installation) throw noInstallation();
  return installation.source;
}

/** Ids of the visible installations, of all parks or of one. */
export const installationIds = (context: EnergyContext, park?: string): string[] =>
  context.installations.all(park).map(({ id }) => id);

/** Joined provenance of the installations that have such meters, or of all queried ones when none has. */
export async function seriesProvenance(context: EnergyContext, key: string, query: MeterSourcesQuery) {
  const withMeters = await anySource(context).sources(key, query);
  const ids = withMeters.length > 0 ? withMeters : query.installations;
  const installations = context.installations.all().filter(({ id }) => ids.includes(id));
  const facts = await Promise.all(installations.map(({ source }) => source.facts()));
  if (facts.length === 0) throw noInstallation();
  return joinedProvenance(facts, context.clock);
}

/** Null when no installation is queried. Throws BAD_USER_INPUT for an empty range or too many buckets. */
export async function energySeries(context: EnergyContext, key: string, request: Omit<EnergyQuery, 'zone'>) {
  if (request.installations.length === 0) return null;
  const query = { ...request, zone: await zoneOf(context, key, request) };
  if (query.to <= query.from) throw badInput('Invalid range: to must be later than from.');
  if (bucketCount(query.from, query.to, query.bucket) > MAX_BUCKETS) {
    throw badInput(`The series would have more than ${MAX_BUCKETS} buckets. Use larger buckets or a shorter range.`);
  }
  if (await isWithheld(context, key, query)) {
    return {
      ...{ total: null, buckets: [], droppedBefore: await droppedBefore(context, query) },
      provenance: { ...(await seriesProvenance(context, key, query)), masked: ['total', 'buckets'] },
    };
  }
  const [buckets, provenance] = await Promise.all([
    anySource(context).energy(key, query),
    seriesProvenance(context, key, query),
  ]);
  // Queried after the buckets, so that readings deleted meanwhile are reported as deleted, even if they were still read.
  const dropped = await droppedBefore(context, query);
  const values = buckets.flatMap(({ value }) => (value === null ? [] : [value]));
  const unit = buckets.find((bucket) => bucket.unit !== null)?.unit;
  // After a deletion, the sum of the remaining buckets is not the total of the range.
  const total = values.length > 0 && unit && dropped === null ? { value: sumDecimals(values), unit } : null;
  return {
    total,
    buckets: buckets.map(({ reported, known, ...bucket }) => ({ ...bucket, coverage: { reported, known } })),
    ...{ droppedBefore: dropped, provenance },
  };
}

/**
 * Time zone in which days, months and years begin: that of the park. For meters in parks of several zones, that of the first installation
 * that has such meters.
 */
async function zoneOf(context: EnergyContext, key: string, query: MeterSourcesQuery): Promise<string> {
  const queried = context.installations.all().filter(({ id }) => query.installations.includes(id));
  const zones = new Set(queried.map(({ source }) => source.zone));
  if (zones.size > 1) {
    const withMeters = await anySource(context).sources(key, query);
    for (const { id, source } of queried) if (withMeters.includes(id)) return source.zone;
  }
  const [zone] = zones;
  if (zone === undefined) throw noInstallation();
  return zone;
}

/** Time before which readings were deleted by retention, if the range starts earlier; else null. */
async function droppedBefore(context: EnergyContext, { from }: EnergyQuery): Promise<Date | null> {
  const dropped = await anySource(context).droppedBefore();
  return dropped !== null && from < dropped ? dropped : null;
}

/** Whether the sum over a park or building is withheld from a caller who may not see the meters of all companies. */
async function isWithheld(context: EnergyContext, key: string, { by, medium }: EnergyQuery): Promise<boolean> {
  if (by === 'company' || by === 'meter') return false;
  const { principal, rows } = context;
  const mayReadMeters = hasScope(principal, 'energy:read');
  if (mayReadMeters && principal.companies === null) return false;
  const park = by === 'park' ? key : rows.parks.parkOfBuilding(key);
  const installations = installationIds(context, park ?? '');
  const buildings = await anySource(context).companiesByBuilding({ installations, medium });
  const groups = buildings.map(({ building, companies }) => ({
    key: building,
    members: companies.filter((uscc) => !(mayReadMeters && mayAccessCompany(principal, uscc))),
  }));
  const withheld = withheldGroups(groups, MIN_COMPANY_COUNT);
  return by === 'park' ? withheld.total : withheld.groups.has(key);
}
