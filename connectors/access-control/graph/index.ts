/** Resolvers of the door system's part of the graph. */
import { Arg, Args, Ctx, Directive, FieldResolver, ID, Int, Query, Resolver, Root } from 'type-graphql';
import { LIST_SIZE } from '../../../schema/graph/directives.ts';
import { DoorState, PageArgs, TimeRange } from '../../../schema/graph/shared.ts';
import { PART, type RowRules } from '../../kit/auth/row-rights.ts';
import type { Graph } from '../../kit/connector.ts';
import { cursorScope } from '../../kit/cursor.ts';
import { HubError } from '../../kit/errors.ts';
import { type ConnectionObject, parsePageArguments, toConnection, toPage } from '../../kit/pagination.ts';
import { provenance, sourced } from '../../kit/provenance.ts';
import { badgesPage, peoplePage } from './pages.ts';
import {
  type AccessContext,
  badgeById,
  doorById,
  installationsOfBuilding,
  presentAccessEvent,
  presentDoor,
  presentPerson,
  presentPresence,
  queryInstallations,
} from './present.ts';
import {
  AccessEvent,
  AccessEventConnection,
  Badge,
  BadgeConnection,
  Building,
  Company,
  Door,
  Person,
  PersonConnection,
  Presence,
  READ,
  READ_BADGES,
  READ_LOG,
  READ_PERSONS,
} from './types.ts';

@Resolver()
class RootResolver {
  @Directive(READ_BADGES)
  @Query(() => Badge, { nullable: true, description: 'A badge by its id; null if it does not exist.' })
  badge(@Arg('id', () => ID, { description: 'Global id.' }) id: string, @Ctx() context: AccessContext) {
    return badgeById(id, context);
  }

  @Query(() => Door, { nullable: true, description: 'A door by its id; null if it does not exist.' })
  door(@Arg('id', () => ID, { description: 'Global id.' }) id: string, @Ctx() context: AccessContext) {
    return doorById(id, context);
  }
}

@Resolver(() => Building)
class BuildingResolver {
  @FieldResolver(() => [Door], {
    nullable: true,
    description: 'Doors of the building; null if no door system covers it.',
  })
  async doors(@Root() { id }: Building, @Ctx() context: AccessContext): Promise<Door[] | null> {
    const { results } = await queryInstallations(installationsOfBuilding(id, context), (source) =>
      source.doorsByBuilding.load(id),
    );
    const doors = results.flatMap(({ installation, value }) =>
      value.value.map((door) => presentDoor(sourced(door, value.facts), installation.source, context)),
    );
    return results.length === 0 ? null : doors;
  }

  @FieldResolver(() => Int, { nullable: true, description: 'Same value as `presence.peopleInside`.' })
  async peopleInside(@Root() building: Building, @Ctx() context: AccessContext): Promise<number | null> {
    return (await this.presence(building, context))?.peopleInside ?? null;
  }

  @FieldResolver(() => Presence, { nullable: true, description: 'People inside; null if no door system covers it.' })
  async presence(@Root() { id }: Building, @Ctx() context: AccessContext): Promise<Presence | null> {
    const installations = installationsOfBuilding(id, context);
    const { results, incomplete } = await queryInstallations(installations, (source) =>
      source.occupantsByBuilding.load(id),
    );
    const occupants = results.map(({ value }) => value);
    const of = { by: 'building', key: id, cursorScope: cursorScope('people in building', id), installations } as const;
    return presentPresence(of, { occupants, incomplete }, context);
  }
}

@Resolver(() => Company)
class CompanyResolver {
  @Directive(READ)
  @Directive(LIST_SIZE)
  @FieldResolver(() => BadgeConnection, { nullable: true, description: "Badges of the company's people." })
  async badges(
    @Root() { uscc }: Company,
    @Args(() => PageArgs) args: PageArgs,
    @Arg('active', () => Boolean, {
      nullable: true,
      description: 'Only active badges (true) or only inactive ones (false).',
    })
    active: boolean | null | undefined,
    @Ctx() context: AccessContext,
  ) {
    return badgesPage(uscc, args, active ?? null, context);
  }

  @Directive(READ)
  @FieldResolver(() => Presence, { nullable: true, description: 'People of the company inside any building.' })
  async presence(@Root() { uscc }: Company, @Ctx() context: AccessContext): Promise<Presence | null> {
    const { asked, absentIn } = await context.installations.knowing('COMPANY', uscc);
    const { results, incomplete } = await queryInstallations(asked, (source) => source.occupantsByCompany.load(uscc));
    const occupants = [...results.map(({ value }) => value), ...absentIn.map((facts) => sourced([], facts))];
    const scope = cursorScope('people of company', uscc);
    const of = { by: 'company', key: uscc, cursorScope: scope, installations: asked } as const;
    return presentPresence(of, { occupants, incomplete }, context);
  }
}

@Resolver(() => Presence)
class PresenceResolver {
  @Directive(READ_PERSONS)
  @Directive(LIST_SIZE)
  @FieldResolver(() => PersonConnection, {
    nullable: true,
    description: 'The people inside. Requires the scope access:persons.',
  })
  people(@Root() presence: Presence, @Args(() => PageArgs) args: PageArgs, @Ctx() context: AccessContext) {
    return peoplePage(presence, args, context);
  }
}

@Resolver(() => Badge)
class BadgeResolver {
  @Directive(READ_PERSONS)
  @FieldResolver(() => Person, { nullable: true, description: 'Holder of the badge; null if nobody holds it.' })
  holder(@Root() { record: known }: Badge, @Ctx() context: AccessContext): Person | null {
    return known.value.holder && presentPerson(known.value.holder, known.facts, context);
  }

  @Directive(READ_PERSONS)
  @FieldResolver(() => AccessEvent, {
    nullable: true,
    description: 'Last access attempt at any door; null if there was none.',
  })
  async lastSeen(
    @Root() { source, number, company }: Badge,
    @Ctx() context: AccessContext,
  ): Promise<AccessEvent | null> {
    const known = await source.lastAttempt.load(number);
    return known && presentAccessEvent(known, company?.uscc ?? null, context);
  }
}

@Resolver(() => Door)
class DoorResolver {
  @FieldResolver(() => DoorState, {
    nullable: true,
    description: 'Last state reported within a day; UNKNOWN if none was reported.',
  })
  async state(@Root() { source, number }: Door): Promise<DoorState> {
    const condition = await source.doorCondition.load(number);
    return DoorState[condition?.value ?? 'UNKNOWN'];
  }

  @Directive(READ_LOG)
  @Directive(LIST_SIZE)
  @FieldResolver(() => AccessEventConnection, {
    nullable: true,
    description: 'Access attempts at the door, oldest first.',
  })
  async events(
    @Root() door: Door,
    @Args(() => PageArgs) args: PageArgs,
    @Arg('time', () => TimeRange, { nullable: true, description: 'Only attempts in this time range.' })
    time: TimeRange | null | undefined,
    @Ctx() context: AccessContext,
  ): Promise<ConnectionObject<AccessEvent>> {
    // A door's log contains people of all companies, and the door system cannot filter it by company.
    if (context.principal.companies !== null)
      throw new HubError(
        'FORBIDDEN',
        "Access to the door's log denied: your token is limited to some companies. Use a token for all companies.",
      );
    const span = { from: time?.from ?? null, to: time?.to ?? null };
    const scope = cursorScope('door events', [door.id, span]);
    const request = parsePageArguments(args, context.cursors, scope);
    const after = request.position as [string, number] | null;
    const window = { forward: request.forward, limit: request.size + 1, after, ...span };
    const attempts = await door.source.attemptsByDoor(window).load(door.number);
    const page = toPage(
      request,
      attempts?.value ?? [],
      (attempt) => attempt.position,
      () => door.source.attemptCountByDoor(span).load(door.number),
    );
    const pageProvenance = attempts ? provenance(attempts.facts, context.clock) : door.provenance;
    return toConnection(
      page,
      context.cursors,
      scope,
      // The log of a door does not name the company.
      (attempt) => presentAccessEvent(sourced(attempt, attempts?.facts ?? door.provenance), null, context),
      pageProvenance,
    );
  }
}

@Resolver(() => AccessEvent)
class AccessEventResolver {
  @FieldResolver(() => Door, { nullable: true, description: 'Null if the log line names no door.' })
  door(@Root() { doorId }: AccessEvent, @Ctx() context: AccessContext): Promise<Door | null> | null {
    return doorId === null ? null : doorById(doorId, context);
  }

  @Directive(READ_BADGES)
  @FieldResolver(() => Badge, { nullable: true, description: 'Null if the card is unknown.' })
  badge(@Root() { badgeId }: AccessEvent, @Ctx() context: AccessContext): Promise<Badge | null> | null {
    return badgeId === null ? null : badgeById(badgeId, context);
  }
}

const rows: RowRules = {
  Building: ({ id }: Building, { parks }) => ({ park: parks.parkOfBuilding(id) }),
  Company: ({ uscc }: Company) => ({ company: uscc }),
  Door: ({ id }: Door, { parks }) => ({ park: parks.parkOfRecord(id) }),
  Badge: ({ id, company }: Badge, { parks }) => ({ park: parks.parkOfRecord(id), company: company?.uscc ?? null }),
  AccessEvent: ({ id, company }: AccessEvent, { parks }) => ({ park: parks.parkOfRecord(id), company }),
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
    Door: ({ id }: { id: string }, context: AccessContext) => doorById(id, context),
    Badge: ({ id }: { id: string }, context: AccessContext) => badgeById(id, context),
  },
};
