/** Stores readings, meters and alarms and emits their events in one transaction. */
import type { Call } from '../../kit/call.ts';
import type { Tx } from '../../kit/connector.ts';
import { storedAgesOf } from '../../kit/monitoring/stored-age.ts';
import type { ProvenanceFacts } from '../../kit/provenance.ts';
import type { Claim, NewEvent, Services } from '../../kit/services.ts';
import type { Alarm, MeterInfo, Reading } from '../model.ts';
import type { EnergySettings } from '../settings.ts';

/** Stored state: ISO times when data was last received and of the newest reading. Shared between processes and kept across restarts. */
export interface LastReceived {
  readonly at: string;
  readonly newest: string | null;
}
/** Name of that state. */
export const LAST_RECEIVED = 'last heard';
/** Milliseconds. Minimum time between two reads of that state. */
const RELOAD_INTERVAL = 1_000;

/** Meters whose company and unit are cached. */
const MAX_CACHED_METERS = 20_000;

const latest = (a: Date | null, b: Date): Date => (a !== null && a >= b ? a : b);

/** Whose consumption a meter measures, and its unit. */
interface MeterOwner {
  readonly company: string | null;
  readonly unit: string;
}

/** Data of one batch. */
interface IngestedData {
  readonly readings: readonly Reading[];
  readonly meters?: readonly MeterInfo[];
  readonly alarms?: readonly Alarm[];
}

export class ReadingIngest {
  readonly #settings: EnergySettings;
  readonly #services: Services;
  readonly #owners = new Map<string, MeterOwner>();
  #receivedAt: Date | null = null;
  #newest: Date | null = null;
  #reloadedAt = Number.NEGATIVE_INFINITY;
  #savedMeters = '';

  constructor(settings: EnergySettings, services: Services) {
    this.#settings = settings;
    this.#services = services;
  }

  /** Age of the newest reading, in milliseconds; null before the first. */
  lag(): number | null {
    return this.#newest && Math.max(this.#services.clock.now().getTime() - this.#newest.getTime(), 0);
  }

  /** Provenance facts of stored readings; `recordedAt` null: of the newest reading. */
  async facts(call: Call, recordedAt: Date | null): Promise<ProvenanceFacts> {
    await this.#reloadLastReceived();
    return this.#services.guard.mirrorFacts(call, this.#receivedAt, recordedAt ?? this.#newest, this.#settings.fresh);
  }

  /** Another process may be the one that receives; it writes the state. */
  async #reloadLastReceived(): Promise<void> {
    const { clock, read, state } = this.#services;
    const now = clock.monotonic();
    const half = this.#settings.fresh / 2;
    if (this.#receivedAt !== null && storedAgesOf(clock).ageOf(this.#receivedAt) < half) return;
    if (now - this.#reloadedAt < Math.min(half, RELOAD_INTERVAL)) return;
    this.#reloadedAt = now;
    const stored = await read((tx) => state.get<LastReceived>(tx, LAST_RECEIVED));
    if (stored === null) return;
    this.#receivedAt = latest(this.#receivedAt, new Date(stored.at));
    if (stored.newest !== null) this.#newest = latest(this.#newest, new Date(stored.newest));
  }

  /** Stores the description of meters in its own transaction; does nothing when it is unchanged since the last call. */
  async saveMeters(meters: readonly MeterInfo[]): Promise<void> {
    const description = JSON.stringify(meters);
    if (description === this.#savedMeters) return;
    const owners = await this.#services.transaction((tx) => this.#writeMeters(tx, meters));
    this.#cacheOwners(owners);
    this.#savedMeters = description;
  }

  /**
   * Stores readings, meters and alarms, and emits events for readings younger than the setting `announce`, for every correction and
   * every alarm. Commits before it resolves. `inTransaction` runs in the same transaction; its result is returned. With `strict` it
   * rejects when an event does not match its type (see `Services.emit`).
   */
  async ingest<T = void>(
    { readings, meters = [], alarms = [] }: IngestedData,
    { inTransaction, strict = false }: { inTransaction?: (tx: Tx) => Promise<T>; strict?: boolean } = {},
  ): Promise<T | undefined> {
    const { store, clock, globalId, transaction, emit, state } = this.#services;
    const now = clock.now();
    const newest = readings.reduce((most, { time }) => latest(most, time), this.#newest);
    // Owners are cached only after the commit.
    const { loaded, result } = await transaction(async (tx) => {
      const owners = meters.length > 0 ? await this.#writeMeters(tx, meters) : new Map<string, MeterOwner>();
      await this.#loadOwners(
        tx,
        [...readings, ...alarms].map(({ serial }) => serial),
        owners,
      );
      const ownerOf = (serial: string) => owners.get(serial) ?? this.#owners.get(serial);
      const serials = new Map(readings.map(({ serial }) => [globalId(serial), serial]));
      const { corrected } = await store.energy.saveReadings(
        tx,
        readings.map(({ serial, ...reading }) => ({ ...reading, meter: globalId(serial) })),
        now,
      );
      await state.set(tx, LAST_RECEIVED, {
        at: now.toISOString(),
        newest: newest?.toISOString() ?? null,
      } satisfies LastReceived);
      const result = await inTransaction?.(tx);
      const live = readings.filter(({ time }) => now.getTime() - time.getTime() <= this.#settings.announce);
      const events = [
        ...live.map(
          (reading): NewEvent => ({
            ...this.#event('reading', reading, ownerOf(reading.serial)),
            kind: 'METER_READING_TAKEN',
            data: { value: reading.value, unit: ownerOf(reading.serial)?.unit ?? '1' },
          }),
        ),
        ...corrected.map((one): NewEvent => {
          const serial = serials.get(one.meter) as string;
          const { unit = '1' } = ownerOf(serial) ?? {};
          const event = this.#event('reading', { ...one, serial }, ownerOf(serial));
          return {
            ...event,
            // Each correction is a separate event.
            foreignId: `${event.foreignId} corrected ${one.revision} ${one.value} ${one.quality}`,
            kind: 'METER_READING_TAKEN',
            data: { value: one.value, unit, corrects: one.previous },
          };
        }),
        ...alarms.map(
          (alarm): NewEvent => ({
            ...this.#event('alarm', alarm, ownerOf(alarm.serial)),
            kind: 'METER_ALARM',
            data: { alarm: alarm.text },
          }),
        ),
      ];
      await emit(tx, events, { strict });
      return { loaded: owners, result };
    });
    this.#cacheOwners(loaded);
    this.#receivedAt = now;
    this.#newest = newest;
    return result;
  }

  /** The part of an event that does not depend on its kind. */
  #event(what: 'alarm' | 'reading', { serial, time }: Pick<Reading, 'serial' | 'time'>, owner: MeterOwner | undefined) {
    return {
      foreignId: `${what} ${serial} ${time.toISOString()}`,
      time,
      meter: this.#services.globalId(serial),
      company: owner?.company ?? null,
    };
  }

  /** Caches owners; the least recently loaded ones are dropped beyond the limit and read from the table when needed. */
  #cacheOwners(owners: ReadonlyMap<string, MeterOwner>): void {
    for (const [serial, owner] of owners) {
      this.#owners.delete(serial);
      this.#owners.set(serial, owner);
    }
    for (const serial of this.#owners.keys()) {
      if (this.#owners.size <= MAX_CACHED_METERS) break;
      this.#owners.delete(serial);
    }
  }

  /** Stores meters and registers their identifiers. Returns their owners by serial. */
  async #writeMeters(tx: Tx, meters: readonly MeterInfo[]): Promise<Map<string, MeterOwner>> {
    const { store, installation, globalId, building, identify } = this.#services;
    await store.energy.saveMeters(
      tx,
      meters.map((one) => ({
        id: globalId(one.serial),
        installation: installation.id,
        serial: one.serial,
        medium: one.medium,
        unit: one.unit,
        building: one.building === null ? null : building(one.building),
        company: one.company,
        modulus: one.modulus,
      })),
    );
    await identify(
      tx,
      meters.flatMap((one): Claim[] => [
        { entity: 'METER', key: globalId(one.serial), system: 'serial', value: one.serial },
        ...(one.company ? [{ entity: 'COMPANY', key: one.company, system: 'uscc', value: one.company } as const] : []),
        ...(one.company && one.customer
          ? [{ entity: 'COMPANY', key: one.company, system: 'meter-customer', value: one.customer } as const]
          : []),
      ]),
    );
    return new Map(meters.map((one) => [one.serial, { company: one.company, unit: one.unit }]));
  }

  /** Adds owners from the table to `owners`, for meters that are not described in this batch; registers unknown meters. */
  async #loadOwners(tx: Tx, serials: readonly string[], owners: Map<string, MeterOwner>): Promise<void> {
    const missing = [...new Set(serials)].filter((serial) => !owners.has(serial) && !this.#owners.has(serial));
    if (missing.length === 0) return;
    const { store, globalId, installation } = this.#services;
    const rows = await store.energy.metersByIds(tx, missing.map(globalId));
    for (const serial of missing) {
      const row = rows.get(globalId(serial));
      if (row?.unit) owners.set(serial, { company: row.company, unit: row.unit });
    }
    const unknown = missing.filter((serial) => !rows.has(globalId(serial)));
    await store.energy.addMissingMeters(
      tx,
      unknown.map((serial) => ({ id: globalId(serial), installation: installation.id, serial })),
    );
  }
}
