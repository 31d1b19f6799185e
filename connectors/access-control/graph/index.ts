/** Resolvers: read arguments, ask a loader, show the model. */
import { Arg, Args, Ctx, Directive, FieldResolver, ID, Int, Query, Resolver, Root } from 'type-graphql';
import { LIST_SIZE } from '../../../schema/graph/directives.ts';
import { DoorState, PageArgs, TimeRange } from '../../../schema/graph/shared.ts';
import type { Graph } from '../../kit/connector.ts';
import { HubError } from '../../kit/errors.ts';
import { connection, pageOf, paging, type ShownConnection, scopeOf } from '../../kit/pagination.ts';
import { provenance, withFacts } from '../../kit/provenance.ts';
import { PART, type RowRules } from '../../kit/row-rights.ts';
import { badgesPage, peoplePage } from './pages.ts';
import {
  badgeById,
  type Context,
  doorById,
  gather,
  showDoor,
  showPassage,
  showPerson,
  showPresence,
} from './present.ts';
import {
  AccessEvent,
  AccessEventConnection,
  BADGES,
  Badge,
  BadgeConnection,
  Building,
  Company,
  Door,
  LOG,
  PERSONS,
  Person,
  PersonConnection,
  Presence,
  READ,
} from './types.ts';

@Resolver()
class RootResolver {
  @Directive(BADGES)
  @Query(() => Badge, { nullable: true, description: 'A badge by its id; null when there is none.' })
  badge(@Arg('id', () => ID, { description: 'As found elsewhere in the graph.' }) id: string, @Ctx() context: Context) {
    return badgeById(id, context);
  }

  @Query(() => Door, { nullable: true, description: 'A door by its id; null when there is none.' })
  door(@Arg('id', () => ID, { description: 'As found elsewhere in the graph.' }) id: string, @Ctx() context: Context) {
    return doorById(id, context);
  }
}

@Resolver(() => Building)
class BuildingResolver {
  @FieldResolver(() => [Door], { nullable: true, description: 'Its doors; null when no door system knows it.' })
  async doors(@Root() { id }: Building, @Ctx() context: Context): Promise<Door[] | null> {
    const { answers } = await gather(context, (source) => source.doorsOf.load(id));
    const all = answers.flatMap(({ at, value }) =>
      value.value.map((door) => showDoor(withFacts(door, value.facts), at.source, context)),
    );
    return answers.length === 0 ? null : all;
  }

  @FieldResolver(() => Int, { nullable: true, description: 'The same number as presence.peopleInside.' })
  async peopleInside(@Root() building: Building, @Ctx() context: Context): Promise<number | null> {
    return (await this.presence(building, context))?.peopleInside ?? null;
  }

  @FieldResolver(() => Presence, { nullable: true, description: 'Who is inside; null when no door system knows it.' })
  async presence(@Root() { id }: Building, @Ctx() context: Context): Promise<Presence | null> {
    const { answers, dark } = await gather(context, (source) => source.seenIn.load(id));
    const seen = answers.map(({ value }) => value);
    return showPresence({ by: 'building', key: id, list: scopeOf('people in building', id) }, seen, dark, context);
  }
}

@Resolver(() => Company)
class CompanyResolver {
  @Directive(READ)
  @Directive(LIST_SIZE)
  @FieldResolver(() => BadgeConnection, { nullable: true, description: "The badges of the company's people." })
  async badges(
    @Root() { uscc }: Company,
    @Args(() => PageArgs) args: PageArgs,
    @Arg('active', () => Boolean, {
      nullable: true,
      description: 'Only those that open doors today, or only the others.',
    })
    active: boolean | null | undefined,
    @Ctx() context: Context,
  ) {
    return badgesPage(uscc, args, active ?? null, context);
  }

  @Directive(READ)
  @FieldResolver(() => Presence, { nullable: true, description: "The company's people inside any building." })
  async presence(@Root() { uscc }: Company, @Ctx() context: Context): Promise<Presence | null> {
    const { answers, dark } = await gather(context, (source) => source.seenOf.load(uscc));
    const seen = answers.map(({ value }) => value);
    return showPresence({ by: 'company', key: uscc, list: scopeOf('people of company', uscc) }, seen, dark, context);
  }
}

@Resolver(() => Presence)
class PresenceResolver {
  @Directive(PERSONS)
  @Directive(LIST_SIZE)
  @FieldResolver(() => PersonConnection, { nullable: true, description: 'The persons; for whoever may see them.' })
  people(@Root() presence: Presence, @Args(() => PageArgs) args: PageArgs, @Ctx() context: Context) {
    return peoplePage(presence, args, context);
  }
}

@Resolver(() => Badge)
class BadgeResolver {
  @Directive(PERSONS)
  @FieldResolver(() => Person, { nullable: true, description: 'Who holds it; null when nobody does.' })
  holder(@Root() { known }: Badge, @Ctx() context: Context): Person | null {
    return known.value.holder && showPerson(known.value.holder, known.facts, context);
  }

  @Directive(PERSONS)
  @FieldResolver(() => AccessEvent, { nullable: true, description: 'Its last try at any door; null before the first.' })
  async lastSeen(@Root() { source, number, company }: Badge, @Ctx() context: Context): Promise<AccessEvent | null> {
    const known = await source.lastSeen.load(number);
    return known && showPassage(known, company?.uscc ?? null, context);
  }
}

@Resolver(() => Door)
class DoorResolver {
  @FieldResolver(() => DoorState, {
    nullable: true,
    description: 'As last reported within a day; UNKNOWN when the door system does not tell.',
  })
  async state(@Root() { source, number }: Door): Promise<DoorState> {
    const known = await source.condition.load(number);
    return DoorState[known?.value ?? 'UNKNOWN'];
  }

  @Directive(LOG)
  @Directive(LIST_SIZE)
  @FieldResolver(() => AccessEventConnection, { nullable: true, description: 'Who tried to pass, oldest first.' })
  async events(
    @Root() door: Door,
    @Args(() => PageArgs) args: PageArgs,
    @Arg('time', () => TimeRange, { nullable: true, description: 'Only what happened then.' })
    time: TimeRange | null | undefined,
    @Ctx() context: Context,
  ): Promise<ShownConnection<AccessEvent>> {
    // A door's log is of everybody who passed: nobody's own part of it can be asked of the door system.
    if (context.principal.companies !== null)
      throw new HubError('FORBIDDEN', 'The log of a door is for who may see all companies.');
    const span = { from: time?.from ?? null, to: time?.to ?? null };
    const scope = scopeOf('door events', [door.id, span]);
    const request = paging(args, context.cursors, scope);
    const after = request.place as [string, number] | null;
    const ask = { forward: request.forward, limit: request.size + 1, after, ...span };
    const known = await door.source.passagesOf(ask).load(door.number);
    const page = pageOf(
      request,
      known?.value ?? [],
      (passage) => passage.place,
      () => door.source.passageCount(span).load(door.number),
    );
    const show = known ? provenance(known.facts, context.clock) : door.provenance;
    return connection(
      page,
      context.cursors,
      scope,
      // Whose passage it is, the log of a door does not say.
      (passage) => showPassage(withFacts(passage, known?.facts ?? door.provenance), null, context),
      show,
    );
  }
}

@Resolver(() => AccessEvent)
class AccessEventResolver {
  @FieldResolver(() => Door, { nullable: true, description: 'Null when the line names none.' })
  door(@Root() { doorId }: AccessEvent, @Ctx() context: Context): Promise<Door | null> | null {
    return doorId === null ? null : doorById(doorId, context);
  }

  @Directive(BADGES)
  @FieldResolver(() => Badge, { nullable: true, description: 'Null when the card is unknown.' })
  badge(@Root() { badgeId }: AccessEvent, @Ctx() context: Context): Promise<Badge | null> | null {
    return badgeId === null ? null : badgeById(badgeId, context);
  }
}

const rows: RowRules = {
  Building: ({ id }: Building, { parks }) => ({ park: parks.ofBuilding(id) }),
  Company: ({ uscc }: Company) => ({ company: uscc }),
  Door: ({ id }: Door, { parks }) => ({ park: parks.ofRecord(id) }),
  Badge: ({ id, company }: Badge, { parks }) => ({ park: parks.ofRecord(id), company: company?.uscc ?? null }),
  AccessEvent: ({ id, company }: AccessEvent, { parks }) => ({ park: parks.ofRecord(id), company }),
  Person: ({ company }: Person) => ({ company: company?.uscc ?? null }),
  Presence: PART,
};

export const accessGraph: Graph = {
  rows,
  resolvers: [
    RootResolver,
    BuildingResolver,
    CompanyResolver,
    PresenceResolver,
    BadgeResolver,
    DoorResolver,
    AccessEventResolver,
  ],
  references: {
    Building: ({ id }: { id: string }) => ({ id }),
    Company: ({ uscc }: { uscc: string }) => ({ uscc }),
    Door: ({ id }: { id: string }, context: Context) => doorById(id, context),
    Badge: ({ id }: { id: string }, context: Context) => badgeById(id, context),
  },
};
