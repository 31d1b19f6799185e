/** Resolvers of the energy part of the graph. They read stored readings, with one query for all keys of a tick. */
import { Arg, Args, Ctx, Directive, FieldResolver, ID, Query, Resolver, Root } from 'type-graphql';
import { BUCKET_SERIES, LIST_SIZE } from '../../../schema/graph/directives.ts';
import { Decimal } from '../../../schema/graph/scalars.ts';
import { PageArgs, Provenance } from '../../../schema/graph/shared.ts';
import { PART } from '../../kit/auth/row-rights.ts';
import type { Graph } from '../../kit/connector.ts';
import { cursorScope } from '../../kit/cursor.ts';
import { parsePageArguments, toConnection, toPage } from '../../kit/pagination.ts';
import { provenance } from '../../kit/provenance.ts';
import type { MeterQuery, StoredMeter } from '../source/index.ts';
import { anySource, type EnergyContext, energySeries, installationIds, seriesProvenance } from './energy-series.ts';
import * as types from './types.ts';

async function meterPage(
  context: EnergyContext,
  by: 'company' | 'building',
  key: string,
  args: PageArgs,
  filter: types.MeterFilter | null | undefined,
) {
  /** Values that match `eq` and `in`; undefined: any. */
  const list = (condition: { eq?: string | null; in?: string[] | null } | null | undefined) => {
    if (condition == null || (condition.eq == null && condition.in == null)) return undefined;
    if (condition.eq == null) return condition.in ?? [];
    return condition.in == null || condition.in.includes(condition.eq) ? [condition.eq] : [];
  };
  const query: MeterQuery = {
    by,
    installations: installationIds(context),
    ids: list(filter?.id),
    media: list(filter?.medium),
    companies: context.principal.companies ?? undefined,
  };
  const scope = cursorScope('meters', [by, key, query.ids, query.media]);
  const page = parsePageArguments(args, context.cursors, scope);
  const [rows, listProvenance] = await Promise.all([
    anySource(context).meters(key, query, page),
    seriesProvenance(context, key, { ...query, medium: null }),
  ]);
  return toConnection(
    toPage(
      page,
      rows,
      (row) => [row.id],
      () => anySource(context).meterCount(key, query),
    ),
    context.cursors,
    scope,
    presentMeter,
    listProvenance,
  );
}

const presentMeter = ({ id, medium, unit, building, company }: StoredMeter) => ({
  id,
  medium,
  unit,
  building: building === null ? null : { id: building },
  company: company === null ? null : { uscc: company },
});

async function meterById(id: string, context: EnergyContext) {
  if (!context.installations.byGlobalId(id)) return null;
  const found = await anySource(context).meter(id);
  return found && presentMeter(found);
}

@Resolver(() => types.Park)
class ParkResolver {
  @Directive(BUCKET_SERIES)
  @FieldResolver(() => types.EnergySeries, {
    nullable: true,
    description: "energy: consumption of one medium, summed over the park's meters.",
  })
  energy(
    @Root() park: { id: string },
    @Args(() => types.EnergyArgs) args: types.EnergyArgs,
    @Ctx() context: EnergyContext,
  ) {
    return energySeries(context, park.id, { by: 'park', installations: installationIds(context, park.id), ...args });
  }
}

@Resolver(() => types.Building)
class BuildingResolver {
  @Directive(types.READ_ENERGY)
  @Directive(LIST_SIZE)
  @FieldResolver(() => types.MeterConnection, { nullable: true, description: 'energy: meters in the building.' })
  meters(
    @Root() building: { id: string },
    @Args(() => PageArgs) args: PageArgs,
    @Arg('filter', () => types.MeterFilter, { nullable: true, description: 'Only meters that match.' })
    filter: types.MeterFilter | null,
    @Ctx() context: EnergyContext,
  ) {
    return meterPage(context, 'building', building.id, args, filter);
  }

  @Directive(BUCKET_SERIES)
  @FieldResolver(() => types.EnergySeries, {
    nullable: true,
    description: "energy: consumption of one medium, summed over the building's meters.",
  })
  energy(
    @Root() building: { id: string },
    @Args(() => types.EnergyArgs) args: types.EnergyArgs,
    @Ctx() context: EnergyContext,
  ) {
    return energySeries(context, building.id, { by: 'building', installations: installationIds(context), ...args });
  }
}

@Resolver(() => types.Company)
class CompanyResolver {
  @Directive(types.READ_ENERGY)
  @Directive(LIST_SIZE)
  @FieldResolver(() => types.MeterConnection, { nullable: true, description: "energy: the company's meters." })
  meters(
    @Root() company: { uscc: string },
    @Args(() => PageArgs) args: PageArgs,
    @Arg('filter', () => types.MeterFilter, { nullable: true, description: 'Only meters that match.' })
    filter: types.MeterFilter | null,
    @Ctx() context: EnergyContext,
  ) {
    return meterPage(context, 'company', company.uscc, args, filter);
  }

  @Directive(types.READ_ENERGY)
  @Directive(BUCKET_SERIES)
  @FieldResolver(() => types.EnergySeries, {
    nullable: true,
    description: "energy: consumption of one medium, summed over the company's meters.",
  })
  energy(
    @Root() company: { uscc: string },
    @Args(() => types.EnergyArgs) args: types.EnergyArgs,
    @Ctx() context: EnergyContext,
  ) {
    return energySeries(context, company.uscc, { by: 'company', installations: installationIds(context), ...args });
  }
}

@Resolver(() => types.Meter)
class MeterResolver {
  @Directive(types.READ_ENERGY)
  @Query(() => types.Meter, { nullable: true, description: 'A meter by its id; null if it does not exist.' })
  meter(@Arg('id', () => ID, { description: 'Global id.' }) id: string, @Ctx() context: EnergyContext) {
    return meterById(id, context);
  }

  @FieldResolver(() => Decimal, { nullable: true, description: 'Newest register value.' })
  async register(@Root() meter: { id: string }, @Ctx() context: EnergyContext) {
    return (await anySource(context).latest(meter.id))?.value ?? null;
  }

  @FieldResolver(() => types.MeterReading, { nullable: true, description: 'Newest reading; null if there is none.' })
  async latest(@Root() meter: { id: string; unit: string | null }, @Ctx() context: EnergyContext) {
    const owner = context.installations.byGlobalId(meter.id);
    const found = await anySource(context).latest(meter.id);
    if (!found || !owner) return null;
    return {
      ...found,
      unit: meter.unit ?? '1',
      provenance: provenance(await owner.source.facts(found.time), context.clock),
    };
  }

  @Directive(BUCKET_SERIES)
  @FieldResolver(() => types.EnergySeries, { nullable: true, description: 'Consumption measured by this meter.' })
  series(
    @Root() meter: { id: string },
    @Args(() => types.SeriesArgs) args: types.SeriesArgs,
    @Ctx() context: EnergyContext,
  ) {
    const owner = context.installations.byGlobalId(meter.id);
    return owner
      ? energySeries(context, meter.id, { by: 'meter', installations: [owner.id], medium: null, ...args })
      : null;
  }

  @FieldResolver(() => Provenance, { nullable: true, description: "energy: provenance of the meter's own fields." })
  async provenance(@Root() meter: { id: string }, @Ctx() context: EnergyContext) {
    const owner = context.installations.byGlobalId(meter.id);
    return owner ? provenance(await owner.source.facts(), context.clock) : null;
  }
}

export const graph: Graph = {
  rows: {
    Park: ({ id }: types.Park) => ({ park: id }),
    Building: ({ id }: types.Building, { parks }) => ({ park: parks.parkOfBuilding(id) }),
    Company: ({ uscc }: types.Company) => ({ company: uscc }),
    Meter: ({ id, company }: types.Meter, { parks }) => ({
      park: parks.parkOfRecord(id),
      company: company?.uscc ?? null,
    }),
    MeterReading: PART,
    EnergySeries: PART,
    EnergyBucket: PART,
  },
  resolvers: [ParkResolver, BuildingResolver, CompanyResolver, MeterResolver],
  types: [types.Park, types.Building, types.Company],
  references: { Meter: ({ id }: { id: string }, context: EnergyContext) => meterById(id, context) },
};
