/** What the hub keeps of its own: parks, buildings, companies, sources, cases. */
import { Arg, Args, Ctx, Directive, FieldResolver, ID, Query, Resolver, Root } from 'type-graphql';
import { AUTHENTICATED, LIST_SIZE } from '../../../schema/graph/directives.ts';
import { USCC } from '../../../schema/graph/scalars.ts';
import { PageArgs } from '../../../schema/graph/shared.ts';
import type { GraphContext } from '../../kit/connector.ts';
import { connection, pageOf, paging, scopeOf } from '../../kit/pagination.ts';
import type { CompanyQuery, HubRequest } from '../source.ts';
import * as show from './present.ts';
import * as types from './types.ts';

type Context = GraphContext<HubRequest>;

const { hub } = show;

async function companyPage(context: Context, query: CompanyQuery, args: PageArgs) {
  const scope = scopeOf('companies', query);
  const page = paging(args, context.cursors, scope);
  const rows = await hub(context).companies(query, page);
  return connection(
    pageOf(
      page,
      rows,
      (row) => [row.name ?? '', row.uscc],
      () => hub(context).companyCount(query),
    ),
    context.cursors,
    scope,
    (row) => ({ uscc: row.uscc }),
  );
}

@Resolver(() => types.Park)
export class ParkResolver {
  @Query(() => types.Park, { nullable: true, description: 'Null when isthmus.yaml names no such park.' })
  async park(@Arg('id', () => ID, { description: 'As in isthmus.yaml.' }) id: string, @Ctx() context: Context) {
    const park = await hub(context).park(id);
    return park && show.park(park, context);
  }

  @Query(() => [types.Park], { nullable: true, description: 'All parks of this hub.' })
  async parks(@Ctx() context: Context) {
    return (await hub(context).parks()).map((park) => show.park(park, context));
  }

  @FieldResolver(() => [types.Building], { nullable: true, description: 'In the order of isthmus.yaml.' })
  async buildings(@Root() park: { id: string }, @Ctx() context: Context) {
    return (await hub(context).buildingsOf(park.id)).map((building) => show.building(building, context));
  }

  @Directive(LIST_SIZE)
  @FieldResolver(() => types.CompanyConnection, {
    nullable: true,
    description: 'Companies that the installations of this park know. By name, then code.',
  })
  companies(
    @Root() park: { id: string },
    @Args(() => PageArgs) args: PageArgs,
    @Arg('filter', () => types.CompanyFilter, { nullable: true, description: 'Which companies.' })
    filter: types.CompanyFilter | null,
    @Ctx() context: Context,
  ) {
    return companyPage(context, show.companyQuery(filter, park.id), args);
  }

  @FieldResolver(() => [types.Source], { nullable: true, description: 'The installations of this park.' })
  async sources(@Root() park: { id: string }, @Ctx() context: Context) {
    return (await hub(context).sources()).filter((source) => source.park === park.id);
  }
}

@Resolver(() => types.Building)
export class BuildingResolver {
  @Query(() => types.Building, { nullable: true, description: 'Null when isthmus.yaml names no such building.' })
  async building(@Arg('id', () => ID, { description: 'As in isthmus.yaml.' }) id: string, @Ctx() context: Context) {
    const building = await hub(context).building(id);
    return building && show.building(building, context);
  }

  @FieldResolver(() => types.Park, { nullable: true, description: 'Where it stands.' })
  async park(@Root() building: { parkId: string }, @Ctx() context: Context) {
    const park = await hub(context).park(building.parkId);
    return park && show.park(park, context);
  }
}

@Resolver(() => types.Company)
export class CompanyResolver {
  @Query(() => types.Company, {
    nullable: true,
    description: 'Null when no island has ever named this code. Never waits for an island.',
  })
  async company(@Arg('uscc', () => USCC, { description: 'Credit code.' }) uscc: string, @Ctx() context: Context) {
    const found = await hub(context).company(uscc);
    return found && { uscc: found.uscc };
  }

  @Directive(LIST_SIZE)
  @Query(() => types.CompanyConnection, { nullable: true, description: 'By name, then code.' })
  companies(
    @Args(() => PageArgs) args: PageArgs,
    @Arg('filter', () => types.CompanyFilter, { nullable: true, description: 'Which companies.' })
    filter: types.CompanyFilter | null,
    @Ctx() context: Context,
  ) {
    return companyPage(context, show.companyQuery(filter), args);
  }

  @FieldResolver(() => String, {
    nullable: true,
    description:
      'hub: the name last read from the register, kept so that lists and events need no island; null when never read. The authority is registration.legalName.',
  })
  async name(@Root() company: { uscc: string }, @Ctx() context: Context) {
    return (await hub(context).company(company.uscc))?.name ?? null;
  }

  @FieldResolver(() => [types.Identifier], {
    nullable: true,
    description: 'hub: every id under which the islands know it.',
  })
  async identifiers(@Root() company: { uscc: string }, @Ctx() context: Context) {
    const found = await hub(context).identifiers(company.uscc);
    return found.map((one) => show.identifier(one, context));
  }

  @FieldResolver(() => [types.Conflict], { nullable: true, description: 'hub: facts on which islands disagree.' })
  async conflicts(@Root() company: { uscc: string }, @Ctx() context: Context) {
    const found = await hub(context).conflicts(company.uscc);
    return found.map((one) => show.conflict(one, context));
  }

  @Directive(AUTHENTICATED)
  @Directive(LIST_SIZE)
  @FieldResolver(() => types.CaseConnection, { nullable: true, description: 'hub: filings under way and done.' })
  async cases(@Root() company: { uscc: string }, @Args(() => PageArgs) args: PageArgs, @Ctx() context: Context) {
    const scope = scopeOf('cases', company.uscc);
    const page = paging(args, context.cursors, scope);
    const rows = await hub(context).cases(company.uscc, page);
    return connection(
      pageOf(
        page,
        rows,
        (row) => [row.since.getTime(), row.id],
        () => hub(context).caseCount(company.uscc),
      ),
      context.cursors,
      scope,
      (row) => show.filing(row, context),
    );
  }

  @FieldResolver(() => show.ProvenanceType, { nullable: true, description: "hub: of the company's name." })
  async provenance(@Root() company: { uscc: string }, @Ctx() context: Context) {
    return show.companyProvenance(await hub(context).company(company.uscc), context);
  }
}

@Resolver(() => types.Source)
export class SourceResolver {
  @Query(() => types.Source, { nullable: true, description: 'By the id of its installation.' })
  async source(@Arg('id', () => ID, { description: 'Id of the installation.' }) id: string, @Ctx() context: Context) {
    return (await hub(context).sources()).find((source) => source.id === id) ?? null;
  }

  @Query(() => [types.Source], { nullable: true, description: 'Every installation of every park.' })
  async sources(
    @Arg('filter', () => types.SourceFilter, { nullable: true, description: 'Which sources.' })
    filter: types.SourceFilter | null,
    @Ctx() context: Context,
  ) {
    return (await hub(context).sources()).filter(show.sourceTest(filter));
  }

  @FieldResolver(() => types.Park, { nullable: true, description: 'Where it stands.' })
  async park(@Root() source: { park: string }, @Ctx() context: Context) {
    const park = await hub(context).park(source.park);
    return park && show.park(park, context);
  }
}

@Resolver(() => types.Case)
export class CaseResolver {
  @Directive(AUTHENTICATED)
  @Query(() => types.Case, { nullable: true, description: 'Null when no island has told of it.' })
  async case(@Arg('id', () => ID, { description: 'Global id.' }) id: string, @Ctx() context: Context) {
    const found = await hub(context).case(id);
    return found && show.filing(found, context);
  }

  @FieldResolver(() => types.Company, { nullable: true, description: 'For whom it is filed.' })
  company(@Root() filing: { companyCode?: string }) {
    return filing.companyCode ? { uscc: filing.companyCode } : null;
  }
}
