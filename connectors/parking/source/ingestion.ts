/** Ingests the vendor's data: signed webhooks, and polling for what no webhook delivered. */
import type { Call } from '../../kit/call.ts';
import type { Job, Tx, WebhookRequest, WebhookResponse } from '../../kit/connector.ts';
import { SourceError } from '../../kit/errors.ts';
import type { ProvenanceFacts } from '../../kit/provenance.ts';
import type { NewEvent, Services } from '../../kit/services.ts';
import { GroupCommit } from '../../kit/tasks/group-commit.ts';
import * as mapping from '../mapping/index.ts';
import type { GateEvent, Observation } from '../model.ts';
import type { ParkingSettings } from '../settings.ts';
import { claimSessionHistory, claimsOf, completeClaimsIfRead, identityClaims, storeContracts } from './contracts.ts';
import type { ParkingApi, Query } from './parking-api.ts';
import type { Vehicles } from './vehicles.ts';
import { ensureWebhookRegistered } from './webhook-registration.ts';
import { verifySignature } from './webhook-signature.ts';

/** Maximum rows per polled page; each page is one transaction. */
const PAGE_SIZE = 1_000;
/** Maximum webhooks per transaction. */
const WEBHOOK_BATCH = 500;
/** Seconds. Each poll repeats this much before the last one, because the vendor may commit changes late. */
const OVERLAP = 600;
/** Mirrored observations and contracts are stale after this many missed polls. */
const FRESH_POLLS = 4;
/** Contracts change rarely: they are read once per this many polls. */
const CONTRACT_POLLS = 10;
const SESSION_EXPAND = ['credentials', 'segments'];
/** Names in the installation's state under which the time of the last complete read is stored. */
type ReadTimeName = 'observations read' | 'contracts read';

export class Ingestion {
  readonly #settings: ParkingSettings;
  readonly #services: Services;
  readonly #api: ParkingApi;
  readonly #vehicles: Vehicles;
  /** Webhooks received while a transaction commits are written together in the next one. */
  readonly #webhookCommits = new GroupCommit<readonly GateEvent[]>(
    (batch) => this.#services.transaction((tx) => this.#saveEvents(tx, batch.flat())),
    WEBHOOK_BATCH,
  );
  readonly #readAt = new Map<ReadTimeName, Date>();
  #isHistoryRead = false;
  #newestObservation: Date | null = null;

  constructor(settings: ParkingSettings, services: Services, api: ParkingApi, vehicles: Vehicles) {
    this.#settings = settings;
    this.#services = services;
    this.#api = api;
    this.#vehicles = vehicles;
  }

  get jobs(): readonly Job[] {
    const { poll, callback } = this.#settings;
    const jobs: Job[] = [
      { name: 'poll contracts', every: CONTRACT_POLLS * poll, run: () => this.#pollContracts() },
      { name: 'poll observations', every: poll, run: (call) => this.#pollObservations(call) },
      { name: 'poll sessions', every: poll, run: (call) => this.#pollSessions(call) },
      { name: 'poll past sessions', every: poll, run: (call) => this.#pollPastSessions(call) },
    ];
    if (callback === null) return jobs;
    return [
      {
        name: 'poll webhook registration',
        every: poll,
        run: () => ensureWebhookRegistered(this.#services, this.#api, callback),
      },
      ...jobs,
    ];
  }

  /** Age of the newest observation in milliseconds; null before this process has stored one. */
  lag(): number | null {
    const newest = this.#newestObservation;
    return newest && Math.max(this.#services.clock.now().getTime() - newest.getTime(), 0);
  }

  /** Provenance of the mirrored observations. */
  historyFacts(call: Call): Promise<ProvenanceFacts> {
    return this.#facts(call, 'observations read', this.#newestObservation, FRESH_POLLS * this.#settings.poll);
  }

  /** Provenance of the stored vehicles and their holders. */
  contractFacts(call: Call): Promise<ProvenanceFacts> {
    return this.#facts(call, 'contracts read', null, FRESH_POLLS * CONTRACT_POLLS * this.#settings.poll);
  }

  async #facts(call: Call, name: ReadTimeName, recordedAt: Date | null, fresh: number): Promise<ProvenanceFacts> {
    const { read, state, guard } = this.#services;
    // Another process may hold the lease and poll; the time it stored counts.
    const stored = await read((tx) => state.get<string>(tx, name));
    if (stored) this.#readAt.set(name, new Date(stored));
    return guard.mirrorFacts(call, this.#readAt.get(name) ?? null, recordedAt, fresh + 5_000);
  }

  async #markRead(tx: Tx, name: ReadTimeName): Promise<void> {
    const now = this.#services.clock.now();
    await this.#services.state.set(tx, name, now.toISOString());
    this.#readAt.set(name, now);
  }

  /**
   * Verifies, parses and stores a webhook; responds 200 only after commit. 401: wrong signature; 405: not POST; 422: signed,
   * but not understood.
   */
  async webhook(request: WebhookRequest): Promise<WebhookResponse> {
    const { clock, guard, log } = this.#services;
    if (request.method !== 'POST') return { status: 405, headers: { allow: 'POST' } };
    if (!verifySignature(request.headers['x-signature'], request.body, this.#settings.webhookSecret, clock.now())) {
      log.warn('Rejected webhook: signature does not match or is older than five minutes.');
      return { status: 401 };
    }
    let events: readonly GateEvent[];
    try {
      events = mapping.gateEvents(JSON.parse(request.body.toString('utf8')));
    } catch (error) {
      if (!(error instanceof SourceError) && !(error instanceof SyntaxError)) throw error;
      // The signature is valid, so the vendor sent it: 422 makes the failure visible there.
      log.warn('Rejected webhook: signature is valid, but the body cannot be parsed.', {
        error,
        bytes: request.body.length,
      });
      return { status: 422 };
    }
    await this.#webhookCommits.add(events, request.body.length);
    guard.recordPush('webhook');
    return { status: 200, headers: { 'content-type': 'application/json' }, body: '{"status":"ok"}' };
  }

  /** Stores gate events in the given transaction. Keyed by what happened, not by delivery, so a repeated webhook adds no row. */
  async #saveEvents(tx: Tx, events: readonly GateEvent[]): Promise<void> {
    const { store, installation, identify, emit, globalId } = this.#services;
    const movements = events.flatMap((event) => (event.kind === 'entered' || event.kind === 'exited' ? [event] : []));
    const vehicles = movements.flatMap(({ session: { vehicle, company } }) =>
      vehicle ? [{ ...vehicle, id: this.#vehicles.id(vehicle), company }] : [],
    );
    await store.parking.addVehicles(tx, installation.id, vehicles);
    await identify(tx, [
      ...vehicles.flatMap((vehicle) => identityClaims(vehicle.id, null, null)),
      ...movements.flatMap(({ session }) => identityClaims(null, session.company, null)),
    ]);
    const measured = events.flatMap((event) => (event.kind === 'occupancy' ? [event.observation] : []));
    const deleted = events.flatMap((event) => (event.kind === 'withdrawn' ? [event.observation] : []));
    const occupancyEvents = await this.#saveObservations(tx, measured, deleted, { correct: false });
    await emit(tx, [
      ...movements.map(
        ({ kind, time, session }): NewEvent => ({
          foreignId: `session ${session.id} ${kind}`,
          kind: kind === 'entered' ? 'VEHICLE_ENTERED' : 'VEHICLE_EXITED',
          time,
          vehicle: session.vehicle && this.#vehicles.id(session.vehicle),
          lot: session.lot && globalId(session.lot),
          company: session.company,
        }),
      ),
      ...occupancyEvents,
    ]);
  }

  /**
   * Reads the observations changed since the last poll by the vendor's clock, which includes late and corrected ones; a sensor
   * with a wrong clock does no harm. The first poll begins `history` ago. The cursor is committed with the last page, so an
   * interrupted poll is repeated; this is idempotent.
   */
  async #pollObservations(call: Call): Promise<void> {
    const services = this.#services;
    const cursor = await services.read((tx) => services.state.get<{ instant: number }>(tx, 'observations'));
    const since = cursor?.instant
      ? { modified_since: cursor.instant - OVERLAP }
      : { start_after: mapping.floorSeconds(new Date(services.clock.now().getTime() - this.#settings.history)) };
    let instant: number | undefined;
    for (let offset = 0; !call.signal.aborted; ) {
      const query = { ...since, expand: 'hierarchyElement', offset, page_size: PAGE_SIZE, reference_instant: instant };
      const { value } = await services.guard.read(
        services.call(30_000),
        { operation: 'poll observations' },
        async (signal) =>
          mapping.pageSkippingInvalid(await this.#api.get('/observations', query, signal), mapping.observation),
      );
      instant ??= value.instant;
      const rows = value.items.length + value.refused.length;
      if (value.refused.length > 0)
        services.log.warn('Rejected invalid observations; the other rows of the page are stored.', {
          refused: value.refused.length,
          of: rows,
          offset,
          first: value.refused.slice(0, 5),
        });
      offset += rows;
      const last = rows === 0 || offset >= value.total;
      await services.transaction(async (tx) => {
        const events = await this.#saveObservations(tx, value.items, value.deleted, { correct: true });
        if (last) {
          await services.state.set(tx, 'observations', { instant });
          await this.#markRead(tx, 'observations read');
        }
        await services.emit(tx, events);
      });
      if (last) break;
    }
  }

  /**
   * Stores and deletes observations; returns events for those that are new and not older than `history`. Older ones, uploaded
   * late, are stored without an event. `correct`: polled rows are the vendor's current state and overwrite stored ones; a
   * webhook may be a repeated old one and does not.
   */
  async #saveObservations(
    tx: Tx,
    items: readonly Observation[],
    deletedIds: readonly string[],
    { correct }: { readonly correct: boolean },
  ): Promise<NewEvent[]> {
    const { store, installation, clock, globalId } = this.#services;
    const deleted = new Set(deletedIds);
    const current = items.filter(({ id }) => !deleted.has(id));
    const added = await store.parking.saveObservations(tx, installation.id, current, { correct });
    await store.parking.deleteObservations(tx, installation.id, deletedIds);
    const oldest = clock.now().getTime() - this.#settings.history;
    for (const { time } of current)
      if (this.#newestObservation === null || time > this.#newestObservation) this.#newestObservation = time;
    return current
      .filter(({ id, time }) => added.has(id) && time.getTime() >= oldest)
      .map(({ id, time, lot, occupied }) => ({
        foreignId: `observation ${id}`,
        kind: 'OCCUPANCY_CHANGED',
        time,
        lot: globalId(lot),
        data: { occupied },
      }));
  }

  /**
   * Reads the sessions changed since the last poll: entries and exits whose webhook was lost, or that happened before the
   * webhook was registered. Movements before the first poll of this installation produce no events.
   */
  async #pollSessions(call: Call): Promise<void> {
    const { guard, read, state, transaction, log } = this.#services;
    const readPage = (query: Query) =>
      guard.read(this.#services.call(30_000), { operation: 'poll sessions' }, async (signal) =>
        mapping.pageSkippingInvalid(
          await this.#api.get('/sessions', { ...query, expand: SESSION_EXPAND }, signal),
          mapping.session,
        ),
      );
    const cursor = await read((tx) => state.get<{ began: number; instant: number }>(tx, 'sessions'));
    if (cursor === null) {
      const { instant } = (await readPage({ page_size: 1 })).value;
      await transaction((tx) => state.set(tx, 'sessions', { began: instant, instant }));
      return;
    }
    const modified = { modified_since: Math.max(cursor.instant - OVERLAP, cursor.began) };
    const began = cursor.began * 1000;
    let instant: number | undefined;
    for (let offset = 0; !call.signal.aborted; ) {
      const { value } = await readPage({ ...modified, offset, page_size: PAGE_SIZE, reference_instant: instant });
      instant ??= value.instant;
      const rows = value.items.length + value.refused.length;
      if (value.refused.length > 0)
        log.warn('Rejected invalid sessions; the other rows of the page are stored.', {
          refused: value.refused.length,
          of: rows,
          first: value.refused[0],
        });
      offset += rows;
      const last = rows === 0 || offset >= value.total;
      const events = value.items.flatMap((session) => mapping.sessionEvents(session, true));
      await transaction(async (tx) => {
        if (last) await state.set(tx, 'sessions', { began: cursor.began, instant });
        // Also of those that started before the first poll, which produce no events.
        await this.#services.identify(tx, claimsOf(value.items, this.#vehicles));
        await this.#saveEvents(
          tx,
          events.filter((event) => 'time' in event && event.time.getTime() >= began),
        );
      });
      if (last) break;
    }
  }

  #pollContracts(): Promise<void> {
    return storeContracts(this.#services, this.#api, this.#vehicles, (tx) =>
      this.#markRead(tx, 'contracts read').then(() => this.#completeClaims(tx)),
    );
  }

  async #pollPastSessions(call: Call): Promise<void> {
    this.#isHistoryRead ||= await claimSessionHistory(
      { services: this.#services, api: this.#api, vehicles: this.#vehicles, onRead: this.#completeClaims },
      call,
    );
  }

  #completeClaims = (tx: Tx): Promise<void> =>
    completeClaimsIfRead(this.#services, tx, FRESH_POLLS * CONTRACT_POLLS * this.#settings.poll + 5_000);
}
