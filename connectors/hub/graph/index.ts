/** The hub's part of the graph: thin resolvers over its own tables. */
import { Arg, Args, Ctx, Directive, FieldResolver, ID, Query, Resolver, Root, Subscription } from 'type-graphql';
import { AUTHENTICATED, INACCESSIBLE, LIST_SIZE } from '../../../schema/graph/directives.ts';
import { Cursor, USCC } from '../../../schema/graph/scalars.ts';
import { PageArgs } from '../../../schema/graph/shared.ts';
import type { Graph, GraphContext } from '../../kit/connector.ts';
import { HubError } from '../../kit/errors.ts';
import { connection, pageOf, paging, scopeOf } from '../../kit/page.ts';
import type { CompanyQuery, HubRequest } from '../source.ts';
import * as events from './events.ts';
import * as show from './show.ts';
import { TrustResolver } from './trust.ts';
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
class ParkResolver {
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
class BuildingResolver {
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
class CompanyResolver {
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
class SourceResolver {
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
class CaseResolver {
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

const eventScope = (filter: events.EventFilter | null | undefined): string =>
  scopeOf('events', show.filterScope(filter));

@Resolver()
class EventResolver {
  @Directive(AUTHENTICATED)
  @Directive(LIST_SIZE)
  @Query(() => events.EventConnection, {
    nullable: true,
    description: "The event log, oldest first; `endCursor` fits the subscription's `after`.",
  })
  async events(
    @Args(() => PageArgs) args: PageArgs,
    @Arg('filter', () => events.EventFilter, { nullable: true, description: 'Which events.' })
    filter: events.EventFilter | null,
    @Ctx() context: Context,
  ) {
    const scope = eventScope(filter);
    const page = paging(args, context.cursors, scope);
    if (page.place !== null) await refuseExpired(String(page.place[0]), context);
    const rows = await hub(context).events(filter, page);
    return connection(
      pageOf(
        page,
        rows,
        (row) => [row.position],
        () => hub(context).eventCount(filter),
      ),
      context.cursors,
      scope,
      (row) => show.event(row, scope, context),
    );
  }

  @Directive(INACCESSIBLE)
  @Query(() => events.EventStart, { description: 'Internal: where a subscription begins.' })
  async _eventStart(
    @Arg('after', () => Cursor, { nullable: true, description: 'Where the client stands.' }) after: string | null,
    @Arg('head', () => String, { description: 'Newest position, for a client that begins now.' }) head: string,
    @Arg('filter', () => events.EventFilter, { nullable: true, description: 'Which events.' })
    filter: events.EventFilter | null,
    @Arg('position', () => String, { nullable: true, description: 'Where a client that follows stands, for `after`.' })
    stands: string | null,
    @Ctx() context: Context,
  ) {
    const opened = after === null || after === undefined ? null : context.cursors.open(eventScope(filter), after)[0];
    const position = stands ?? (opened === null ? null : String(opened));
    if (position === null) return { position: head, gapFrom: null, gapTo: null, gapReason: null };
    const none = { position, gapFrom: null, gapTo: null, gapReason: null };
    if (BigInt(position) > BigInt(head)) {
      // Another replica may know more than this one; a log that ends before the cursor is a restored one.
      const newest = await hub(context).headPosition();
      if (BigInt(position) <= newest) return none;
      const gapFrom = (await hub(context).dayBehind(String(newest))) ?? new Date(0);
      return { position: String(newest), gapFrom, gapTo: context.now(), gapReason: events.GapReason.RESTORE };
    }
    const start = await hub(context).logStart();
    if (start === null || BigInt(position) >= start.before) return none;
    const gapFrom = (await hub(context).dayBehind(position)) ?? start.time;
    return { position: String(start.before), gapFrom, gapTo: start.time, gapReason: events.GapReason.RETENTION };
  }

  @Directive(INACCESSIBLE)
  @Query(() => events.EventDelivery, { description: 'Internal: one delivery of a subscription.' })
  async _delivery(
    @Arg('token', () => String, { description: 'Which delivery, as JSON.' }) token: string,
    @Arg('filter', () => events.EventFilter, { nullable: true, description: 'Which events.' })
    filter: events.EventFilter | null,
    @Ctx() context: Context,
  ) {
    const scope = eventScope(filter);
    const asked = JSON.parse(token) as show.DeliveryToken;
    if (asked.type !== 'batch') return show.delivery(asked, scope, context);
    const rows = await hub(context).eventRange(filter, asked);
    const last = rows.length === asked.limit ? (rows.at(-1)?.position ?? asked.upTo) : asked.upTo;
    return { events: rows.map((row) => show.event(row, scope, context)), cursor: context.cursors.seal(scope, [last]) };
  }

  @Directive(AUTHENTICATED)
  @Subscription(() => events.EventDelivery, {
    name: 'events',
    description: 'What is written to the event log from now on, or from `after`.',
    subscribe: () => {
      throw new Error('Subscriptions are delivered by the gateway.');
    },
  })
  events_(
    @Arg('after', () => Cursor, { nullable: true, description: 'Where the client stands; absent: from now on.' })
    _after: string | null,
    @Arg('filter', () => events.EventFilter, { nullable: true, description: 'Which events.' })
    _filter: events.EventFilter | null,
    @Root() delivery: object,
  ) {
    return delivery;
  }
}

async function refuseExpired(position: string, context: Context): Promise<void> {
  const start = await hub(context).logStart();
  if (start !== null && BigInt(position) < start.before) {
    throw new HubError(
      'CURSOR_EXPIRED',
      `The log begins at ${start.time.toISOString()}; what lies behind this cursor is partly gone. Begin without a cursor.`,
    );
  }
}

export const graph: Graph = {
  resolvers: [
    ParkResolver,
    BuildingResolver,
    CompanyResolver,
    SourceResolver,
    CaseResolver,
    EventResolver,
    TrustResolver,
  ],
  types: [...events.EVENT_CLASSES],
  references: {
    Park: async ({ id }, context: Context) => {
      const park = await hub(context).park(id);
      return park && show.park(park, context);
    },
    Building: async ({ id }, context: Context) => {
      const building = await hub(context).building(id);
      return building && show.building(building, context);
    },
    Source: async ({ id }, context: Context) =>
      (await hub(context).sources()).find((source) => source.id === id) ?? null,
    Case: async ({ id }, context: Context) => {
      const found = await hub(context).case(id);
      return found && show.filing(found, context);
    },
  },
};
