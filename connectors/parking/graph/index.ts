/** Parking's part of the graph: thin resolvers that ask a loader and show the answer. */
import { Arg, Args, Ctx, Directive, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import { LIST_SIZE, requiresScopes } from '../../../schema/graph/directives.ts';
import { DateTime, Plate } from '../../../schema/graph/scalars.ts';
import { BucketSize, PageArgs, TimeRange } from '../../../schema/graph/shared.ts';
import { unmasked } from '../../kit/auth/principal.ts';
import type { Graph } from '../../kit/connector.ts';
import { badInput, HubError } from '../../kit/errors.ts';
import { scopeOf } from '../../kit/pagination.ts';
import { provenance } from '../../kit/provenance.ts';
import { type Owner, PART, type RowRules } from '../../kit/row-rights.ts';
import { fromAll, vendorPage } from './pages.ts';
import type { At, Context } from './present.ts';
import * as show from './present.ts';
import * as types from './types.ts';

/** More than a year of quarters of an hour. */
const MOST_BUCKETS = 40_000;
const MINUTES: Readonly<Record<BucketSize, number>> = {
  QUARTER_HOUR: 15,
  HOUR: 60,
  DAY: 1_440,
  MONTH: 43_200,
  YEAR: 525_600,
};

type ShownVehicle = ReturnType<typeof show.vehicle>;

async function lotOf(id: string, context: Context) {
  const owner = context.installations.owner(id);
  return owner ? show.knownLot(await owner.source.lot(owner.local), owner, context) : null;
}

/** The vehicle as the installations know it; the one that knows its company speaks. */
async function vehicleOf(id: string, context: Context): Promise<ShownVehicle | null> {
  const found = await fromAll(context.installations.all(), async (at) => {
    const vehicle = await at.source.vehicle(id);
    return vehicle && { vehicle, facts: await at.source.vehicleFacts() };
  });
  const known = found.flatMap(({ at, value }) => (value === null ? [] : [{ at, ...value }]));
  const best = known.find(({ vehicle }) => vehicle.company !== null) ?? known[0];
  return best ? show.vehicle(best.vehicle, best.at, best.facts, context) : null;
}

const byPlate = (): HubError =>
  new HubError('FORBIDDEN', 'A vehicle by its plate needs the right parking:plates; ask by id.');

@Resolver(() => types.Park)
class ParkResolver {
  @FieldResolver(() => [types.ParkingLot], { nullable: true, description: 'parking' })
  async lots(@Root() park: { id: string }, @Ctx() context: Context) {
    const all = await fromAll(context.installations.all(park.id), (at) => at.source.lots());
    return all.flatMap(({ at, value }) => value.value.map((one) => show.lot(one, at, value.facts, context)));
  }
}

@Resolver(() => types.ParkingLot)
class LotResolver {
  @Query(() => types.ParkingLot, { nullable: true, description: 'Null when no parking system made the id.' })
  parkingLot(@Arg('id', () => ID, { description: 'Global id.' }) id: string, @Ctx() context: Context) {
    return lotOf(id, context);
  }

  @FieldResolver(() => types.OccupancySeries, { nullable: true, description: 'From the mirrored observations.' })
  async history(
    @Root() one: { id: string },
    @Arg('from', () => DateTime, { description: 'Inclusive.' }) from: Date,
    @Arg('to', () => DateTime, { description: 'Exclusive.' }) to: Date,
    @Arg('bucket', () => BucketSize, { defaultValue: BucketSize.HOUR, description: 'Width of a bucket.' })
    bucket: BucketSize,
    @Ctx() context: Context,
  ) {
    const owner = context.installations.owner(one.id);
    if (!owner) return null;
    const minutes = (to.getTime() - from.getTime()) / 60_000;
    if (minutes <= 0) throw badInput('to must be later than from.');
    if (minutes / MINUTES[bucket] > MOST_BUCKETS)
      throw badInput(`This series would have more than ${MOST_BUCKETS} buckets: take wider ones or a shorter time.`);
    const [buckets, facts] = await Promise.all([
      owner.source.history(owner.local, { from, to, bucket }),
      owner.source.historyFacts(),
    ]);
    // Asked after the buckets: what is dropped meanwhile is said of buckets that had it, never the other way round.
    const dropped = await owner.source.droppedBefore();
    const droppedBefore = dropped !== null && from < dropped ? dropped : null;
    return { buckets: buckets ?? [], droppedBefore, provenance: provenance(facts, context.clock) };
  }
}

@Resolver(() => types.Company)
class CompanyResolver {
  @Directive(requiresScopes('parking:read'))
  @Directive(LIST_SIZE)
  @FieldResolver(() => types.VehicleConnection, { nullable: true, description: 'parking' })
  vehicles(@Root() company: { uscc: string }, @Args(() => PageArgs) args: PageArgs, @Ctx() context: Context) {
    return vendorPage(
      context,
      args,
      scopeOf('vehicles', company.uscc),
      (at, slice) => at.source.vehiclesOfHolder(company.uscc, slice),
      (row, at, facts) => show.vehicle(row, at, facts, context),
    );
  }

  @Directive(requiresScopes('parking:read'))
  @Directive(LIST_SIZE)
  @FieldResolver(() => types.ParkingSessionConnection, { nullable: true, description: 'parking' })
  parkingSessions(
    @Root() company: { uscc: string },
    @Args(() => PageArgs) args: PageArgs,
    @Arg('time', () => TimeRange, { nullable: true, description: 'By when they began.' }) time: TimeRange | null,
    @Ctx() context: Context,
  ) {
    const range = { from: time?.from ?? null, to: time?.to ?? null };
    return vendorPage(
      context,
      args,
      scopeOf('sessions', [company.uscc, range]),
      (at, slice) => at.source.sessionsOfHolder(company.uscc, { ...slice, ...range }),
      (row, at, facts) => show.session(row, at, facts, context),
    );
  }
}

@Resolver(() => types.Vehicle)
class VehicleResolver {
  @Directive(requiresScopes('parking:read'))
  @Query(() => types.Vehicle, {
    nullable: true,
    description: 'By id, or by plate and colour; a plate alone only if one colour of it is known.',
  })
  async vehicle(
    @Arg('id', () => ID, { nullable: true, description: 'Opaque id.' }) id: string | null,
    @Arg('plate', () => Plate, { nullable: true, description: 'Its text.' }) plate: string | null,
    @Arg('colour', () => types.PlateColour, { nullable: true, description: 'Its colour.' })
    colour: types.PlateColour | null,
    @Ctx() context: Context,
  ) {
    if ((id == null) === (plate == null)) throw badInput('Give id, or plate and colour.');
    if (id != null) return vehicleOf(id, context);
    // Who may not read plates could otherwise try them one by one until the id of a masked vehicle comes back.
    if (!unmasked(context.principal, 'Vehicle.plate')) throw byPlate();
    const found = await fromAll(context.installations.all(), (at) => at.source.vehiclesByPlate(plate as string));
    const all = found
      .flatMap(({ at, value: { value, facts } }) => value.map((one) => ({ at, one, facts })))
      .filter(({ one }) => colour == null || one.colour === colour);
    if (new Set(all.map(({ one }) => one.colour)).size > 1)
      throw badInput('Several colours of this plate are known: give colour.');
    const best = all.find(({ one }) => one.company !== null) ?? all[0];
    return best ? show.vehicle(best.one, best.at, best.facts, context) : null;
  }

  @FieldResolver(() => types.ParkingSession, {
    nullable: true,
    description: 'The newest open session, null when it is not parked.',
  })
  async session(@Root() one: ShownVehicle, @Ctx() context: Context) {
    const found = await fromAll(context.installations.all(), (at) => at.source.session(one.key));
    const open = found.flatMap(({ at, value }) =>
      value?.value ? [{ at, session: value.value, facts: value.facts }] : [],
    );
    const newest = open.sort((a, b) => b.session.enteredAt.getTime() - a.session.enteredAt.getTime())[0];
    return newest ? show.session(newest.session, newest.at, newest.facts, context) : null;
  }

  @FieldResolver(() => [types.ParkingPermit], { nullable: true, description: 'Its rights to park, also past ones.' })
  async permits(@Root() one: ShownVehicle, @Ctx() context: Context) {
    const found = await fromAll(context.installations.all(), (at) => at.source.permits(one.key));
    return found.flatMap(({ at, value }) =>
      value === null ? [] : value.value.map((row) => show.permit(row, at, value.facts, context)),
    );
  }
}

@Resolver(() => types.ParkingSession)
class SessionResolver {
  @FieldResolver(() => types.ParkingLot, { nullable: true, description: 'Where.' })
  lot(@Root() one: { lotId: string | null }, @Ctx() context: Context) {
    return one.lotId === null ? null : lotOf(one.lotId, context);
  }
}

@Resolver(() => types.ParkingPermit)
class PermitResolver {
  @FieldResolver(() => types.ParkingLot, { nullable: true, description: 'Where.' })
  async lot(@Root() one: { at: At; specification: string }, @Ctx() context: Context) {
    return show.knownLot(await one.at.source.lotOfPermit(one.specification), one.at, context);
  }

  @Directive(requiresScopes('permits:write'))
  @Mutation(() => types.GrantParkingPermitPayload, { nullable: true, description: 'parking' })
  async grantParkingPermit(
    @Arg('input', () => types.GrantParkingPermitInput, { description: 'What to grant.' })
    input: types.GrantParkingPermitInput,
    @Ctx() context: Context,
  ) {
    const owner = context.installations.owner(input.lot);
    if (!owner) throw badInput('lot is no car park of this hub.');
    context.rows.mustActFor(input.uscc ?? null);
    if (input.validTo != null && input.validTo <= input.validFrom)
      throw badInput('validTo must be later than validFrom.');
    const known = await owner.source.grant(input.clientMutationId, {
      lot: owner.local,
      plate: input.plate,
      colour: input.colour,
      uscc: input.uscc ?? null,
      validFrom: input.validFrom,
      validTo: input.validTo ?? null,
    });
    const permit = show.permit(known.value, owner, known.facts, context);
    return {
      clientMutationId: input.clientMutationId,
      // The plate came from the caller: what it is known by here would answer who drives it, and asking by plate needs the same right.
      permit: unmasked(context.principal, 'Vehicle.plate') ? permit : { ...permit, vehicle: byPlate() },
      provenance: provenance(known.facts, context.clock),
    };
  }

  @Directive(requiresScopes('permits:write'))
  @Mutation(() => types.RevokeParkingPermitPayload, { nullable: true, description: 'parking' })
  async revokeParkingPermit(
    @Arg('input', () => types.RevokeParkingPermitInput, { description: 'What to end.' })
    input: types.RevokeParkingPermitInput,
    @Ctx() context: Context,
  ) {
    const owner = context.installations.owner(input.permit);
    if (!owner) throw badInput('permit is no permit of this hub.');
    if (context.principal.companies !== null)
      throw new HubError('FORBIDDEN', 'Permits are taken back by who may see all companies.');
    const known = await owner.source.revoke(input.clientMutationId, owner.local, input.reason ?? null);
    return {
      clientMutationId: input.clientMutationId,
      permit: show.permit(known.value, owner, known.facts, context),
      provenance: provenance(known.facts, context.clock),
    };
  }
}

const owned = ({ owner }: { owner: Owner }): Owner => owner;
const rows: RowRules = {
  Park: ({ id }: { id: string }) => ({ park: id }),
  Company: ({ uscc }: { uscc: string }) => ({ company: uscc }),
  Vehicle: owned,
  ParkingLot: ({ id }: { id: string }, { parks }) => ({ park: parks.ofRecord(id) }),
  ParkingSession: owned,
  ParkingPermit: owned,
  OccupancySeries: PART,
  OccupancyBucket: PART,
  GrantParkingPermitPayload: PART,
  RevokeParkingPermitPayload: PART,
};

export const graph: Graph = {
  rows,
  resolvers: [ParkResolver, LotResolver, CompanyResolver, VehicleResolver, SessionResolver, PermitResolver],
  types: [types.Park, types.Company],
  references: {
    ParkingLot: ({ id }: { id: string }, context: Context) => lotOf(id, context),
    Vehicle: ({ id }: { id: string }, context: Context) => vehicleOf(id, context),
  },
};
