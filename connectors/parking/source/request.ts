/** What resolvers ask of one installation during one request: what is asked in one tick is one call to the vendor. */
import type { Call, Known, Services } from '../../kit/connector.ts';
import { SourceError } from '../../kit/errors.ts';
import { byArguments, loader } from '../../kit/loader.ts';
import { withFacts } from '../../kit/provenance.ts';
import * as mapping from '../mapping/index.ts';
import type { Grant, Lot, Permit, Session, VehicleKey } from '../model.ts';
import type { IdentifiedVehicle, OccupancyBuckets, SessionSlice, Slice, Sliced } from './answers.ts';
import type { HolderSessions } from './holder-sessions.ts';
import { holds, newestHolders, plateKey } from './holders.ts';
import type { ParkingApi, Query } from './http.ts';
import type { Inflow } from './inflow.ts';
import type { Permits } from './permits.ts';
import type { Vehicles } from './vehicles.ts';

/** The park's calendar. */
const ZONE = 'Asia/Shanghai';
/** Keys in one question: they stand in the address, which vendors cut off at 8 kB. */
const KEYS = { maxBatch: 200 };

export interface RequestParts {
  readonly services: Services;
  readonly api: ParkingApi;
  readonly vehicles: Vehicles;
  readonly sessions: HolderSessions;
  readonly inflow: Inflow;
  readonly permits: Permits;
}

export type ParkingRequest = ReturnType<typeof requestOf>;

/** Loaders for one request. */
export function requestOf(parts: RequestParts, call: Call) {
  const { services, api, vehicles, inflow, permits: rights } = parts;
  const { guard, store, read, installation } = services;
  let allLots: Promise<Known<readonly Lot[]>> | undefined;
  const lots = () => {
    allLots ??= guard.read(call, { operation: 'places', key: '', type: 'ParkingLot' }, async (signal) =>
      api.all('/places', { expand: ['rightSpecifications', 'occupancy'] }, mapping.lot, signal),
    );
    return allLots;
  };
  const ofPlates = <T extends { id: string; vehicle: VehicleKey | null; company: string | null }>(
    operation: string,
    path: string,
    item: (raw: unknown, where: string) => T,
    query: Query,
    type: string,
  ) =>
    loader<Known<readonly T[] | null>>(
      (plates) =>
        guard.readMany(call, { operation, type, about: null }, plates, async (wanted, signal) => {
          const credentials = { credential_class: 'VehicleCredential', credential_id: wanted };
          const items = await api.all(path, { ...credentials, ...query }, item, signal);
          await vehicles.remember(items);
          return new Map(wanted.map((one) => [one, items.filter(({ vehicle }) => vehicle?.plate === one)]));
        }),
      KEYS,
    );
  const sessionsOf = ofPlates(
    'open sessions',
    '/sessions',
    mapping.session,
    { open: 'true', expand: ['credentials', 'segments'] },
    'ParkingSession',
  );
  const permitsOf = ofPlates(
    'permits of vehicles',
    '/rights/assigned',
    mapping.permit,
    { expand: 'plannedUses' },
    'ParkingPermit',
  );
  const permitsOfHolders = loader<Known<readonly Permit[] | null>>(
    (holders) =>
      guard.readMany(
        call,
        { operation: 'permits of holders', type: 'ParkingPermit' },
        holders,
        async (wanted, signal) => {
          const query = {
            credential_class: 'CustomerCredential',
            credential_id: wanted,
            expand: 'plannedUses',
          };
          const items = await api.all('/rights/assigned', query, mapping.permit, signal);
          await vehicles.remember(items);
          return new Map(wanted.map((holder) => [holder, items.filter(({ company }) => company === holder)]));
        },
      ),
    KEYS,
  );
  const sessionsOfHolders = byArguments((slice: SessionSlice) =>
    loader<Known<Sliced<Session>>>((holders) => parts.sessions.pages(call, holders, slice), KEYS),
  );
  const known = loader<IdentifiedVehicle>((ids) => vehicles.byIds(ids));
  const buckets = byArguments((range: { from: Date; to: Date; bucket: string }) =>
    loader<OccupancyBuckets>(async (wanted) => {
      const rows = await read((tx) =>
        store.parking.occupancyBuckets(tx, installation.id, wanted, { ...range, zone: ZONE }),
      );
      return new Map(wanted.map((lot) => [lot, rows.filter((row) => row.lot === lot)]));
    }),
  );
  const one = async (which: (lot: Lot) => boolean): Promise<Known<Lot | null>> => {
    const all = await lots();
    return { ...all, value: all.value.find(which) ?? null };
  };
  const openSessions = async (plate: string): Promise<Known<readonly Session[]> | null> => {
    const found = await sessionsOf.load(plate);
    return found && { ...found, value: (found.value ?? []).filter((session) => session.exitedAt === null) };
  };
  return {
    lots,
    lot: (id: string) => one((lot) => lot.id === id),
    /** The lot for which rights of this kind are granted. */
    lotOfPermit: (specification: string) => one((lot) => lot.specifications.some((each) => each.id === specification)),
    /** Vehicles for which the company holds a right now or later, each once, in the vendor's order. */
    vehiclesOfHolder: async (uscc: string, slice: Slice): Promise<Known<Sliced<IdentifiedVehicle>> | null> => {
      const found = await permitsOfHolders.load(uscc);
      if (!found) return null;
      const now = services.clock.now();
      const distinct = new Map(
        (found.value ?? []).flatMap(({ vehicle, ...permit }) =>
          vehicle && holds({ vehicle, ...permit }, now)
            ? [[plateKey(vehicle), { ...vehicle, id: vehicles.id(vehicle), company: uscc }] as const]
            : [],
        ),
      );
      const items = [...distinct.values()].slice(slice.offset, slice.offset + slice.size);
      return { ...found, value: { items, total: distinct.size, instant: null } };
    },
    sessionsOfHolder: (uscc: string, slice: SessionSlice) => sessionsOfHolders(slice).load(uscc),
    vehicle: (id: string) => known.load(id),
    /** How fresh is what `vehicle` says of the company. */
    vehicleFacts: () => inflow.contractFacts(call),
    /** All colours of a plate: those that the vendor names now, and those that it has named before. */
    vehiclesByPlate: async (text: string): Promise<Known<readonly IdentifiedVehicle[]>> => {
      const before = await vehicles.byPlate(text);
      try {
        const [permits, sessions] = await Promise.all([permitsOf.load(text), openSessions(text)]);
        const rows = [...(sessions?.value ?? []), ...newestHolders(permits?.value ?? [], services.clock.now())];
        const now = vehicles.named(rows);
        const all = new Map([...before, ...now].map((each) => [each.id, each]));
        return withFacts([...all.values()], permits?.facts ?? (await inflow.contractFacts(call)));
      } catch (error) {
        if (!(error instanceof SourceError) || before.length === 0) throw error;
        return withFacts(before, { ...(await inflow.contractFacts(call)), stale: true });
      }
    },
    /** The newest open session of a vehicle; `value` null when it is not parked. */
    session: async (vehicle: VehicleKey): Promise<Known<Session | null> | null> => {
      const found = await openSessions(vehicle.plate);
      const newest = (found?.value ?? [])
        .filter((session) => session.vehicle?.colour === vehicle.colour)
        .sort((a, b) => b.enteredAt.getTime() - a.enteredAt.getTime())[0];
      return found && { ...found, value: newest ?? null };
    },
    permits: async (vehicle: VehicleKey): Promise<Known<readonly Permit[]> | null> => {
      const found = await permitsOf.load(vehicle.plate);
      const value = (found?.value ?? []).filter((permit) => permit.vehicle?.colour === vehicle.colour);
      return found && { ...found, value };
    },
    history: (lot: string, range: { from: Date; to: Date; bucket: string }) => buckets(range).load(lot),
    historyFacts: () => inflow.historyFacts(call),
    /** The time before which observations are past retention and gone; null: none are. */
    droppedBefore: () => read((tx) => store.parking.droppedBefore(tx, 'occupancy')),
    vehicleId: (vehicle: VehicleKey) => vehicles.id(vehicle),
    grant: (clientMutationId: string, grant: Grant): Promise<Known<Permit>> =>
      rights.grant(call, clientMutationId, grant, async () => (await lots()).value),
    revoke: (clientMutationId: string, permit: string, reason: string | null): Promise<Known<Permit>> =>
      rights.revoke(call, clientMutationId, permit, reason),
  };
}
