/** Resolvers of the event log: pages, and the internal fields that the gateway's subscriptions read. */
import { Arg, Args, Ctx, Directive, Query, Resolver, Root, Subscription } from 'type-graphql';
import { AUTHENTICATED, INACCESSIBLE, LIST_SIZE } from '../../../schema/graph/directives.ts';
import { Cursor } from '../../../schema/graph/scalars.ts';
import { PageArgs } from '../../../schema/graph/shared.ts';
import type { GraphContext } from '../../kit/connector.ts';
import { cursorScope } from '../../kit/cursor.ts';
import { HubError } from '../../kit/errors.ts';
import { parsePageArguments, toConnection, toPage } from '../../kit/pagination.ts';
import type { HubRequest } from '../source.ts';
import * as events from './events.ts';
import * as present from './present.ts';
import { findUnreadable, groupRuns, type Run } from './unreadable-events.ts';

type Context = GraphContext<HubRequest>;

const { hub } = present;

/** Token of `_unreadable`, as JSON: a range of the log. With `fault`, every event of the range counts as unreadable for that reason. */
interface RangeToken {
  readonly after: string;
  readonly upTo: string;
  readonly limit: number;
  readonly fault?: string;
}

const eventScope = (filter: events.EventFilter | null | undefined): string =>
  cursorScope('events', present.filterScope(filter));

@Resolver()
export class EventResolver {
  @Directive(AUTHENTICATED)
  @Directive(LIST_SIZE)
  @Query(() => events.EventConnection, {
    nullable: true,
    description: 'The event log, oldest first. Pass `endCursor` as `after` to subscribe from there.',
  })
  async events(
    @Args(() => PageArgs) args: PageArgs,
    @Arg('filter', () => events.EventFilter, { nullable: true, description: 'Selects events.' })
    filter: events.EventFilter | null,
    @Ctx() context: Context,
  ) {
    const scope = eventScope(filter);
    const page = parsePageArguments(args, context.cursors, scope);
    if (page.position !== null) await assertNotExpired(String(page.position[0]), context);
    const found = toPage(
      page,
      await hub(context).events(filter, page),
      (row) => [row.position],
      () => hub(context).eventCount(filter),
    );
    const rows = found.rows.map((row) => row.node);
    const faults = findUnreadable(rows);
    if (faults.length === 0)
      return { ...toConnection(found, context.cursors, scope, (row) => present.event(row, scope, context)), gaps: [] };
    hub(context).quarantine(faults);
    const unreadableRows = new Set(faults.map(({ row }) => row));
    // `pageInfo` covers unreadable events too, so that paging on skips none.
    const { edges, nodes, ...rest } = toConnection(found, context.cursors, scope, (row) =>
      unreadableRows.has(row) ? null : present.event(row, scope, context),
    );
    return {
      ...rest,
      nodes: nodes.filter((node) => node !== null),
      edges: edges.filter((edge) => edge.node !== null),
      gaps: groupRuns(rows, unreadableRows).map((run) => gapOf(run, scope, context)),
    };
  }

  @Directive(INACCESSIBLE)
  @Query(() => events.UnreadableEvents, {
    nullable: true,
    description: 'Internal: the first run of unreadable events in a range.',
  })
  async _unreadable(
    @Arg('token', () => String, { description: 'The range, as JSON.' }) token: string,
    @Arg('filter', () => events.EventFilter, { nullable: true, description: 'Selects events.' })
    filter: events.EventFilter | null,
    @Ctx() context: Context,
  ) {
    const { fault, ...range } = JSON.parse(token) as RangeToken;
    const rows = await hub(context).eventRange(filter, range);
    const faults = fault
      ? rows.map((row) => ({ row, fault: { field: 'type', problem: `cannot be shown: ${fault}` } }))
      : findUnreadable(rows);
    hub(context).quarantine(faults);
    return groupRuns(rows, new Set(faults.map(({ row }) => row)))[0] ?? null;
  }

  @Directive(INACCESSIBLE)
  @Query(() => events.EventStart, { description: 'Internal: the position at which a subscription starts.' })
  async _eventStart(
    @Arg('after', () => Cursor, { nullable: true, description: 'Cursor of the client.' }) after: string | null,
    @Arg('head', () => String, { description: 'Newest position, used without a cursor.' }) head: string,
    @Arg('filter', () => events.EventFilter, { nullable: true, description: 'Selects events.' })
    filter: events.EventFilter | null,
    @Arg('position', () => String, {
      nullable: true,
      description: 'Current position of an established subscription; takes precedence over `after`.',
    })
    current: string | null,
    @Ctx() context: Context,
  ) {
    const opened = after === null || after === undefined ? null : context.cursors.verify(eventScope(filter), after)[0];
    const position = current ?? (opened === null ? null : String(opened));
    if (position === null) return { position: head, gapFrom: null, gapTo: null, gapReason: null };
    const none = { position, gapFrom: null, gapTo: null, gapReason: null };
    if (BigInt(position) > BigInt(head)) {
      // `head` may lag behind another replica. A log that ends before the cursor was restored from a backup.
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
    @Arg('token', () => String, { description: 'The delivery, as JSON.' }) token: string,
    @Arg('filter', () => events.EventFilter, { nullable: true, description: 'Selects events.' })
    filter: events.EventFilter | null,
    @Ctx() context: Context,
  ) {
    const scope = eventScope(filter);
    const delivery = JSON.parse(token) as present.DeliveryToken;
    if (delivery.type !== 'batch') return present.delivery(delivery, scope, context);
    const rows = await hub(context).eventRange(filter, delivery);
    // The gateway then calls `_unreadable`, delivers the events before the run, and reports the gap.
    if (findUnreadable(rows).length > 0)
      throw new HubError('INTERNAL', 'This range of the event log contains events that do not match their type.', {
        retryable: true,
      });
    const last = rows.length === delivery.limit ? (rows.at(-1)?.position ?? delivery.upTo) : delivery.upTo;
    return {
      events: rows.map((row) => present.event(row, scope, context)),
      cursor: context.cursors.sign(scope, [last]),
    };
  }

  @Directive(AUTHENTICATED)
  @Subscription(() => events.EventDelivery, {
    name: 'events',
    description: 'Events from now on, or from `after`.',
    subscribe: () => {
      throw new Error('Subscriptions are delivered by the gateway.');
    },
  })
  events_(
    @Arg('after', () => Cursor, { nullable: true, description: 'Cursor to resume from; absent: start now.' })
    _after: string | null,
    @Arg('filter', () => events.EventFilter, { nullable: true, description: 'Selects events.' })
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
  cursor: context.cursors.sign(scope, [upTo]),
});

/** Throws CURSOR_EXPIRED if retention has deleted events after the position. */
async function assertNotExpired(position: string, context: Context): Promise<void> {
  const start = await hub(context).logStart();
  if (start !== null && BigInt(position) < start.before) {
    throw new HubError(
      'CURSOR_EXPIRED',
      `Expired cursor: events before ${start.time.toISOString()} have been deleted. Start again without a cursor.`,
    );
  }
}
