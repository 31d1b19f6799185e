/** The only room that talks to the parking vendor; speaks our model outward. */
import type { Call, Job, Known, Services, WebhookAnswer, WebhookRequest } from '../../kit/connector.ts';
import { badInput } from '../../kit/errors.ts';
import { byArguments, loader } from '../../kit/loader.ts';
import type { Values } from '../../kit/settings.ts';
import * as mapping from '../mapping.ts';
import type { Lot, Permit, PlateColour, Session, VehicleKey, VendorPage } from '../model.ts';
import type { parkingSettings } from '../settings.ts';
import { ParkingApi } from './http.ts';
import { Inflow } from './inflow.ts';

export type ParkingSettings = Values<typeof parkingSettings>;

/** A vehicle with the id under which the graph knows it. */
export interface IdentifiedVehicle extends VehicleKey {
  readonly id: string;
  readonly company: string | null;
}

/** Slice of a vendor's list. */
export interface Slice {
  readonly offset: number;
  readonly size: number;
}

/** Slice of sessions within a time. */
export interface SessionSlice extends Slice {
  readonly from: string | null;
  readonly to: string | null;
}

/** What is granted. */
export interface Grant {
  readonly lot: string;
  readonly plate: string;
  readonly colour: PlateColour;
  readonly uscc: string | null;
  readonly validFrom: Date;
  readonly validTo: Date | null;
}

/** The park's calendar. */
const ZONE = 'Asia/Shanghai';
const EMPTY = { items: [], total: 0, deleted: [] };

export type ParkingRequest = ReturnType<ParkingSource['request']>;

export class ParkingSource {
  readonly #services: Services;
  readonly #api: ParkingApi;
  readonly #inflow: Inflow;

  constructor(settings: ParkingSettings, services: Services) {
    this.#services = services;
    this.#api = new ParkingApi(settings.url, settings.token);
    this.#inflow = new Inflow(settings, services, this.#api, (vehicle) => this.vehicleId(vehicle));
  }

  /** One cheap question. */
  async check(call: Call): Promise<void> {
    await this.#services.guard.read(call, { operation: 'check', retry: false }, (signal) =>
      this.#api.get('/places', { page_size: 1 }, signal),
    );
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
    return this.#services.hash('vehicle', `${vehicle.plate}|${vehicle.colour}`);
  }

  /** Loaders for one request: what is asked in one tick is one call to the vendor. */
  request(call: Call) {
    const { guard, store, read, installation } = this.#services;
    let allLots: Promise<Known<readonly Lot[]>> | undefined;
    const lots = () => {
      allLots ??= guard.read(call, { operation: 'places', key: '' }, async (signal) =>
        this.#all('/places', {}, mapping.lot, signal),
      );
      return allLots;
    };
    const byHolder = <T extends { readonly company: string | null }>(
      operation: string,
      path: string,
      item: (raw: unknown, where: string) => T,
      query: (args: Slice) => Record<string, string | number | undefined>,
    ) =>
      byArguments((args: Slice) =>
        loader<Known<VendorPage<T> | null>>((holders) =>
          guard.readMany(call, { operation, key: JSON.stringify(args) }, holders, async (wanted, signal) => {
            const body = await this.#api.get(
              path,
              { holder: wanted, offset: args.offset, page_size: args.size, ...query(args) },
              signal,
            );
            const groups = mapping.groups(body, item);
            await this.#remember(
              [...groups.values()].flatMap(
                (one) => one.items as unknown as { vehicle: VehicleKey | null; company: string | null }[],
              ),
            );
            return new Map(wanted.map((holder) => [holder, groups.get(holder) ?? EMPTY]));
          }),
        ),
      );
    const permitsByHolder = byHolder('permits of holders', '/rights/assigned', mapping.permit, () => ({
      distinct: 'credential',
    }));
    const sessionsByHolder = byHolder('sessions of holders', '/sessions', mapping.session, (args) => ({
      start_after: (args as SessionSlice).from ?? undefined,
      start_before: (args as SessionSlice).to ?? undefined,
    }));
    const known = loader<IdentifiedVehicle>(async (ids) => {
      const rows = await read((tx) => store.parking.vehiclesByIds(tx, installation.id, ids));
      return new Map([...rows].map(([id, row]) => [id, { ...row, colour: row.colour as PlateColour }]));
    });
    const ofPlates = <T extends { readonly id: string; readonly vehicle: VehicleKey | null }>(
      operation: string,
      path: string,
      item: (raw: unknown, where: string) => T,
      query: Record<string, string>,
    ) =>
      loader<Known<readonly T[] | null>>((plates) =>
        guard.readMany(call, { operation }, plates, async (wanted, signal) => {
          const items = await this.#all(
            path,
            { credential: wanted.map((one) => one.split('|')[0] ?? ''), ...query },
            item,
            signal,
          );
          return new Map(
            wanted.map((one) => [
              one,
              items.filter(({ vehicle }) => vehicle && `${vehicle.plate}|${vehicle.colour}` === one),
            ]),
          );
        }),
      );
    const openSessions = ofPlates('open sessions', '/sessions', mapping.session, { open: 'true' });
    const permitsOf = ofPlates('permits of vehicles', '/rights/assigned', mapping.permit, {});
    const plate = (vehicle: VehicleKey) => `${vehicle.plate}|${vehicle.colour}`;
    const buckets = byArguments((range: { from: Date; to: Date; bucket: string }) =>
      loader<OccupancyBuckets>(async (wanted) => {
        const rows = await read((tx) =>
          store.parking.occupancyBuckets(tx, installation.id, wanted, { ...range, zone: ZONE }),
        );
        return new Map(wanted.map((lot) => [lot, rows.filter((row) => row.lot === lot)]));
      }),
    );
    return {
      lots,
      lot: async (id: string): Promise<Known<Lot | null>> => {
        const all = await lots();
        return { ...all, value: all.value.find((one) => one.id === id) ?? null };
      },
      permitsByHolder: (uscc: string, slice: Slice) => permitsByHolder(slice).load(uscc),
      sessionsByHolder: (uscc: string, slice: SessionSlice) => sessionsByHolder(slice).load(uscc),
      vehicle: (id: string) => known.load(id),
      vehiclesByPlate: (text: string) =>
        read((tx) => store.parking.vehiclesByPlate(tx, installation.id, text)) as Promise<IdentifiedVehicle[]>,
      /** The newest open session of a vehicle; `value` null when it is not parked. */
      session: async (vehicle: VehicleKey): Promise<Known<Session | null> | null> => {
        const found = await openSessions.load(plate(vehicle));
        const newest = [...(found?.value ?? [])].sort((a, b) => b.enteredAt.getTime() - a.enteredAt.getTime())[0];
        return found && { ...found, value: newest ?? null };
      },
      permits: (vehicle: VehicleKey) => permitsOf.load(plate(vehicle)),
      history: (lot: string, range: { from: Date; to: Date; bucket: string }) => buckets(range).load(lot),
      historyFacts: () => this.#inflow.facts(call),
      vehicleId: (vehicle: VehicleKey) => this.vehicleId(vehicle),
      grant: (clientMutationId: string, grant: Grant) => this.#grant(call, clientMutationId, grant),
      revoke: (clientMutationId: string, permit: string, reason: string | null) =>
        this.#revoke(call, clientMutationId, permit, reason),
      /** The permit is revoked by now, by whatever way; for the mutation's answer. */
      now: () => this.#services.clock.now(),
    };
  }

  async #grant(call: Call, clientMutationId: string, grant: Grant): Promise<Known<Permit>> {
    const known = await this.#services.guard.read(call, { operation: 'places', key: '' }, (signal) =>
      this.#all('/places', {}, mapping.lot, signal),
    );
    if (!known.value.some((one) => one.id === grant.lot)) throw badInput('lot is not known to this parking system.');
    const find = async (reference: string): Promise<Known<Permit> | null> => {
      const found = await this.#services.guard.read(
        call,
        { operation: 'permit by reference', key: reference },
        (signal) => this.#all('/rights/assigned', { reference }, mapping.permit, signal),
      );
      const one = found.value[0];
      return one ? { ...found, value: one } : null;
    };
    return this.#services.once(
      call,
      { mutation: 'grantParkingPermit', clientMutationId, payload: grant },
      (reference) =>
        this.#services.guard.act(call, 'grant permit', async (signal) =>
          mapping.permit(
            await this.#api.post(
              '/rights/assigned',
              {
                reference,
                hierarchyElement: { id: grant.lot, className: 'Place' },
                credentials: [
                  { type: 'licensePlate', identifier: grant.plate, plateColour: mapping.colourWord(grant.colour) },
                ],
                rightHolder: grant.uscc === null ? null : { creditCode: grant.uscc },
                validityStart: grant.validFrom.toISOString(),
                validityEnd: grant.validTo?.toISOString() ?? null,
              },
              signal,
            ),
          ),
        ),
      find,
    );
  }

  async #revoke(call: Call, clientMutationId: string, permit: string, reason: string | null): Promise<Known<Permit>> {
    return this.#services.once(
      call,
      { mutation: 'revokeParkingPermit', clientMutationId, payload: { permit, reason } },
      () =>
        this.#services.guard.act(call, 'revoke permit', async (signal) =>
          mapping.permit(
            await this.#api.post(`/rights/assigned/${encodeURIComponent(permit)}/revoke`, { reason }, signal),
          ),
        ),
      async () => {
        const found = await this.#services.guard.read(call, { operation: 'permit by id', key: permit }, (signal) =>
          this.#all('/rights/assigned', { id: permit }, mapping.permit, signal),
        );
        const one = found.value[0];
        return one?.revoked ? { ...found, value: one } : null;
      },
    );
  }

  /** A list read to its end, page by page; what was deleted meanwhile is left out. */
  async #all<T extends { readonly id: string }>(
    path: string,
    query: Readonly<Record<string, string | number | readonly string[]>>,
    item: (raw: unknown, where: string) => T,
    signal: AbortSignal,
  ): Promise<T[]> {
    const items: T[] = [];
    const gone = new Set<string>();
    for (;;) {
      const page = mapping.page(
        await this.#api.get(path, { ...query, offset: items.length, page_size: 200 }, signal),
        item,
      );
      items.push(...page.items);
      for (const id of page.deleted) gone.add(id);
      if (page.items.length === 0 || items.length >= page.total) break;
    }
    return items.filter((one) => !gone.has(one.id));
  }

  /** Keeps what the opaque ids of these vehicles mean, before anyone is told of them. */
  async #remember(all: readonly { vehicle: VehicleKey | null; company: string | null }[]): Promise<void> {
    const vehicles = all.flatMap(({ vehicle, company }) =>
      vehicle ? [{ ...vehicle, id: this.vehicleId(vehicle), company }] : [],
    );
    const { store, installation } = this.#services;
    await this.#services.transaction((tx) => store.parking.saveVehicles(tx, installation.id, vehicles));
  }
}

/** Buckets of one lot. */
export type OccupancyBuckets = readonly {
  readonly start: Date;
  readonly mean: string | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly flagged: number;
}[];
