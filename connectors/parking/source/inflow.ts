/** What comes in by itself: the vendor's webhooks, and what is read by the clock. */

import type { Call, Job, NewEvent, Services, Tx, WebhookAnswer, WebhookRequest } from '../../kit/connector.ts';
import { SourceError } from '../../kit/errors.ts';
import type { Facts } from '../../kit/provenance.ts';
import { GroupCommit } from '../../kit/tasks/group-commit.ts';
import * as mapping from '../mapping/index.ts';
import type { GateEvent, Observation, VehicleKey } from '../model.ts';
import type { ParkingSettings } from '../settings.ts';
import { claims, readContracts } from './contracts.ts';
import type { ParkingApi, Query } from './http.ts';
import { keepSubscription } from './subscription.ts';
import { isSigned } from './webhook-signature.ts';

/** Observations in one reading and one transaction. */
const BATCH = 1_000;
/** Webhooks in one transaction. */
const WEBHOOKS = 500;
/** What was changed this long before the last reading is read once more, in seconds: the vendor commits late, too. */
const OVERLAP = 600;
/** Mirrored records older than this many polls are stale. */
const FRESH_POLLS = 4;
/** Contracts change seldom: they are read every so many polls. */
const CONTRACT_POLLS = 10;

/** What the vendor is to tell of sessions. */
const EXPANDED = ['credentials', 'segments'];

/** A value of this installation's state that says when something was last read. */
type Clocked = 'observations read' | 'contracts read';

export class Inflow {
  readonly #settings: ParkingSettings;
  readonly #services: Services;
  readonly #api: ParkingApi;
  readonly #vehicleId: (vehicle: VehicleKey) => string;
  /** Webhooks that come in while one transaction is being committed are the next one. */
  readonly #told = new GroupCommit<readonly GateEvent[]>(
    (batch) => this.#services.transaction((tx) => this.#keep(tx, batch.flat())),
    WEBHOOKS,
  );
  readonly #readAt = new Map<Clocked, Date>();
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
    const { poll, callback } = this.#settings;
    const jobs: Job[] = [
      { name: 'poll contracts', every: CONTRACT_POLLS * poll, run: () => this.#contracts() },
      { name: 'poll observations', every: poll, run: (call) => this.#poll(call) },
      { name: 'poll sessions', every: poll, run: (call) => this.#sessions(call) },
    ];
    if (callback === null) return jobs;
    return [
      {
        name: 'poll webhook registration',
        every: poll,
        run: () => keepSubscription(this.#services, this.#api, callback),
      },
      ...jobs,
    ];
  }

  /** Age of the newest observation, in milliseconds. */
  lag(): number | null {
    return this.#newest && Math.max(this.#services.clock.now().getTime() - this.#newest.getTime(), 0);
  }

  /** Facts of the mirrored observations. */
  historyFacts(call: Call): Promise<Facts> {
    return this.#facts(call, 'observations read', this.#newest, FRESH_POLLS * this.#settings.poll);
  }

  /** Facts of what is kept of vehicles and their holders. */
  contractFacts(call: Call): Promise<Facts> {
    return this.#facts(call, 'contracts read', null, FRESH_POLLS * CONTRACT_POLLS * this.#settings.poll);
  }

  async #facts(call: Call, name: Clocked, recordedAt: Date | null, fresh: number): Promise<Facts> {
    const { read, state, guard } = this.#services;
    // Another process may hold the lease and do the reading: what it wrote counts.
    const kept = await read((tx) => state.get<string>(tx, name));
    if (kept) this.#readAt.set(name, new Date(kept));
    return guard.mirrored(call, this.#readAt.get(name) ?? null, recordedAt, fresh + 5_000);
  }

  async #wasRead(tx: Tx, name: Clocked): Promise<void> {
    const now = this.#services.clock.now();
    await this.#services.state.set(tx, name, now.toISOString());
    this.#readAt.set(name, now);
  }

  /** Signed calls; answered only after commit. */
  async webhook(request: WebhookRequest): Promise<WebhookAnswer> {
    const { clock, guard, log } = this.#services;
    if (request.method !== 'POST') return { status: 405, headers: { allow: 'POST' } };
    if (!isSigned(request.headers['x-signature'], request.body, this.#settings.webhookSecret, clock.now())) {
      log.warn('A webhook with a wrong signature was refused.');
      return { status: 401 };
    }
    let events: readonly GateEvent[];
    try {
      events = mapping.gateEvents(JSON.parse(request.body.toString('utf8')));
    } catch (error) {
      if (!(error instanceof SourceError) && !(error instanceof SyntaxError)) throw error;
      // Signed, so the vendor's own: it is told, and will try again after it is mended there or here.
      log.warn('A signed webhook cannot be understood.', { error, bytes: request.body.length });
      return { status: 422 };
    }
    await this.#told.add(events, request.body.length);
    guard.heard('webhook');
    return { status: 200, headers: { 'content-type': 'application/json' }, body: '{"status":"ok"}' };
  }

  /** All that webhooks tell, in one transaction. Keyed by what happened, not by the call: told twice, it is one row. */
  async #keep(tx: Tx, events: readonly GateEvent[]): Promise<void> {
    const { store, installation, identify, emit, globalId } = this.#services;
    const drives = events.flatMap((one) => (one.kind === 'entered' || one.kind === 'exited' ? [one] : []));
    const vehicles = drives.flatMap(({ session: { vehicle, company } }) =>
      vehicle ? [{ ...vehicle, id: this.#vehicleId(vehicle), company }] : [],
    );
    await store.parking.nameVehicles(tx, installation.id, vehicles);
    await identify(tx, [
      ...vehicles.flatMap((one) => claims(one.id, null, null)),
      ...drives.flatMap(({ session }) => claims(null, session.company, null)),
    ]);
    const measured = events.flatMap((one) => (one.kind === 'occupancy' ? [one.observation] : []));
    const withdrawn = events.flatMap((one) => (one.kind === 'withdrawn' ? [one.observation] : []));
    const told = await this.#observed(tx, measured, withdrawn, false);
    await emit(tx, [
      ...drives.map(
        ({ kind, time, session }): NewEvent => ({
          foreignId: `session ${session.id} ${kind}`,
          kind: kind === 'entered' ? 'VEHICLE_ENTERED' : 'VEHICLE_EXITED',
          time,
          vehicle: session.vehicle && this.#vehicleId(session.vehicle),
          lot: session.lot && globalId(session.lot),
          company: session.company,
        }),
      ),
      ...told,
    ]);
  }

  /**
   * Reads what observations were changed since the last reading, by the vendor's own clock: late and corrected ones come
   * too, and a sensor with a wrong clock spoils nothing. The first reading begins `history` ago. The cursor commits with
   * the last page; a reading that was cut off is done again, which changes nothing.
   */
  async #poll(call: Call): Promise<void> {
    const services = this.#services;
    const kept = await services.read((tx) => services.state.get<{ instant: number }>(tx, 'observations'));
    const since = kept?.instant
      ? { modified_since: kept.instant - OVERLAP }
      : { start_after: mapping.secondOf(new Date(services.clock.now().getTime() - this.#settings.history)) };
    let instant: number | undefined;
    for (let offset = 0; !call.signal.aborted; ) {
      const asked = { ...since, expand: 'hierarchyElement', offset, page_size: BATCH, reference_instant: instant };
      const { value } = await services.guard.read(
        services.call(30_000),
        { operation: 'poll observations' },
        async (signal) => mapping.pageOfSound(await this.#api.get('/observations', asked, signal), mapping.observation),
      );
      instant ??= value.instant;
      const rows = value.items.length + value.refused.length;
      if (value.refused.length > 0)
        services.log.warn('Observations were refused.', {
          refused: value.refused.length,
          of: rows,
          offset,
          first: value.refused.slice(0, 5),
        });
      offset += rows;
      const last = rows === 0 || offset >= value.total;
      await services.transaction(async (tx) => {
        const told = await this.#observed(tx, value.items, value.deleted, true);
        if (last) {
          await services.state.set(tx, 'observations', { instant });
          await this.#wasRead(tx, 'observations read');
        }
        await services.emit(tx, told);
      });
      if (last) break;
    }
  }

  /**
   * Keeps observations; answers the events of those that are new and lie within `history`: older ones, uploaded late, are
   * kept for the histories but are no news. What the vendor lists (`listed`) is its newest word and corrects what is kept;
   * a webhook may be an old one that comes again, and does not.
   */
  async #observed(
    tx: Tx,
    items: readonly Observation[],
    withdrawn: readonly string[],
    listed: boolean,
  ): Promise<NewEvent[]> {
    const { store, installation, clock, globalId } = this.#services;
    const gone = new Set(withdrawn);
    const standing = items.filter((one) => !gone.has(one.id));
    const fresh = await store.parking.saveObservations(tx, installation.id, standing, { correct: listed });
    await store.parking.withdrawObservations(tx, installation.id, withdrawn);
    const oldest = clock.now().getTime() - this.#settings.history;
    for (const { time } of standing) if (this.#newest === null || time > this.#newest) this.#newest = time;
    return standing
      .filter((one) => fresh.has(one.id) && one.time.getTime() >= oldest)
      .map((one) => ({
        foreignId: `observation ${one.id}`,
        kind: 'OCCUPANCY_CHANGED',
        time: one.time,
        lot: globalId(one.lot),
        data: { occupied: one.occupied },
      }));
  }

  /**
   * Reads what sessions were changed since the last reading: entries and exits whose webhook was lost, or that were made
   * while nobody was called. It begins with the installation; what was before is no news.
   */
  async #sessions(call: Call): Promise<void> {
    const { guard, read, state, transaction, log } = this.#services;
    const ask = (query: Query) =>
      guard.read(this.#services.call(30_000), { operation: 'poll sessions' }, async (signal) =>
        mapping.pageOfSound(await this.#api.get('/sessions', { ...query, expand: EXPANDED }, signal), mapping.session),
      );
    const kept = await read((tx) => state.get<{ began: number; instant: number }>(tx, 'sessions'));
    if (kept === null) {
      const { instant } = (await ask({ page_size: 1 })).value;
      await transaction((tx) => state.set(tx, 'sessions', { began: instant, instant }));
      return;
    }
    const modified = { modified_since: Math.max(kept.instant - OVERLAP, kept.began) };
    const began = kept.began * 1000;
    let instant: number | undefined;
    for (let offset = 0; !call.signal.aborted; ) {
      const { value } = await ask({ ...modified, offset, page_size: BATCH, reference_instant: instant });
      instant ??= value.instant;
      const rows = value.items.length + value.refused.length;
      if (value.refused.length > 0)
        log.warn('Sessions were refused.', { refused: value.refused.length, of: rows, first: value.refused[0] });
      offset += rows;
      const last = rows === 0 || offset >= value.total;
      const events = value.items.flatMap((one) => mapping.gateEventsOf(one, true));
      await transaction(async (tx) => {
        if (last) await state.set(tx, 'sessions', { began: kept.began, instant });
        await this.#keep(
          tx,
          events.filter((one) => 'time' in one && one.time.getTime() >= began),
        );
      });
      if (last) break;
    }
  }

  #contracts(): Promise<void> {
    return readContracts(this.#services, this.#api, this.#vehicleId, (tx) => this.#wasRead(tx, 'contracts read'));
  }
}
