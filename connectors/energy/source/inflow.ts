/** Registers on their way in: kept raw, told once, in one transaction. */
import type { Call, Claim, NewEvent, Services, Tx } from '../../kit/connector.ts';
import type { Facts } from '../../kit/provenance.ts';
import { momentsOf } from '../../kit/stored-age.ts';
import type { Alarm, MeterInfo, Reading } from '../model.ts';
import type { EnergySettings } from './index.ts';

/** What is kept of the last hearing, so that other processes and later lives know it. */
export interface Heard {
  readonly at: string;
  readonly newest: string | null;
}
/** Name of that state. */
export const HEARD = 'last heard';
/** It is asked for this often at most, in milliseconds. */
const RECALL = 1_000;

/** Meters whose company and unit are held in memory. */
const MOST_REMEMBERED = 20_000;

const later = (a: Date | null, b: Date): Date => (a !== null && a >= b ? a : b);

/** Whom a meter counts for, and in what. */
interface Counted {
  readonly company: string | null;
  readonly unit: string;
}

export class Inflow {
  readonly #settings: EnergySettings;
  readonly #services: Services;
  readonly #companies = new Map<string, Counted>();
  #heardAt: Date | null = null;
  #newest: Date | null = null;
  #askedAt = Number.NEGATIVE_INFINITY;
  #known = '';

  constructor(settings: EnergySettings, services: Services) {
    this.#settings = settings;
    this.#services = services;
  }

  /** Age of the newest register, in milliseconds. */
  lag(): number | null {
    return this.#newest && Math.max(this.#services.clock.now().getTime() - this.#newest.getTime(), 0);
  }

  /** Facts of mirrored registers. */
  async facts(call: Call, recordedAt: Date | null): Promise<Facts> {
    await this.#recall();
    return this.#services.guard.mirrored(call, this.#heardAt, recordedAt ?? this.#newest, this.#settings.fresh);
  }

  /** Another process may be the one that listens: what it has heard stands in the state. */
  async #recall(): Promise<void> {
    const { clock, read, state } = this.#services;
    const now = clock.monotonic();
    const half = this.#settings.fresh / 2;
    if (this.#heardAt !== null && momentsOf(clock).age(this.#heardAt) < half) return;
    if (now - this.#askedAt < Math.min(half, RECALL)) return;
    this.#askedAt = now;
    const kept = await read((tx) => state.get<Heard>(tx, HEARD));
    if (kept === null) return;
    this.#heardAt = later(this.#heardAt, new Date(kept.at));
    if (kept.newest !== null) this.#newest = later(this.#newest, new Date(kept.newest));
  }

  /** Keeps what meters are, in a transaction of its own; does nothing when it is known already. */
  async know(meters: readonly MeterInfo[]): Promise<void> {
    const mark = JSON.stringify(meters);
    if (mark === this.#known) return;
    const told = await this.#services.transaction((tx) => this.#save(tx, meters));
    this.#remember(told);
    this.#known = mark;
  }

  /**
   * Keeps readings, meters and alarms, and writes events of those that are of now, and of every correction. Commits before it resolves;
   * answers what `also` has made in the same transaction. `strict`: rejects with `EventRefused` where an event of them does not fit its
   * type.
   */
  async take<T = void>(
    readings: readonly Reading[],
    meters: readonly MeterInfo[],
    alarms: readonly Alarm[] = [],
    also?: (tx: Tx) => Promise<T>,
    strict = false,
  ): Promise<T | undefined> {
    const { store, clock, globalId, transaction, emit, state } = this.#services;
    const now = clock.now();
    const newest = readings.reduce((most, { time }) => later(most, time), this.#newest);
    // What a transaction has told is believed once it is committed.
    const { learned, made } = await transaction(async (tx) => {
      const told = meters.length > 0 ? await this.#save(tx, meters) : new Map<string, Counted>();
      await this.#learn(
        tx,
        [...readings, ...alarms].map((one) => one.serial),
        told,
      );
      const counted = (serial: string) => told.get(serial) ?? this.#companies.get(serial);
      const serials = new Map(readings.map((one) => [globalId(one.serial), one.serial]));
      const { corrected } = await store.energy.saveReadings(
        tx,
        readings.map(({ serial, ...one }) => ({ ...one, meter: globalId(serial) })),
        now,
      );
      await state.set(tx, HEARD, { at: now.toISOString(), newest: newest?.toISOString() ?? null } satisfies Heard);
      const made = await also?.(tx);
      const live = readings.filter((one) => now.getTime() - one.time.getTime() <= this.#settings.announce);
      const events = [
        ...live.map(
          (one): NewEvent =>
            this.#event(one, 'METER_READING_TAKEN', counted(one.serial), {
              value: one.value,
              unit: counted(one.serial)?.unit ?? '1',
            }),
        ),
        ...corrected.map((one): NewEvent => {
          const serial = serials.get(one.meter) as string;
          const { unit = '1' } = counted(serial) ?? {};
          const event = this.#event({ ...one, serial }, 'METER_READING_TAKEN', counted(serial), {
            ...{ value: one.value, unit, corrects: one.before },
          });
          // Each correction is an event of its own.
          return { ...event, foreignId: `${event.foreignId} corrected ${one.revision} ${one.value} ${one.quality}` };
        }),
        ...alarms.map((one): NewEvent => this.#event(one, 'METER_ALARM', counted(one.serial), { alarm: one.text })),
      ];
      await emit(tx, events, { strict });
      return { learned: told, made };
    });
    this.#remember(learned);
    this.#heardAt = now;
    this.#newest = newest;
    return made;
  }

  #event(
    { serial, time }: Pick<Reading, 'serial' | 'time'>,
    kind: 'METER_READING_TAKEN' | 'METER_ALARM',
    counted: Counted | undefined,
    data: Record<string, unknown>,
  ): NewEvent {
    return {
      foreignId: `${kind === 'METER_ALARM' ? 'alarm' : 'reading'} ${serial} ${time.toISOString()}`,
      kind,
      time,
      meter: this.#services.globalId(serial),
      company: counted?.company ?? null,
      data,
    };
  }

  /** Of so many meters at most, those of whom it was learned last: the others stand in the table. */
  #remember(learned: ReadonlyMap<string, Counted>): void {
    for (const [serial, one] of learned) {
      this.#companies.delete(serial);
      this.#companies.set(serial, one);
    }
    for (const serial of this.#companies.keys()) {
      if (this.#companies.size <= MOST_REMEMBERED) break;
      this.#companies.delete(serial);
    }
  }

  /** Answers what the meters told of themselves. */
  async #save(tx: Tx, meters: readonly MeterInfo[]): Promise<Map<string, Counted>> {
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

  /** Whom a meter counts for: from the table, when a reading comes before its meter has told. */
  async #learn(tx: Tx, serials: readonly string[], told: Map<string, Counted>): Promise<void> {
    const missing = [...new Set(serials)].filter((serial) => !told.has(serial) && !this.#companies.has(serial));
    if (missing.length === 0) return;
    const { store, globalId, installation } = this.#services;
    const rows = await store.energy.metersByIds(tx, missing.map(globalId));
    for (const serial of missing) {
      const row = rows.get(globalId(serial));
      if (row?.unit) told.set(serial, { company: row.company, unit: row.unit });
    }
    const unknown = missing.filter((serial) => !rows.has(globalId(serial)));
    await store.energy.meetMeters(
      tx,
      unknown.map((serial) => ({ id: globalId(serial), installation: installation.id, serial })),
    );
  }
}
