/** The only room that talks to the parking vendor; speaks our model outward. */
import type { Call, Drift, Job, Known, Services, WebhookAnswer, WebhookRequest } from '../../kit/connector.ts';
import { SourceError } from '../../kit/errors.ts';
import { withFacts } from '../../kit/facts.ts';
import { byArguments, loader } from '../../kit/loader.ts';
import type { Values } from '../../kit/settings.ts';
import * as mapping from '../mapping/index.ts';
import type { Grant, Lot, Permit, PlateColour, Session, VehicleKey } from '../model.ts';
import type { parkingSettings } from '../settings.ts';
import { holds, newestHolders, plateKey } from './holders.ts';
import { ParkingApi, type Query } from './http.ts';
import { Inflow } from './inflow.ts';
import { Permits } from './permits.ts';

export type ParkingSettings = Values<typeof parkingSettings>;

/** A vehicle with the id under which the graph knows it. */
export interface IdentifiedVehicle extends VehicleKey {
  readonly id: string;
  readonly company: string | null;
}

/** Slice of a list. */
export interface Slice {
  readonly offset: number;
  readonly size: number;
  /** The vendor's instant of the list's first page; null for the first page itself. */
  readonly instant: number | null;
}

/** Slice of sessions by when they began. */
export interface SessionSlice extends Slice {
  readonly from: Date | null;
  readonly to: Date | null;
}

/** Rows of a slice, and how many the whole list has. */
export interface Sliced<T> {
  readonly items: readonly T[];
  readonly total: number;
  readonly instant: number | null;
}

/** Buckets of one lot. */
export type OccupancyBuckets = readonly {
  readonly start: Date;
  readonly mean: string | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly flagged: number;
}[];

/** The park's calendar. */
const ZONE = 'Asia/Shanghai';
/** Keys in one question: they stand in the address, which vendors cut off at 8 kB. */
const KEYS = { maxBatch: 200 };
/** Records of each kind that are looked at for drift, and how young they are where many come, in milliseconds. */
const COMPARED = 20;
const RECENT = 86_400_000;

export type ParkingRequest = ReturnType<ParkingSource['request']>;

export class ParkingSource {
  readonly #services: Services;
  readonly #api: ParkingApi;
  readonly #inflow: Inflow;
  readonly #permits: Permits;
  /** Whether the vendor answers a page for each holder when asked for several; found out by asking. */
  #groups = true;

  constructor(settings: ParkingSettings, services: Services) {
    this.#services = services;
    this.#api = new ParkingApi(settings.url, settings.token);
    this.#inflow = new Inflow(settings, services, this.#api, (vehicle) => this.vehicleId(vehicle));
    this.#permits = new Permits(services, this.#api, (all) => this.#remember(all));
  }

  /** One cheap question. */
  async check(call: Call): Promise<void> {
    await this.#services.guard.read(call, { operation: 'check', retry: false }, (signal) =>
      this.#api.get('/places', { page_size: 1 }, signal),
    );
  }

  /** What the vendor's records lack; those of the last day where many come. */
  async drift(call: Call): Promise<readonly Drift[]> {
    const found: Drift[] = [];
    for (const one of mapping.EXPECTED) {
      const query: Query = { expand: one.expand, page_size: COMPARED };
      const recent = mapping.secondOf(new Date(this.#services.clock.now().getTime() - RECENT));
      const { value } = await this.#services.guard.read(call, { operation: 'check', retry: false }, (signal) =>
        this.#api.get(one.path, one.since === null ? query : { ...query, [one.since]: recent }, signal),
      );
      found.push(...mapping.driftOf(value, one));
    }
    return found;
  }

  get jobs(): readonly Job[] {
    return this.#inflow.jobs;
  }

  webhook(request: WebhookRequest): Promise<WebhookAnswer> {
    return this.#inflow.webhook(request);
  }

  lag(): number | null {
    return this.#inflow.lag();
  }

  close(): Promise<void> {
    return this.#api.close();
  }

  /** Opaque id of a vehicle: a keyed hash of plate and colour. */
  vehicleId(vehicle: VehicleKey): string {
    return this.#services.hash('vehicle', plateKey(vehicle));
  }

  /** Loaders for one request: what is asked in one tick is one call to the vendor. */
  request(call: Call) {
    const { guard, store, read, installation } = this.#services;
    let allLots: Promise<Known<readonly Lot[]>> | undefined;
    const lots = () => {
      allLots ??= guard.read(call, { operation: 'places', key: '', type: 'ParkingLot' }, async (signal) =>
        this.#api.all('/places', { expand: ['rightSpecifications', 'occupancy'] }, mapping.lot, signal),
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
            const items = await this.#api.all(path, { ...credentials, ...query }, item, signal);
            await this.#remember(items);
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
            const items = await this.#api.all('/rights/assigned', query, mapping.permit, signal);
            await this.#remember(items);
            return new Map(wanted.map((holder) => [holder, items.filter(({ company }) => company === holder)]));
          },
        ),
      KEYS,
    );
    const sessionsOfHolders = byArguments((slice: SessionSlice) =>
      loader<Known<Sliced<Session>>>((holders) => this.#sessionsOfHolders(call, holders, slice), KEYS),
    );
    const known = loader<IdentifiedVehicle>(async (ids) => {
      const rows = await read((tx) => store.parking.vehiclesByIds(tx, installation.id, ids));
      return new Map([...rows].map(([id, row]) => [id, { ...row, colour: row.colour as PlateColour }]));
    });
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
      lotOfPermit: (specification: string) =>
        one((lot) => lot.specifications.some((each) => each.id === specification)),
      /** Vehicles for which the company holds a right now or later, each once, in the vendor's order. */
      vehiclesOfHolder: async (uscc: string, slice: Slice): Promise<Known<Sliced<IdentifiedVehicle>> | null> => {
        const found = await permitsOfHolders.load(uscc);
        if (!found) return null;
        const now = this.#services.clock.now();
        const distinct = new Map(
          (found.value ?? []).flatMap(({ vehicle, ...permit }) =>
            vehicle && holds({ vehicle, ...permit }, now)
              ? [[plateKey(vehicle), { ...vehicle, id: this.vehicleId(vehicle), company: uscc }] as const]
              : [],
          ),
        );
        const items = [...distinct.values()].slice(slice.offset, slice.offset + slice.size);
        return { ...found, value: { items, total: distinct.size, instant: null } };
      },
      sessionsOfHolder: (uscc: string, slice: SessionSlice) => sessionsOfHolders(slice).load(uscc),
      vehicle: (id: string) => known.load(id),
      /** How fresh is what `vehicle` says of the company. */
      vehicleFacts: () => this.#inflow.contractFacts(call),
      /** All colours of a plate: those that the vendor names now, and those that it has named before. */
      vehiclesByPlate: async (text: string): Promise<Known<readonly IdentifiedVehicle[]>> => {
        const before = (await read((tx) =>
          store.parking.vehiclesByPlate(tx, installation.id, text),
        )) as readonly IdentifiedVehicle[];
        try {
          const [permits, sessions] = await Promise.all([permitsOf.load(text), openSessions(text)]);
          const rows = [...(sessions?.value ?? []), ...newestHolders(permits?.value ?? [], this.#services.clock.now())];
          const now = rows.flatMap(({ vehicle, company }) =>
            vehicle ? [{ ...vehicle, id: this.vehicleId(vehicle), company }] : [],
          );
          const all = new Map([...before, ...now].map((each) => [each.id, each]));
          return withFacts([...all.values()], permits?.facts ?? (await this.#inflow.contractFacts(call)));
        } catch (error) {
          if (!(error instanceof SourceError) || before.length === 0) throw error;
          return withFacts(before, { ...(await this.#inflow.contractFacts(call)), stale: true });
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
      historyFacts: () => this.#inflow.historyFacts(call),
      vehicleId: (vehicle: VehicleKey) => this.vehicleId(vehicle),
      grant: (clientMutationId: string, grant: Grant): Promise<Known<Permit>> =>
        this.#permits.grant(call, clientMutationId, grant, async () => (await lots()).value),
      revoke: (clientMutationId: string, permit: string, reason: string | null): Promise<Known<Permit>> =>
        this.#permits.revoke(call, clientMutationId, permit, reason),
    };
  }

  /** A page for each holder: in one call where the vendor can group, else a call for each, under the guard's limit. */
  async #sessionsOfHolders(
    call: Call,
    holders: readonly string[],
    slice: SessionSlice,
  ): Promise<ReadonlyMap<string, Known<Sliced<Session>>>> {
    const { guard } = this.#services;
    const query = (wanted: readonly string[]): Query => ({
      credential_class: 'CustomerCredential',
      credential_id: wanted,
      expand: ['credentials', 'segments', 'segments.financialTransactions'],
      offset: slice.offset,
      page_size: slice.size,
      ...(slice.instant === null ? {} : { reference_instant: slice.instant }),
      ...(slice.from === null ? {} : { start_after: mapping.secondOf(slice.from) }),
      ...(slice.to === null ? {} : { start_before: mapping.secondFrom(slice.to) }),
    });
    const key = (wanted: readonly string[]) => JSON.stringify([[...wanted].sort(), slice]);
    if (holders.length > 1 && this.#groups) {
      const found = await guard.read(
        call,
        { operation: 'sessions of holders', key: key(holders), type: 'ParkingSession' },
        async (signal) => {
          const body = await this.#api.get('/sessions', { ...query(holders), group_by: 'credential' }, signal);
          const groups = mapping.groups(body, mapping.session);
          await this.#remember([...(groups?.values() ?? [])].flatMap((one) => one.items));
          return groups;
        },
      );
      const { value, facts } = found;
      if (value !== null) {
        const none = { items: [], total: 0, instant: slice.instant };
        return new Map(holders.map((holder) => [holder, withFacts(value.get(holder) ?? none, facts)]));
      }
      this.#groups = false;
    }
    const pages = holders.map(async (holder) => {
      const page = await guard.read(
        call,
        { operation: 'sessions of a holder', key: key([holder]), type: 'ParkingSession' },
        async (signal) => {
          const answer = mapping.page(await this.#api.get('/sessions', query([holder]), signal), mapping.session);
          await this.#remember(answer.items);
          return answer;
        },
      );
      return [holder, page] as const;
    });
    return new Map(await Promise.all(pages));
  }

  /** Keeps what the opaque ids of these vehicles mean, before anyone is told of them; a company that is known stays. */
  async #remember(all: readonly { vehicle: VehicleKey | null; company: string | null }[]): Promise<void> {
    const vehicles = all.flatMap(({ vehicle, company }) =>
      vehicle ? [{ ...vehicle, id: this.vehicleId(vehicle), company }] : [],
    );
    if (vehicles.length === 0) return;
    const { store, installation } = this.#services;
    await this.#services.transaction((tx) => store.parking.nameVehicles(tx, installation.id, vehicles));
  }
}
