/** Registers on their way in: kept raw, told once, in one transaction. */
import type { Call, Claim, NewEvent, Services, Tx } from '../../kit/connector.ts';
import type { Facts } from '../../kit/facts.ts';
import type { Alarm, MeterInfo, Reading } from '../model.ts';
import type { EnergySettings } from './index.ts';

export class Inflow {
  readonly #settings: EnergySettings;
  readonly #services: Services;
  readonly #companies = new Map<string, { company: string | null; unit: string }>();
  #heardAt: Date | null = null;
  #newest: Date | null = null;
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
    if (this.#heardAt === null) {
      const kept = await this.#services.read((tx) => this.#services.state.get<string>(tx, 'heard'));
      if (kept) this.#heardAt = new Date(kept);
    }
    return this.#services.guard.mirrored(call, this.#heardAt, recordedAt ?? this.#newest, this.#settings.fresh);
  }

  /** Keeps what meters are, in a transaction of its own; does nothing when it is known already. */
  async know(meters: readonly MeterInfo[]): Promise<void> {
    const mark = JSON.stringify(meters);
    if (mark === this.#known) return;
    await this.#services.transaction((tx) => this.#save(tx, meters));
    this.#known = mark;
  }

  /** Keeps readings, meters and alarms, and tells of those that are of now. Commits before it resolves. */
  async take(
    readings: readonly Reading[],
    meters: readonly MeterInfo[],
    alarms: readonly Alarm[] = [],
    also?: (tx: Tx) => Promise<void>,
  ): Promise<void> {
    const { store, clock, globalId, transaction, emit, state } = this.#services;
    const now = clock.now();
    await transaction(async (tx) => {
      if (meters.length > 0) await this.#save(tx, meters);
      await this.#learn(
        tx,
        [...readings, ...alarms].map((one) => one.serial),
      );
      await store.energy.saveReadings(
        tx,
        readings.map((one) => ({
          meter: globalId(one.serial),
          time: one.time,
          value: one.value,
          quality: one.quality,
        })),
      );
      await state.set(tx, 'heard', now.toISOString());
      await also?.(tx);
      const live = readings.filter((one) => now.getTime() - one.time.getTime() <= this.#settings.announce);
      await emit(tx, [
        ...live.map(
          (one): NewEvent =>
            this.#event(one.serial, 'METER_READING_TAKEN', one.time, {
              value: one.value,
              unit: this.#companies.get(one.serial)?.unit ?? '1',
            }),
        ),
        ...alarms.map((one): NewEvent => this.#event(one.serial, 'METER_ALARM', one.time, { alarm: one.text })),
      ]);
    });
    this.#heardAt = now;
    for (const { time } of readings) if (this.#newest === null || time > this.#newest) this.#newest = time;
  }

  #event(
    serial: string,
    kind: 'METER_READING_TAKEN' | 'METER_ALARM',
    time: Date,
    data: Record<string, unknown>,
  ): NewEvent {
    return {
      foreignId: `${kind === 'METER_ALARM' ? 'alarm' : 'reading'} ${serial} ${time.toISOString()}`,
      kind,
      time,
      meter: this.#services.globalId(serial),
      company: this.#companies.get(serial)?.company ?? null,
      data,
    };
  }

  async #save(tx: Tx, meters: readonly MeterInfo[]): Promise<void> {
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
    for (const one of meters) this.#companies.set(one.serial, { company: one.company, unit: one.unit });
  }

  /** Whom a meter counts for: from the table, when a reading comes before its meter has told. */
  async #learn(tx: Tx, serials: readonly string[]): Promise<void> {
    const missing = [...new Set(serials)].filter((serial) => !this.#companies.has(serial));
    if (missing.length === 0) return;
    const { store, globalId, installation } = this.#services;
    const rows = await store.energy.metersByIds(tx, missing.map(globalId));
    for (const serial of missing) {
      const row = rows.get(globalId(serial));
      if (row?.unit) this.#companies.set(serial, { company: row.company, unit: row.unit });
    }
    const unknown = missing.filter((serial) => !rows.has(globalId(serial)));
    await store.energy.saveMeters(
      tx,
      unknown.map((serial) => ({
        id: globalId(serial),
        installation: installation.id,
        serial,
        medium: null,
        unit: null,
        building: null,
        company: null,
        modulus: null,
      })),
    );
  }
}
