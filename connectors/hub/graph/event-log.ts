/** The event log: read by page, and followed by the gateway's subscriptions. */
import { Arg, Args, Ctx, Directive, Query, Resolver, Root, Subscription } from 'type-graphql';
import { AUTHENTICATED, INACCESSIBLE, LIST_SIZE } from '../../../schema/graph/directives.ts';
import { Cursor } from '../../../schema/graph/scalars.ts';
import { PageArgs } from '../../../schema/graph/shared.ts';
import type { GraphContext } from '../../kit/connector.ts';
import { HubError } from '../../kit/errors.ts';
import { connection, pageOf, paging, scopeOf } from '../../kit/pagination.ts';
import type { HubRequest } from '../source.ts';
import * as events from './events.ts';
import * as show from './present.ts';
import { type Run, runsOf, unreadable } from './readable-events.ts';

type Context = GraphContext<HubRequest>;

const { hub } = show;

/** A range of the log; with `fault`, all of it counts as unreadable for that reason. */
interface RangeToken {
  readonly after: string;
  readonly upTo: string;
  readonly limit: number;
  readonly fault?: string;
}

const eventScope = (filter: events.EventFilter | null | undefined): string =>
  scopeOf('events', show.filterScope(filter));

@Resolver()
export class EventResolver {
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
    const read = pageOf(
      page,
      await hub(context).events(filter, page),
      (row) => [row.position],
      () => hub(context).eventCount(filter),
    );
    const rows = read.rows.map((row) => row.node);
    const faults = unreadable(rows);
    if (faults.length === 0)
      return { ...connection(read, context.cursors, scope, (row) => show.event(row, scope, context)), gaps: [] };
    hub(context).quarantine(faults);
    const bad = new Set(faults.map((one) => one.row));
    // The page begins and ends with what was read, whether it can be shown or not: who goes on behind it misses nothing.
    const { edges, nodes, ...rest } = connection(read, context.cursors, scope, (row) =>
      bad.has(row) ? null : show.event(row, scope, context),
    );
    return {
      ...rest,
      nodes: nodes.filter((one) => one !== null),
      edges: edges.filter((one) => one.node !== null),
      gaps: runsOf(rows, bad).map((run) => gapOf(run, scope, context)),
    };
  }

  @Directive(INACCESSIBLE)
  @Query(() => events.UnreadableEvents, {
    nullable: true,
    description: 'Internal: the first events of a range that a delivery cannot show.',
  })
  async _unreadable(
    @Arg('token', () => String, { description: 'Which range, as JSON.' }) token: string,
    @Arg('filter', () => events.EventFilter, { nullable: true, description: 'Which events.' })
    filter: events.EventFilter | null,
    @Ctx() context: Context,
  ) {
    const { fault, ...range } = JSON.parse(token) as RangeToken;
    const rows = await hub(context).eventRange(filter, range);
    const faults = fault
      ? rows.map((row) => ({ row, fault: { field: 'type', problem: `cannot be shown: ${fault}` } }))
      : unreadable(rows);
    hub(context).quarantine(faults);
    return runsOf(rows, new Set(faults.map((one) => one.row)))[0] ?? null;
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
    // The reader asks `_unreadable` which ones, delivers what lies before them, and then the gap.
    if (unreadable(rows).length > 0)
      throw new HubError('INTERNAL', 'The log holds events here that do not fit their type.', { retryable: true });
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

const gapOf = ({ fromTime, toTime, upTo }: Run, scope: string, context: Context) => ({
  fromTime,
  toTime,
  reason: events.GapReason.INVALID_EVENT,
  cursor: context.cursors.seal(scope, [upTo]),
});

async function refuseExpired(position: string, context: Context): Promise<void> {
  const start = await hub(context).logStart();
  if (start !== null && BigInt(position) < start.before) {
    throw new HubError(
      'CURSOR_EXPIRED',
      `The log begins at ${start.time.toISOString()}; what lies behind this cursor is partly gone. Begin without a cursor.`,
    );
  }
}
