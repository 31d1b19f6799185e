/** What comes in by itself: the vendor's webhooks, and observations read by the clock. */
import type { Call, Claim, Job, NewEvent, Services, Tx, WebhookAnswer, WebhookRequest } from '../../kit/connector.ts';
import { SourceError } from '../../kit/errors.ts';
import type { Facts } from '../../kit/facts.ts';
import * as mapping from '../mapping.ts';
import type { Observation, VehicleKey } from '../model.ts';
import type { ParkingApi } from './http.ts';
import type { ParkingSettings } from './index.ts';
import { isSigned } from './signature.ts';

/** Observations in one reading and one transaction. */
const BATCH = 1_000;
/** Read back this far, since sensors deliver late, in milliseconds. */
const OVERLAP = 10 * 60_000;
/** Mirrored observations older than this many polls are stale. */
const FRESH_POLLS = 4;

interface Cursor {
  /** Time of the newest observation read. */
  readonly until: string;
}

export class Inflow {
  readonly #settings: ParkingSettings;
  readonly #services: Services;
  readonly #api: ParkingApi;
  readonly #vehicleId: (vehicle: VehicleKey) => string;
  #polledAt: Date | null = null;
  #newest: Date | null = null;

  constructor(
    settings: ParkingSettings,
    services: Services,
    api: ParkingApi,
    vehicleId: (vehicle: VehicleKey) => string,
  ) {
    this.#settings = settings;
    this.#services = services;
    this.#api = api;
    this.#vehicleId = vehicleId;
  }

  get jobs(): readonly Job[] {
    const poll: Job = { name: 'poll observations', every: this.#settings.poll, run: (call) => this.#poll(call) };
    const contracts: Job = {
      name: 'poll contracts',
      every: 10 * this.#settings.poll,
      run: (call) => this.#contracts(call),
    };
    const hook: Job = {
      name: 'poll webhook registration',
      every: this.#settings.poll,
      run: (call) => this.#register(call),
    };
    return this.#settings.callback === null ? [contracts, poll] : [hook, contracts, poll];
  }

  /** Age of the newest observation, in milliseconds. */
  lag(): number | null {
    return this.#newest && this.#services.clock.now().getTime() - this.#newest.getTime();
  }

  /** Facts of the mirrored observations. */
  async facts(call: Call): Promise<Facts> {
    if (this.#polledAt === null) {
      const kept = await this.#services.read((tx) => this.#services.state.get<string>(tx, 'polled'));
      if (kept) this.#polledAt = new Date(kept);
    }
    return this.#services.guard.mirrored(call, this.#polledAt, this.#newest, FRESH_POLLS * this.#settings.poll + 5_000);
  }

  /** Signed calls; answered only after commit. */
  async webhook(request: WebhookRequest): Promise<WebhookAnswer> {
    const { clock, guard, log } = this.#services;
    if (request.method !== 'POST') return { status: 405 };
    if (!isSigned(request.headers['x-signature'], request.body, this.#settings.webhookSecret, clock.now())) {
      log.warn('A webhook with a wrong signature was refused.');
      return { status: 401 };
    }
    let event: ReturnType<typeof mapping.gateEvent>;
    try {
      event = mapping.gateEvent(JSON.parse(request.body.toString('utf8')));
    } catch (error) {
      // Signed, so the vendor's own: it is told, and will try again after it is mended there or here.
      log.warn('A signed webhook cannot be understood.', { error, bytes: request.body.length });
      return { status: error instanceof SourceError || error instanceof SyntaxError ? 422 : 500 };
    }
    if (event.kind === 'occupancy') await this.#take([event.observation]);
    else if (event.kind !== 'other') {
      const { session, kind, id, time } = event;
      const vehicle = session.vehicle && {
        ...session.vehicle,
        id: this.#vehicleId(session.vehicle),
        company: session.company,
      };
      await this.#services.transaction(async (tx) => {
        if (vehicle) await this.#services.store.parking.saveVehicles(tx, this.#services.installation.id, [vehicle]);
        await this.#services.identify(tx, claims(vehicle ? [vehicle] : [], session.company, null));
        await this.#services.emit(tx, [
          {
            foreignId: `gate ${id}`,
            kind: kind === 'entered' ? 'VEHICLE_ENTERED' : 'VEHICLE_EXITED',
            time,
            vehicle: vehicle?.id ?? null,
            lot: this.#services.globalId(session.lot),
            company: session.company,
          },
        ]);
      });
    }
    guard.heard('webhook');
    return { status: 200, headers: { 'content-type': 'application/json' }, body: '{"received":true}' };
  }

  /** Reads observations from the cursor on, a page a transaction; the cursor commits with its page. */
  async #poll(call: Call): Promise<void> {
    const { services } = { services: this.#services };
    const kept = await services.read((tx) => services.state.get<Cursor>(tx, 'observations'));
    const since = kept
      ? new Date(Date.parse(kept.until) - OVERLAP)
      : new Date(services.clock.now().getTime() - this.#settings.history);
    for (let offset = 0; !call.signal.aborted; ) {
      const page = await services.guard.read(
        services.call(30_000),
        { operation: 'poll observations' },
        async (signal) =>
          mapping.page(
            await this.#api.get(
              '/observations',
              { start_after: since.toISOString(), offset, page_size: BATCH },
              signal,
            ),
            mapping.observation,
          ),
      );
      const { items, total } = page.value;
      const last = new Date(
        Math.max(...items.map((one) => one.time.getTime()), kept ? Date.parse(kept.until) : since.getTime()),
      );
      await this.#take(items, (tx) =>
        services.state.set(tx, 'observations', { until: last.toISOString() } satisfies Cursor),
      );
      offset += items.length;
      if (items.length === 0 || offset >= total) break;
    }
    this.#polledAt = services.clock.now();
    await services.transaction((tx) => services.state.set(tx, 'polled', this.#polledAt?.toISOString()));
  }

  /** Keeps observations and tells of those that are new, in one transaction. */
  async #take(items: readonly Observation[], also?: (tx: Tx) => Promise<void>): Promise<void> {
    const { store, installation, transaction, emit } = this.#services;
    await transaction(async (tx) => {
      const fresh = await store.parking.saveObservations(tx, installation.id, items);
      await also?.(tx);
      const events = items
        .filter((one) => fresh.has(one.id))
        .map(
          (one): NewEvent => ({
            foreignId: `observation ${one.id}`,
            kind: 'OCCUPANCY_CHANGED',
            time: one.time,
            lot: this.#services.globalId(one.lot),
            data: { occupied: one.occupied },
          }),
        );
      await emit(tx, events);
    });
    for (const { time } of items) if (this.#newest === null || time > this.#newest) this.#newest = time;
  }

  /** Who holds which contract: what the hub must know to name companies while the vendor is dark. */
  async #contracts(call: Call): Promise<void> {
    const { services } = { services: this.#services };
    for (let offset = 0; !call.signal.aborted; ) {
      const page = await services.guard.read(services.call(30_000), { operation: 'poll contracts' }, async (signal) =>
        mapping.page(await this.#api.get('/rights/assigned', { offset, page_size: 200 }, signal), mapping.permit),
      );
      const { items, total } = page.value;
      const vehicles = items.flatMap(({ vehicle, company }) =>
        vehicle ? [{ ...vehicle, id: this.#vehicleId(vehicle), company }] : [],
      );
      await services.transaction(async (tx) => {
        await services.store.parking.saveVehicles(tx, services.installation.id, vehicles);
        await services.identify(tx, [
          ...items.flatMap((one) => claims([], one.company, one.contract)),
          ...vehicles.flatMap((one) => claims([one], null, null)),
        ]);
      });
      offset += items.length;
      if (items.length === 0 || offset >= total) break;
    }
  }

  /** Asks the vendor to call us; it forgets after a restart, so this is asked again and again. */
  async #register(_call: Call): Promise<void> {
    const { guard } = this.#services;
    const call = this.#services.call(10_000);
    const there = await guard.read(call, { operation: 'poll webhooks' }, (signal) =>
      this.#api.get('/webhooks', {}, signal),
    );
    const all = (there.value as { data?: { endpoint?: unknown }[] } | null)?.data ?? [];
    if (all.some((one) => one.endpoint === this.#settings.callback)) return;
    await guard.act(call, 'poll register webhook', (signal) =>
      this.#api.post(
        '/webhooks',
        { endpoint: this.#settings.callback, eventTypes: ['session.started', 'session.ended', 'observation.created'] },
        signal,
      ),
    );
  }
}

/** Under which ids parking knows a company and its vehicles. No plates: the hub's identities and log hold none. */
function claims(
  vehicles: readonly { readonly id: string }[],
  company: string | null,
  contract: string | null,
): Claim[] {
  return [
    ...vehicles.map((one): Claim => ({ entity: 'VEHICLE', key: one.id, system: 'vehicle', value: one.id })),
    ...(company ? [{ entity: 'COMPANY', key: company, system: 'uscc', value: company } as const] : []),
    ...(company && contract
      ? [{ entity: 'COMPANY', key: company, system: 'parking-contract', value: contract } as const]
      : []),
  ];
}
