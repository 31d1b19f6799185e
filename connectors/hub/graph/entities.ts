/** Resolvers of the hub's own records: parks, buildings, companies, sources, cases. */
import { Arg, Args, Ctx, Directive, FieldResolver, ID, Query, Resolver, Root } from 'type-graphql';
import { AUTHENTICATED, LIST_SIZE } from '../../../schema/graph/directives.ts';
import { USCC } from '../../../schema/graph/scalars.ts';
import { PageArgs } from '../../../schema/graph/shared.ts';
import type { GraphContext } from '../../kit/connector.ts';
import { cursorScope } from '../../kit/cursor.ts';
import { parsePageArguments, toConnection, toPage } from '../../kit/pagination.ts';
import type { CompanyQuery, HubRequest } from '../source.ts';
import * as present from './present.ts';
import * as types from './types.ts';

type Context = GraphContext<HubRequest>;

const { hub } = present;

async function companyPage(context: Context, query: CompanyQuery, args: PageArgs) {
  const scope = cursorScope('companies', query);
  const page = parsePageArguments(args, context.cursors, scope);
  const rows = await hub(context).companies(query, page);
  return toConnection(
    toPage(
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
  @Query(() => types.Park, { nullable: true, description: 'A park by id; null if isthmus.yaml declares no such park.' })
  async park(@Arg('id', () => ID, { description: 'Id in isthmus.yaml.' }) id: string, @Ctx() context: Context) {
    const park = await hub(context).park(id);
    return park && present.park(park, context);
  }

  @Query(() => [types.Park], { nullable: true, description: 'All parks.' })
  async parks(@Ctx() context: Context) {
    return (await hub(context).parks()).map((park) => present.park(park, context));
  }

  @FieldResolver(() => [types.Building], { nullable: true, description: 'Buildings, in the order of isthmus.yaml.' })
  async buildings(@Root() park: { id: string }, @Ctx() context: Context) {
    return (await hub(context).buildingsOf(park.id)).map((building) => present.building(building, context));
  }

  @Directive(LIST_SIZE)
  @FieldResolver(() => types.CompanyConnection, {
    nullable: true,
    description: 'Companies reported by the installations of this park, ordered by name, then code.',
  })
  companies(
    @Root() park: { id: string },
    @Args(() => PageArgs) args: PageArgs,
    @Arg('filter', () => types.CompanyFilter, { nullable: true, description: 'Selects companies.' })
    filter: types.CompanyFilter | null,
    @Ctx() context: Context,
  ) {
    return companyPage(context, present.companyQuery(filter, park.id), args);
  }

  @FieldResolver(() => [types.Source], { nullable: true, description: 'The installations of this park.' })
  async sources(@Root() park: { id: string }, @Ctx() context: Context) {
    return (await hub(context).sources()).filter((source) => source.park === park.id);
  }
}

@Resolver(() => types.Building)
export class BuildingResolver {
  @Query(() => types.Building, {
    nullable: true,
    description: 'A building by id; null if isthmus.yaml declares no such building.',
  })
  async building(@Arg('id', () => ID, { description: 'Id in isthmus.yaml.' }) id: string, @Ctx() context: Context) {
    const building = await hub(context).building(id);
    return building && present.building(building, context);
  }

  @FieldResolver(() => types.Park, { nullable: true, description: 'The park.' })
  async park(@Root() building: { parkId: string }, @Ctx() context: Context) {
    const park = await hub(context).park(building.parkId);
    return park && present.park(park, context);
  }
}

@Resolver(() => types.Company)
export class CompanyResolver {
  @Query(() => types.Company, {
    nullable: true,
    description: 'A company by credit code; null if no source has reported the code. Does not call any source.',
  })
  async company(@Arg('uscc', () => USCC, { description: 'Credit code.' }) uscc: string, @Ctx() context: Context) {
    const found = await hub(context).rootCompany(uscc);
    return found && { uscc: found.uscc };
  }

  @Directive(LIST_SIZE)
  @Query(() => types.CompanyConnection, { nullable: true, description: 'Companies, ordered by name, then code.' })
  companies(
    @Args(() => PageArgs) args: PageArgs,
    @Arg('filter', () => types.CompanyFilter, { nullable: true, description: 'Selects companies.' })
    filter: types.CompanyFilter | null,
    @Ctx() context: Context,
  ) {
    return companyPage(context, present.companyQuery(filter), args);
  }

  @FieldResolver(() => String, {
    nullable: true,
    description:
      'hub: the name last read from the register, stored so that lists and events need no source; null if never read. The authority is registration.legalName.',
  })
  async name(@Root() company: { uscc: string }, @Ctx() context: Context) {
    return (await hub(context).company(company.uscc))?.name ?? null;
  }

  @FieldResolver(() => [types.Identifier], {
    nullable: true,
    description: 'hub: its ids in the sources.',
  })
  async identifiers(@Root() company: { uscc: string }, @Ctx() context: Context) {
    const found = await hub(context).identifiers(company.uscc);
    return found.map((row) => present.identifier(row, context));
  }

  @FieldResolver(() => [types.Conflict], { nullable: true, description: 'hub: facts that sources report differently.' })
  async conflicts(@Root() company: { uscc: string }, @Ctx() context: Context) {
    const found = await hub(context).conflicts(company.uscc);
    return found.map((row) => present.conflict(row, context));
  }

  @Directive(AUTHENTICATED)
  @Directive(LIST_SIZE)
  @FieldResolver(() => types.CaseConnection, { nullable: true, description: 'hub: its filings with authorities.' })
  async cases(@Root() company: { uscc: string }, @Args(() => PageArgs) args: PageArgs, @Ctx() context: Context) {
    const scope = cursorScope('cases', company.uscc);
    const page = parsePageArguments(args, context.cursors, scope);
    const rows = await hub(context).cases(company.uscc, page);
    return toConnection(
      toPage(
        page,
        rows,
        (row) => [row.since.getTime(), row.id],
        () => hub(context).caseCount(company.uscc),
      ),
      context.cursors,
      scope,
      (row) => present.filing(row, context),
    );
  }

  @FieldResolver(() => present.ProvenanceType, {
    nullable: true,
    description: "hub: provenance of the company's name.",
  })
  async provenance(@Root() company: { uscc: string }, @Ctx() context: Context) {
    return present.companyProvenance(await hub(context).company(company.uscc), context);
  }
}

@Resolver(() => types.Source)
export class SourceResolver {
  @Query(() => types.Source, { nullable: true, description: 'A source by the id of its installation.' })
  async source(@Arg('id', () => ID, { description: 'Id of the installation.' }) id: string, @Ctx() context: Context) {
    return (await hub(context).sources()).find((source) => source.id === id) ?? null;
  }

  @Query(() => [types.Source], { nullable: true, description: 'The installations of all parks.' })
  async sources(
    @Arg('filter', () => types.SourceFilter, { nullable: true, description: 'Selects sources.' })
    filter: types.SourceFilter | null,
    @Ctx() context: Context,
  ) {
    return (await hub(context).sources()).filter(present.sourceTest(filter));
  }

  @FieldResolver(() => types.Park, { nullable: true, description: 'The park.' })
  async park(@Root() source: { park: string }, @Ctx() context: Context) {
    const park = await hub(context).park(source.park);
    return park && present.park(park, context);
  }
}

@Resolver(() => types.Case)
export class CaseResolver {
  @Directive(AUTHENTICATED)
  @Query(() => types.Case, { nullable: true, description: 'A case by id; null if no source has reported it.' })
  async case(@Arg('id', () => ID, { description: 'Global id.' }) id: string, @Ctx() context: Context) {
    const found = await hub(context).case(id);
    return found && present.filing(found, context);
  }

  @FieldResolver(() => types.Company, { nullable: true, description: 'The company for which it is filed.' })
  company(@Root() filing: { companyCode?: string }) {
    return filing.companyCode ? { uscc: filing.companyCode } : null;
  }
}
