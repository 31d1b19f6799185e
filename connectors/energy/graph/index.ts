/** Energy's part of the graph: everything from what was kept, one query for all keys of a tick. */
import { Arg, Args, Ctx, Directive, FieldResolver, ID, Query, Resolver, Root } from 'type-graphql';
import { LIST_SIZE } from '../../../schema/graph/directives.ts';
import { Decimal } from '../../../schema/graph/scalars.ts';
import { type BucketSize, PageArgs, Provenance } from '../../../schema/graph/shared.ts';
import { can, FEW_COMPANIES, mayCompany } from '../../kit/auth/principal.ts';
import type { Graph, GraphContext } from '../../kit/connector.ts';
import { withheldGroups } from '../../kit/disclosure-control.ts';
import { badInput, HubError } from '../../kit/errors.ts';
import { connection, pageOf, paging, scopeOf } from '../../kit/pagination.ts';
import { joinedProvenance, provenance } from '../../kit/provenance.ts';
import { PART } from '../../kit/row-rights.ts';
import type { EnergyQuery, EnergyRequest, KnownMeter, MetersQuery, SourcesQuery } from '../source/index.ts';
import { sum } from './decimal.ts';
import * as types from './types.ts';

type Context = GraphContext<EnergyRequest>;

/** Buckets of one series, at most. */
const MOST_BUCKETS = 40_000;
const MINUTES: Readonly<Record<BucketSize, number>> = {
  QUARTER_HOUR: 15,
  HOUR: 60,
  DAY: 1_440,
  MONTH: 43_200,
  YEAR: 525_600,
};

/** The tables hold the registers of all installations: any one of them may be query. */
function any(context: Context): EnergyRequest {
  const one = context.installations.all()[0];
  if (!one) throw new HubError('SOURCE_UNAVAILABLE', 'No meters are set up here.');
  return one.source;
}

const ids = (context: Context, park?: string): string[] => context.installations.all(park).map((one) => one.id);

/** Facts of the installations that have such meters, or of all that were asked when none has: the oldest speaks. */
async function factsOf(context: Context, key: string, query: SourcesQuery) {
  const having = await any(context).sources(key, query);
  const speaking = having.length > 0 ? having : query.installations;
  const all = context.installations.all().filter((one) => speaking.includes(one.id));
  const facts = await Promise.all(all.map((one) => one.source.facts()));
  if (facts.length === 0) throw new HubError('SOURCE_UNAVAILABLE', 'No meters are set up here.');
  return joinedProvenance(facts, context.clock);
}

/** Null in a park without an installation. */
async function series(context: Context, key: string, query: EnergyQuery) {
  if (query.installations.length === 0) return null;
  const minutes = (query.to.getTime() - query.from.getTime()) / 60_000;
  if (minutes <= 0) throw badInput('to must be later than from.');
  if (minutes / MINUTES[query.bucket as BucketSize] > MOST_BUCKETS) {
    throw badInput(`This series would have more than ${MOST_BUCKETS} buckets: take wider ones or a shorter time.`);
  }
  if (await isWithheld(context, key, query)) {
    return {
      ...{ total: null, buckets: [], droppedBefore: await droppedBefore(context, query) },
      provenance: { ...(await factsOf(context, key, query)), masked: ['total', 'buckets'] },
    };
  }
  const [buckets, told] = await Promise.all([any(context).energy(key, query), factsOf(context, key, query)]);
  // Asked after the buckets: what is dropped meanwhile is said of buckets that had it, never the other way round.
  const dropped = await droppedBefore(context, query);
  const values = buckets.flatMap((one) => (one.value === null ? [] : [one.value]));
  const unit = buckets.find((one) => one.unit !== null)?.unit;
  // What is left of the range is no sum of it.
  const total = values.length > 0 && unit && dropped === null ? { value: sum(values), unit } : null;
  return { total, buckets, droppedBefore: dropped, provenance: told };
}

/** The time before which readings are gone, where the range begins earlier. */
async function droppedBefore(context: Context, { from }: EnergyQuery): Promise<Date | null> {
  const dropped = await any(context).droppedBefore();
  return dropped !== null && from < dropped ? dropped : null;
}

/** Whether the sum over a park or building is withheld from the caller, who may not see all companies' meters. */
async function isWithheld(context: Context, key: string, { by, medium }: EnergyQuery): Promise<boolean> {
  if (by === 'company' || by === 'meter') return false;
  const { principal, rows } = context;
  const meters = can(principal, 'energy:read');
  if (meters && principal.companies === null) return false;
  const park = by === 'park' ? key : rows.parks.ofBuilding(key);
  const buildings = await any(context).companiesByBuilding({ installations: ids(context, park ?? ''), medium });
  const groups = buildings.map(({ building, companies }) => ({
    key: building,
    members: companies.filter((uscc) => !(meters && mayCompany(principal, uscc))),
  }));
  const withheld = withheldGroups(groups, FEW_COMPANIES);
  return by === 'park' ? withheld.total : withheld.groups.has(key);
}

async function meterPage(
  context: Context,
  by: 'company' | 'building',
  key: string,
  args: PageArgs,
  filter: types.MeterFilter | null | undefined,
) {
  const list = (test: { eq?: string | null; in?: string[] | null } | null | undefined) => {
    if (test == null || (test.eq == null && test.in == null)) return undefined;
    if (test.eq == null) return test.in ?? [];
    return test.in == null || test.in.includes(test.eq) ? [test.eq] : [];
  };
  const query: MetersQuery = {
    by,
    installations: ids(context),
    ids: list(filter?.id),
    media: list(filter?.medium),
    companies: context.principal.companies ?? undefined,
  };
  const scope = scopeOf('meters', [by, key, query.ids, query.media]);
  const page = paging(args, context.cursors, scope);
  const [rows, told] = await Promise.all([
    any(context).meters(key, query, page),
    factsOf(context, key, { ...query, medium: null }),
  ]);
  return connection(
    pageOf(
      page,
      rows,
      (row) => [row.id],
      () => any(context).meterCount(key, query),
    ),
    context.cursors,
    scope,
    show,
    told,
  );
}

const show = (one: KnownMeter) => ({
  id: one.id,
  medium: one.medium,
  unit: one.unit,
  building: one.building === null ? null : { id: one.building },
  company: one.company === null ? null : { uscc: one.company },
});

async function meterOf(id: string, context: Context) {
  if (!context.installations.owner(id)) return null;
  const found = await any(context).meter(id);
  return found && show(found);
}

@Resolver(() => types.Park)
class ParkResolver {
  @FieldResolver(() => types.EnergySeries, {
    nullable: true,
    description: "energy: sum over the park's meters of this medium.",
  })
  energy(@Root() park: { id: string }, @Args(() => types.EnergyArgs) args: types.EnergyArgs, @Ctx() context: Context) {
    return series(context, park.id, { by: 'park', installations: ids(context, park.id), ...args });
  }
}

@Resolver(() => types.Building)
class BuildingResolver {
  @Directive(types.ENERGY)
  @Directive(LIST_SIZE)
  @FieldResolver(() => types.MeterConnection, { nullable: true, description: 'energy' })
  meters(
    @Root() building: { id: string },
    @Args(() => PageArgs) args: PageArgs,
    @Arg('filter', () => types.MeterFilter, { nullable: true, description: 'Which meters.' })
    filter: types.MeterFilter | null,
    @Ctx() context: Context,
  ) {
    return meterPage(context, 'building', building.id, args, filter);
  }

  @FieldResolver(() => types.EnergySeries, { nullable: true, description: 'energy' })
  energy(
    @Root() building: { id: string },
    @Args(() => types.EnergyArgs) args: types.EnergyArgs,
    @Ctx() context: Context,
  ) {
    return series(context, building.id, { by: 'building', installations: ids(context), ...args });
  }
}

@Resolver(() => types.Company)
class CompanyResolver {
  @Directive(types.ENERGY)
  @Directive(LIST_SIZE)
  @FieldResolver(() => types.MeterConnection, { nullable: true, description: 'energy' })
  meters(
    @Root() company: { uscc: string },
    @Args(() => PageArgs) args: PageArgs,
    @Arg('filter', () => types.MeterFilter, { nullable: true, description: 'Which meters.' })
    filter: types.MeterFilter | null,
    @Ctx() context: Context,
  ) {
    return meterPage(context, 'company', company.uscc, args, filter);
  }

  @Directive(types.ENERGY)
  @FieldResolver(() => types.EnergySeries, {
    nullable: true,
    description: "energy: sum over the company's meters of this medium.",
  })
  energy(
    @Root() company: { uscc: string },
    @Args(() => types.EnergyArgs) args: types.EnergyArgs,
    @Ctx() context: Context,
  ) {
    return series(context, company.uscc, { by: 'company', installations: ids(context), ...args });
  }
}

@Resolver(() => types.Meter)
class MeterResolver {
  @Directive(types.ENERGY)
  @Query(() => types.Meter, { nullable: true, description: 'Null when no installation made the id.' })
  meter(@Arg('id', () => ID, { description: 'Global id.' }) id: string, @Ctx() context: Context) {
    return meterOf(id, context);
  }

  @FieldResolver(() => Decimal, { nullable: true, description: 'Newest register value.' })
  async register(@Root() meter: { id: string }, @Ctx() context: Context) {
    return (await any(context).latest(meter.id))?.value ?? null;
  }

  @FieldResolver(() => types.MeterReading, { nullable: true, description: 'Newest reading; null when there is none.' })
  async latest(@Root() meter: { id: string; unit: string | null }, @Ctx() context: Context) {
    const owner = context.installations.owner(meter.id);
    const found = await any(context).latest(meter.id);
    if (!found || !owner) return null;
    return {
      ...found,
      unit: meter.unit ?? '1',
      provenance: provenance(await owner.source.facts(found.time), context.clock),
    };
  }

  @FieldResolver(() => types.EnergySeries, { nullable: true, description: 'What it has counted.' })
  series(@Root() meter: { id: string }, @Args(() => types.SeriesArgs) args: types.SeriesArgs, @Ctx() context: Context) {
    const owner = context.installations.owner(meter.id);
    return owner ? series(context, meter.id, { by: 'meter', installations: [owner.id], medium: null, ...args }) : null;
  }

  @FieldResolver(() => Provenance, { nullable: true, description: "energy: of the meter's own fields." })
  async provenance(@Root() meter: { id: string }, @Ctx() context: Context) {
    const owner = context.installations.owner(meter.id);
    return owner ? provenance(await owner.source.facts(), context.clock) : null;
  }
}

export const graph: Graph = {
  rows: {
    Park: ({ id }: types.Park) => ({ park: id }),
    Building: ({ id }: types.Building, { parks }) => ({ park: parks.ofBuilding(id) }),
    Company: ({ uscc }: types.Company) => ({ company: uscc }),
    Meter: ({ id, company }: types.Meter, { parks }) => ({
      park: parks.ofRecord(id),
      company: company?.uscc ?? null,
    }),
    MeterReading: PART,
    EnergySeries: PART,
    EnergyBucket: PART,
  },
  resolvers: [ParkResolver, BuildingResolver, CompanyResolver, MeterResolver],
  types: [types.Park, types.Building, types.Company],
  references: { Meter: ({ id }: { id: string }, context: Context) => meterOf(id, context) },
};
