/** The loaders of one request to one installation. Keys loaded in the same tick are one call to the vendor. */
import type { Call } from '../../kit/call.ts';
import type { Sourced, Tx } from '../../kit/connector.ts';
import { SourceError } from '../../kit/errors.ts';
import { loader, memoizeByArguments } from '../../kit/loader.ts';
import { sourced } from '../../kit/provenance.ts';
import type { Services } from '../../kit/services.ts';
import * as mapping from '../mapping/index.ts';
import type { Grant, Lot, Permit, Session, VehicleKey } from '../model.ts';
import { claimsOf } from './contracts.ts';
import type { HolderSessions } from './holder-sessions.ts';
import type { Ingestion } from './ingestion.ts';
import type { ParkingApi, Query } from './parking-api.ts';
import type { Permits } from './permits.ts';
import type { IdentifiedVehicle, OccupancyBuckets, SessionSlice, Slice, SliceResult } from './result-types.ts';
import { currentHolders, isCurrentOrFuture, vehicleKey } from './vehicle-holders.ts';
import type { Vehicles } from './vehicles.ts';

/** Keys are sent in the URL, which vendors limit to 8 kB. */
const KEY_BATCH = { maxBatch: 200 };

export interface RequestDependencies {
  readonly services: Services;
  readonly api: ParkingApi;
  readonly vehicles: Vehicles;
  readonly sessions: HolderSessions;
  readonly ingestion: Ingestion;
  readonly permits: Permits;
}

export type ParkingRequest = ReturnType<typeof createRequest>;

/** Creates the loaders of one request. Loaders resolve with null for keys that the vendor does not know. */
export function createRequest(parts: RequestDependencies, call: Call) {
  const { services, api, vehicles, ingestion: inflow, permits: rights } = parts;
  const { guard, store, installation } = services;
  const read = <T>(work: (tx: Tx) => Promise<T>) => services.read(work, call);
  let allLots: Promise<Sourced<readonly Lot[]>> | undefined;
  const lots = () => {
    allLots ??= guard.read(call, { operation: 'places', key: '', type: 'ParkingLot' }, async (signal) =>
      api.getAll('/places', { expand: ['rightSpecifications', 'occupancy'] }, mapping.lot, signal),
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
    loader<Sourced<readonly T[] | null>>(
      (plates) =>
        guard.readMany(call, { operation, type, about: null }, plates, async (requested, signal) => {
          const credentials = { credential_class: 'VehicleCredential', credential_id: requested };
          const items = await api.getAll(path, { ...credentials, ...query }, item, signal);
          await vehicles.save(items);
          return new Map(requested.map((plate) => [plate, items.filter(({ vehicle }) => vehicle?.plate === plate)]));
        }),
      KEY_BATCH,
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
  const permitsOfHolders = loader<Sourced<readonly Permit[] | null>>(
    (holders) =>
      guard.readMany(
        call,
        { operation: 'permits of holders', type: 'ParkingPermit' },
        holders,
        async (requested, signal) => {
          const query = {
            credential_class: 'CustomerCredential',
            credential_id: requested,
            expand: 'plannedUses',
          };
          const items = await api.getAll('/rights/assigned', query, mapping.permit, signal);
          await vehicles.save(items);
          return new Map(requested.map((holder) => [holder, items.filter(({ company }) => company === holder)]));
        },
      ),
    KEY_BATCH,
  );
  const sessionsOfHolders = memoizeByArguments((slice: SessionSlice) =>
    loader<Sourced<SliceResult<Session>>>((holders) => parts.sessions.pages(call, holders, slice), KEY_BATCH),
  );
  const storedVehicles = loader<IdentifiedVehicle>((ids) => vehicles.findByIds(ids));
  const buckets = memoizeByArguments((range: { from: Date; to: Date; bucket: string }) =>
    loader<OccupancyBuckets>(async (lotIds) => {
      const rows = await read((tx) =>
        store.parking.occupancyBuckets(tx, installation.id, lotIds, { ...range, zone: installation.zone }),
      );
      return new Map(lotIds.map((lot) => [lot, rows.filter((row) => row.lot === lot)]));
    }),
  );
  const findLot = async (matches: (lot: Lot) => boolean): Promise<Sourced<Lot | null>> => {
    const all = await lots();
    return { ...all, value: all.value.find(matches) ?? null };
  };
  const openSessions = async (plate: string): Promise<Sourced<readonly Session[]> | null> => {
    const found = await sessionsOf.load(plate);
    return found && { ...found, value: (found.value ?? []).filter((session) => session.exitedAt === null) };
  };
  return {
    lots,
    lot: (id: string) => findLot((lot) => lot.id === id),
    /** The lot that offers this right specification. */
    lotOfPermit: (specification: string) => findLot((lot) => lot.specifications.some(({ id }) => id === specification)),
    /** Vehicles with a current or future permit of the company, without duplicates, in the vendor's order. */
    vehiclesOfHolder: async (uscc: string, slice: Slice): Promise<Sourced<SliceResult<IdentifiedVehicle>> | null> => {
      const found = await permitsOfHolders.load(uscc);
      if (!found) return null;
      const now = services.clock.now();
      const distinct = new Map(
        (found.value ?? []).flatMap(({ vehicle, ...permit }) =>
          vehicle && isCurrentOrFuture({ vehicle, ...permit }, now)
            ? [[vehicleKey(vehicle), { ...vehicle, id: vehicles.id(vehicle), company: uscc }] as const]
            : [],
        ),
      );
      const items = [...distinct.values()].slice(slice.offset, slice.offset + slice.size);
      return { ...found, value: { items, total: distinct.size, instant: null } };
    },
    sessionsOfHolder: (uscc: string, slice: SessionSlice) => sessionsOfHolders(slice).load(uscc),
    vehicle: (id: string) => storedVehicles.load(id),
    /** Provenance of the company that `vehicle` returns. */
    vehicleFacts: () => inflow.contractFacts(call),
    /**
     * Vehicles with this plate, one per colour: those in current vendor records and those stored before. Stale if the vendor is
     * down.
     */
    vehiclesByPlate: async (plate: string): Promise<Sourced<readonly IdentifiedVehicle[]>> => {
      const stored = await vehicles.findByPlate(plate);
      try {
        const [permits, sessions] = await Promise.all([permitsOf.load(plate), openSessions(plate)]);
        const rows = [...(sessions?.value ?? []), ...currentHolders(permits?.value ?? [], services.clock.now())];
        const current = vehicles.withIds(rows);
        const all = new Map([...stored, ...current].map((vehicle) => [vehicle.id, vehicle]));
        return sourced([...all.values()], permits?.facts ?? (await inflow.contractFacts(call)));
      } catch (error) {
        if (!(error instanceof SourceError) || stored.length === 0) throw error;
        return sourced(stored, { ...(await inflow.contractFacts(call)), stale: true });
      }
    },
    /** The newest open session of a vehicle; `value` is null if it is not parked. */
    session: async (vehicle: VehicleKey): Promise<Sourced<Session | null> | null> => {
      const found = await openSessions(vehicle.plate);
      const newest = (found?.value ?? [])
        .filter((session) => session.vehicle?.colour === vehicle.colour)
        .sort((a, b) => b.enteredAt.getTime() - a.enteredAt.getTime())[0];
      return found && { ...found, value: newest ?? null };
    },
    permits: async (vehicle: VehicleKey): Promise<Sourced<readonly Permit[]> | null> => {
      const found = await permitsOf.load(vehicle.plate);
      const value = (found?.value ?? []).filter((permit) => permit.vehicle?.colour === vehicle.colour);
      return found && { ...found, value };
    },
    history: (lot: string, range: { from: Date; to: Date; bucket: string }) => buckets(range).load(lot),
    historyFacts: () => inflow.historyFacts(call),
    /** Observations before this time were deleted by retention; null if none were. */
    droppedBefore: () => read((tx) => store.parking.droppedBefore(tx, 'occupancy')),
    vehicleId: (vehicle: VehicleKey) => vehicles.id(vehicle),
    grant: (clientMutationId: string, grant: Grant): Promise<Sourced<Permit>> =>
      rights.grant(call, clientMutationId, grant, async () => (await lots()).value),
    /** Claims the vehicle of a permit, and the company if it is given: the next poll of contracts may be minutes away. */
    claim: (vehicle: VehicleKey | null, company: string | null): Promise<void> =>
      services.transaction((tx) => services.identify(tx, claimsOf([{ vehicle, company }], vehicles))),
    revoke: (clientMutationId: string, permit: string, reason: string | null): Promise<Sourced<Permit>> =>
      rights.revoke(call, clientMutationId, permit, reason),
  };
}
