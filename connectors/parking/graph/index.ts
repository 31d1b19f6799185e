/** Resolvers of the parking subgraph: they call a loader and present the result. */
import { Arg, Args, Ctx, Directive, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import { bucketCount } from '../../../schema/graph/bucket-sizes.ts';
import { BUCKET_SERIES, LIST_SIZE, requiresScopes } from '../../../schema/graph/directives.ts';
import { DateTime, Plate } from '../../../schema/graph/scalars.ts';
import { BucketSize, PageArgs, TimeRange } from '../../../schema/graph/shared.ts';
import { mayUnmask } from '../../kit/auth/principal.ts';
import { type Owner, PART, type RowRules } from '../../kit/auth/row-rights.ts';
import type { Graph } from '../../kit/connector.ts';
import { cursorScope } from '../../kit/cursor.ts';
import { badInput, HubError } from '../../kit/errors.ts';
import { provenance } from '../../kit/provenance.ts';
import type { Context, ParkingInstallation } from './present.ts';
import * as present from './present.ts';
import * as types from './types.ts';
import { readFromAll, vendorPage } from './vendor-pages.ts';

/** Maximum buckets of one series: more than a year of quarter-hours. */
const MAX_BUCKETS = 40_000;

type PresentedVehicle = ReturnType<typeof present.vehicle>;

async function lotOf(id: string, context: Context) {
  const owner = context.installations.byGlobalId(id);
  return owner ? present.lotOrNull(await owner.source.lot(owner.local), owner, context) : null;
}

/** The vehicle from the installations that have it stored, preferring one that knows its company. */
async function vehicleOf(id: string, context: Context): Promise<PresentedVehicle | null> {
  const found = await readFromAll(context.installations.all(), async (at) => {
    const vehicle = await at.source.vehicle(id);
    return vehicle && { vehicle, facts: await at.source.vehicleFacts() };
  });
  const matches = found.flatMap(({ at, value }) => (value === null ? [] : [{ at, ...value }]));
  const best = matches.find(({ vehicle }) => vehicle.company !== null) ?? matches[0];
  return best ? present.vehicle(best.vehicle, best.at, best.facts, context) : null;
}

/** The installations that know the vehicle. The one that returned it knows it, even if it has not claimed it yet. */
async function installationsOf(vehicle: PresentedVehicle, context: Context): Promise<readonly ParkingInstallation[]> {
  const { asked } = await context.installations.knowing('VEHICLE', vehicle.id);
  return asked.some(({ id }) => id === vehicle.at.id) ? asked : [...asked, vehicle.at];
}

const byPlate = (): HubError =>
  new HubError('FORBIDDEN', 'Looking up a vehicle by plate requires the scope parking:plates. Query by id instead.');

@Resolver(() => types.Park)
class ParkResolver {
  @FieldResolver(() => [types.ParkingLot], { nullable: true, description: 'parking' })
  async lots(@Root() park: { id: string }, @Ctx() context: Context) {
    const all = await readFromAll(context.installations.all(park.id), (at) => at.source.lots());
    return all.flatMap(({ at, value }) => value.value.map((row) => present.lot(row, at, value.facts, context)));
  }
}

@Resolver(() => types.ParkingLot)
class LotResolver {
  @Query(() => types.ParkingLot, {
    nullable: true,
    description: 'A car park by id; null if no parking installation issued the id.',
  })
  parkingLot(@Arg('id', () => ID, { description: 'Global id.' }) id: string, @Ctx() context: Context) {
    return lotOf(id, context);
  }

  @Directive(BUCKET_SERIES)
  @FieldResolver(() => types.OccupancySeries, {
    nullable: true,
    description: 'Occupancy history, from the mirrored observations.',
  })
  async history(
    @Root() parkingLot: { id: string },
    @Arg('from', () => DateTime, { description: 'Start, inclusive.' }) from: Date,
    @Arg('to', () => DateTime, { description: 'End, exclusive.' }) to: Date,
    @Arg('bucket', () => BucketSize, { defaultValue: BucketSize.HOUR, description: 'Width of a bucket.' })
    bucket: BucketSize,
    @Ctx() context: Context,
  ) {
    const owner = context.installations.byGlobalId(parkingLot.id);
    if (!owner) return null;
    if (to <= from) throw badInput('to must be later than from.');
    if (bucketCount(from, to, bucket) > MAX_BUCKETS)
      throw badInput(
        `Too many buckets: at most ${MAX_BUCKETS} per series. Request wider buckets or a shorter time range.`,
      );
    const [buckets, facts] = await Promise.all([
      owner.source.history(owner.local, { from, to, bucket }),
      owner.source.historyFacts(),
    ]);
    // Read after the buckets: rows dropped in between are reported as dropped although still counted, never the reverse.
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
      company.uscc,
      args,
      cursorScope('vehicles', company.uscc),
      (at, slice) => at.source.vehiclesOfHolder(company.uscc, slice),
      (row, at, facts) => present.vehicle(row, at, facts, context),
    );
  }

  @Directive(requiresScopes('parking:read'))
  @Directive(LIST_SIZE)
  @FieldResolver(() => types.ParkingSessionConnection, { nullable: true, description: 'parking' })
  parkingSessions(
    @Root() company: { uscc: string },
    @Args(() => PageArgs) args: PageArgs,
    @Arg('time', () => TimeRange, { nullable: true, description: 'Limits the sessions by time of entry.' })
    time: TimeRange | null,
    @Ctx() context: Context,
  ) {
    const range = { from: time?.from ?? null, to: time?.to ?? null };
    return vendorPage(
      context,
      company.uscc,
      args,
      cursorScope('sessions', [company.uscc, range]),
      (at, slice) => at.source.sessionsOfHolder(company.uscc, { ...slice, ...range }),
      (row, at, facts) => present.session(row, at, facts, context),
    );
  }
}

@Resolver(() => types.Vehicle)
class VehicleResolver {
  @Directive(requiresScopes('parking:read'))
  @Query(() => types.Vehicle, {
    nullable: true,
    description:
      'A vehicle by id, or by plate and colour. Colour may be omitted if only one colour of the plate is known.',
  })
  async vehicle(
    @Arg('id', () => ID, { nullable: true, description: 'Opaque id.' }) id: string | null,
    @Arg('plate', () => Plate, { nullable: true, description: 'Text of the plate.' }) plate: string | null,
    @Arg('colour', () => types.PlateColour, { nullable: true, description: 'Colour of the plate.' })
    colour: types.PlateColour | null,
    @Ctx() context: Context,
  ) {
    if ((id == null) === (plate == null)) throw badInput('Expected either id or plate. Pass exactly one of them.');
    if (id != null) return vehicleOf(id, context);
    // Otherwise a caller without this scope could find the plate of a masked vehicle by trying plates.
    if (!mayUnmask(context.principal, 'Vehicle.plate')) throw byPlate();
    const found = await readFromAll(context.installations.all(), (at) => at.source.vehiclesByPlate(plate as string));
    const all = found
      .flatMap(({ at, value: { value, facts } }) => value.map((row) => ({ at, row, facts })))
      .filter(({ row }) => colour == null || row.colour === colour);
    if (new Set(all.map(({ row }) => row.colour)).size > 1)
      throw badInput('Ambiguous plate: vehicles of several colours have it. Pass colour as well.');
    const best = all.find(({ row }) => row.company !== null) ?? all[0];
    return best ? present.vehicle(best.row, best.at, best.facts, context) : null;
  }

  @FieldResolver(() => types.ParkingSession, {
    nullable: true,
    description: 'The newest open session; null if the vehicle is not parked.',
  })
  async session(@Root() vehicle: PresentedVehicle, @Ctx() context: Context) {
    const found = await readFromAll(await installationsOf(vehicle, context), (at) => at.source.session(vehicle.key));
    const open = found.flatMap(({ at, value }) =>
      value?.value ? [{ at, session: value.value, facts: value.facts }] : [],
    );
    const newest = open.sort((a, b) => b.session.enteredAt.getTime() - a.session.enteredAt.getTime())[0];
    return newest ? present.session(newest.session, newest.at, newest.facts, context) : null;
  }

  @FieldResolver(() => [types.ParkingPermit], {
    nullable: true,
    description: 'All its parking permits, including expired and revoked ones.',
  })
  async permits(@Root() vehicle: PresentedVehicle, @Ctx() context: Context) {
    const found = await readFromAll(await installationsOf(vehicle, context), (at) => at.source.permits(vehicle.key));
    return found.flatMap(({ at, value }) =>
      value === null ? [] : value.value.map((row) => present.permit(row, at, value.facts, context)),
    );
  }
}

@Resolver(() => types.ParkingSession)
class SessionResolver {
  @FieldResolver(() => types.ParkingLot, { nullable: true, description: 'The car park.' })
  lot(@Root() session: { lotId: string | null }, @Ctx() context: Context) {
    return session.lotId === null ? null : lotOf(session.lotId, context);
  }
}

@Resolver(() => types.ParkingPermit)
class PermitResolver {
  @FieldResolver(() => types.ParkingLot, { nullable: true, description: 'The car park.' })
  async lot(@Root() permit: { at: ParkingInstallation; specification: string }, @Ctx() context: Context) {
    return present.lotOrNull(await permit.at.source.lotOfPermit(permit.specification), permit.at, context);
  }

  @Directive(requiresScopes('permits:write'))
  @Mutation(() => types.GrantParkingPermitPayload, { nullable: true, description: 'parking' })
  async grantParkingPermit(
    @Arg('input', () => types.GrantParkingPermitInput, { description: 'The permit to create.' })
    input: types.GrantParkingPermitInput,
    @Ctx() context: Context,
  ) {
    const owner = context.installations.byGlobalId(input.lot);
    if (!owner) throw badInput('Unknown lot: no parking installation issued this id. Use an id from Park.lots.');
    context.rows.assertMayActFor(input.uscc ?? null);
    if (input.validTo != null && input.validTo <= input.validFrom)
      throw badInput('validTo must be later than validFrom.');
    const granted = await owner.source.grant(input.clientMutationId, {
      lot: owner.local,
      plate: input.plate,
      colour: input.colour,
      uscc: input.uscc ?? null,
      validFrom: input.validFrom,
      validTo: input.validTo ?? null,
    });
    // A company that is not known in the caller's parks does not become visible there by a permit that the caller creates.
    const isVisible = await context.rows.maySee({ company: input.uscc ?? null });
    await owner.source.claim(granted.value.vehicle, isVisible ? granted.value.company : null);
    const permit = present.permit(granted.value, owner, granted.facts, context);
    return {
      clientMutationId: input.clientMutationId,
      // The plate came from the caller: returning the vehicle would reveal its company, as looking up by plate would.
      permit: mayUnmask(context.principal, 'Vehicle.plate') ? permit : { ...permit, vehicle: byPlate() },
      provenance: provenance(granted.facts, context.clock),
    };
  }

  @Directive(requiresScopes('permits:write'))
  @Mutation(() => types.RevokeParkingPermitPayload, { nullable: true, description: 'parking' })
  async revokeParkingPermit(
    @Arg('input', () => types.RevokeParkingPermitInput, { description: 'The permit to revoke.' })
    input: types.RevokeParkingPermitInput,
    @Ctx() context: Context,
  ) {
    const owner = context.installations.byGlobalId(input.permit);
    if (!owner)
      throw badInput('Unknown permit: no parking installation issued this id. Use the id of a ParkingPermit.');
    if (context.principal.companies !== null)
      throw new HubError('FORBIDDEN', 'Revoking permits requires access to all companies.');
    const revoked = await owner.source.revoke(input.clientMutationId, owner.local, input.reason ?? null);
    return {
      clientMutationId: input.clientMutationId,
      permit: present.permit(revoked.value, owner, revoked.facts, context),
      provenance: provenance(revoked.facts, context.clock),
    };
  }
}

const owned = ({ owner }: { owner: Owner }): Owner => owner;
const rows: RowRules = {
  Park: ({ id }: { id: string }) => ({ park: id }),
  Company: ({ uscc }: { uscc: string }) => ({ company: uscc }),
  Vehicle: owned,
  ParkingLot: ({ id }: { id: string }, { parks }) => ({ park: parks.parkOfRecord(id) }),
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
