/** Registers on their way in: kept raw, told once, in one transaction. */
import type { Call, Claim, NewEvent, Services, Tx } from '../../kit/connector.ts';
import type { Facts } from '../../kit/facts.ts';
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
  #askedAt = 0;
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
    const now = clock.now().getTime();
    const half = this.#settings.fresh / 2;
    if (this.#heardAt !== null && now - this.#heardAt.getTime() < half) return;
    if (Math.abs(now - this.#askedAt) < Math.min(half, RECALL)) return;
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
    for (const [serial, one] of told) this.#companies.set(serial, one);
    this.#known = mark;
  }

  /**
   * Keeps readings, meters and alarms, and tells of those that are of now. Commits before it resolves. `strict`: rejects with
   * `EventRefused` where an event of them does not fit its type.
   */
  async take(
    readings: readonly Reading[],
    meters: readonly MeterInfo[],
    alarms: readonly Alarm[] = [],
    also?: (tx: Tx) => Promise<void>,
    strict = false,
  ): Promise<void> {
    const { store, clock, globalId, transaction, emit, state } = this.#services;
    const now = clock.now();
    const newest = readings.reduce((most, { time }) => later(most, time), this.#newest);
    // What a transaction has told is believed once it is committed.
    const learned = await transaction(async (tx) => {
      const told = meters.length > 0 ? await this.#save(tx, meters) : new Map<string, Counted>();
      await this.#learn(
        tx,
        [...readings, ...alarms].map((one) => one.serial),
        told,
      );
      const counted = (serial: string) => told.get(serial) ?? this.#companies.get(serial);
      await store.energy.saveReadings(
        tx,
        readings.map((one) => ({
          meter: globalId(one.serial),
          time: one.time,
          value: one.value,
          quality: one.quality,
        })),
      );
      await state.set(tx, HEARD, { at: now.toISOString(), newest: newest?.toISOString() ?? null } satisfies Heard);
      await also?.(tx);
      const live = readings.filter((one) => now.getTime() - one.time.getTime() <= this.#settings.announce);
      const events = [
        ...live.map(
          (one): NewEvent =>
            this.#event(one, 'METER_READING_TAKEN', counted(one.serial), {
              value: one.value,
              unit: counted(one.serial)?.unit ?? '1',
            }),
        ),
        ...alarms.map((one): NewEvent => this.#event(one, 'METER_ALARM', counted(one.serial), { alarm: one.text })),
      ];
      await emit(tx, events, { strict });
      return told;
    });
    for (const [serial, one] of learned) this.#companies.set(serial, one);
    this.#heardAt = now;
    this.#newest = newest;
  }

  #event(
    { serial, time }: Reading | Alarm,
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
