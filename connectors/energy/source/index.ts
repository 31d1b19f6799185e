/** Reads meters by Modbus or MQTT and stores their readings. Every request is answered from the stored readings. */
import { readFileSync } from 'node:fs';
import type { Call } from '../../kit/call.ts';

import type { Drift, Job } from '../../kit/connector.ts';
import { SourceError } from '../../kit/errors.ts';
import { loader, memoizeByArguments } from '../../kit/loader.ts';
import type { PageRequest } from '../../kit/pagination.ts';
import type { ProvenanceFacts } from '../../kit/provenance.ts';
import type { Services } from '../../kit/services.ts';
import { bisectBatch } from '../../kit/tasks/group-commit.ts';
import * as mapping from '../mapping/index.ts';
import type { Reading, WiredMeter } from '../model.ts';
import type { EnergySettings } from '../settings.ts';
import { DriftDetector } from './drift-detector.ts';
import { ModbusGateway } from './modbus-gateway.ts';
import { MqttTelemetry } from './mqtt-telemetry.ts';
import { ReadingIngest } from './reading-ingest.ts';

/** A meter as stored by the hub. */
export interface StoredMeter {
  readonly id: string;
  readonly installation: string;
  readonly medium: string | null;
  readonly unit: string | null;
  readonly building: string | null;
  readonly company: string | null;
}

export interface ConsumptionBucket {
  readonly start: Date;
  readonly value: string | null;
  readonly quality: string;
  readonly unit: string | null;
  readonly corrected: Date | null;
}

/** Consumption of a company, building, park or meter in [from, to), over these installations. */
export interface EnergyQuery {
  readonly by: 'company' | 'building' | 'park' | 'meter';
  readonly installations: readonly string[];
  readonly medium: string | null;
  readonly from: Date;
  readonly to: Date;
  readonly bucket: string;
}

/** Meters of a company or building. */
export interface MeterQuery {
  readonly by: 'company' | 'building';
  readonly installations: readonly string[];
  readonly ids: readonly string[] | undefined;
  readonly media: readonly string[] | undefined;
  /** Only meters of these companies: those that the caller may see. Undefined: all. */
  readonly companies: readonly string[] | undefined;
}

/** Installations among these that have meters of a company, building, park or meter id. */
export interface MeterSourcesQuery {
  readonly by: 'company' | 'building' | 'park' | 'meter';
  readonly installations: readonly string[];
  readonly medium: string | null;
}

export interface LatestReading {
  readonly time: Date;
  readonly value: string;
  readonly quality: string;
  readonly corrected: Date | null;
}

/** Maximum number of readings kept in memory while commits fail; the oldest are dropped. */
const MAX_PENDING = 10_000;
/** After this many silent meters in a row, the gateway is assumed to be frozen. */
const MAX_SILENT_METERS = 3;
/** Time zone of days, months and years. */
const ZONE = 'Asia/Shanghai';

export type EnergyRequest = ReturnType<EnergySource['request']>;

export class EnergySource {
  readonly #settings: EnergySettings;
  readonly #services: Services;
  readonly #ingest: ReadingIngest;
  readonly #gateway: ModbusGateway | null;
  readonly #telemetry: MqttTelemetry | null;
  readonly #meters: readonly WiredMeter[];
  /** Readings that are not committed yet. They are committed with the next poll, because a later read gives other values. */
  #pending: readonly Reading[] = [];
  readonly #driftDetector: DriftDetector;
  #countersLoaded = false;
  /** Index of the meter at which the next poll starts. */
  #nextMeter = 0;

  constructor(settings: EnergySettings, services: Services) {
    this.#settings = settings;
    this.#services = services;
    this.#ingest = new ReadingIngest(settings, services);
    const wired = settings.url.startsWith('modbus:');
    this.#gateway = wired ? new ModbusGateway(settings.url, settings.pause, settings.timeout, services) : null;
    this.#driftDetector = new DriftDetector(
      () => services.suspectDrift(),
      () => services.clock.monotonic(),
    );
    this.#telemetry = wired ? null : new MqttTelemetry(settings, services, this.#ingest, this.#driftDetector);
    this.#meters = wired ? configuredMeters(settings) : [];
  }

  get jobs(): readonly Job[] {
    if (this.#telemetry) return this.#telemetry.jobs;
    return [{ name: 'poll meters', every: this.#settings.poll, run: () => this.#pollMeters() }];
  }

  /** Reads the first meter's register, or connects to the broker. */
  async check(call: Call): Promise<void> {
    if (this.#telemetry) return this.#telemetry.check(call);
    const first = this.#meters[0];
    if (first) await this.#gateway?.read(call, first, 'check');
    else await this.#gateway?.connect(call);
  }

  /** Mismatches found while polling and parsing; there is no separate comparison. */
  drift(): readonly Drift[] {
    return this.#driftDetector.drift();
  }

  /** Why the source is DEGRADED although it responds, or null. */
  deliveryProblem(): string | null {
    if (this.#telemetry) return this.#telemetry.deliveryProblem();
    // Without meters, a connection to the gateway proves nothing.
    return this.#meters.length > 0 ? null : 'no meters are configured; set sheet or meters';
  }

  lag(): number | null {
    return this.#ingest.lag();
  }

  async close(): Promise<void> {
    this.#telemetry?.close();
    await this.#gateway?.close();
  }

  /** Queries of one request. They read the database only; none reaches a meter. */
  request(call: Call) {
    const { store, read } = this.#services;
    const meters = loader<StoredMeter>((ids) => read((tx) => store.energy.metersByIds(tx, ids)));
    const latest = loader<LatestReading>((ids) => read((tx) => store.energy.latestReadings(tx, ids)));
    const pages = memoizeByArguments(
      (args: { query: MeterQuery; page: { forward: boolean; limit: number; place: string | null } }) =>
        loader<StoredMeter[]>((keys) =>
          read((tx) => store.energy.meterPages(tx, args.query.by, keys, args.query, args.page)),
        ),
    );
    const energy = memoizeByArguments((query: EnergyQuery) =>
      loader<ConsumptionBucket[]>(async (keys) => {
        const rows = await read((tx) => store.energy.consumption(tx, query.by, keys, query, { ...query, zone: ZONE }));
        const found = new Map<string, ConsumptionBucket[]>(keys.map((key) => [key, []]));
        for (const row of rows) found.get(row.key)?.push(row);
        return found;
      }),
    );
    const sources = memoizeByArguments((query: MeterSourcesQuery) =>
      loader<string[]>((keys) => read((tx) => store.energy.meterSources(tx, query.by, keys, query))),
    );
    const companiesByBuilding = memoizeByArguments((query: Pick<MeterSourcesQuery, 'installations' | 'medium'>) =>
      read((tx) => store.energy.companiesByBuilding(tx, query)),
    );
    return {
      meter: (id: string) => meters.load(id),
      latest: (id: string) => latest.load(id),
      meters: async (key: string, query: MeterQuery, page: PageRequest): Promise<StoredMeter[]> => {
        const place = page.position === null ? null : String(page.position[0]);
        return (await pages({ query, page: { forward: page.forward, limit: page.size + 1, place } }).load(key)) ?? [];
      },
      meterCount: (key: string, query: MeterQuery) => read((tx) => store.energy.meterCount(tx, query.by, key, query)),
      /** Time before which readings were deleted by retention; null: none were. */
      droppedBefore: () => read((tx) => store.energy.droppedBefore(tx, 'readings')),
      energy: async (key: string, query: EnergyQuery): Promise<ConsumptionBucket[]> =>
        (await energy(query).load(key)) ?? [],
      /** Installations that have such meters. */
      sources: async (key: string, { by, installations, medium }: MeterSourcesQuery): Promise<string[]> =>
        (await sources({ by, installations, medium }).load(key)) ?? [],
      /** Companies with meters, by building (null: no building). */
      companiesByBuilding,
      facts: (recordedAt: Date | null = null): Promise<ProvenanceFacts> => this.#ingest.facts(call, recordedAt),
    };
  }

  /** Compares counters with their previous values; the first time with the values stored by earlier processes. */
  async #recordCounters(readings: readonly Reading[]): Promise<void> {
    const { read, store, globalId } = this.#services;
    const moduli = new Map(
      this.#meters.map(({ serial, modulus }) => [serial, modulus === null ? null : Number(modulus)]),
    );
    const count = (serial: string, value: string) =>
      this.#driftDetector.recordCounter(serial, Number(value), moduli.get(serial) ?? null);
    if (!this.#countersLoaded) {
      const ids = new Map([...moduli.keys()].map((serial) => [globalId(serial), serial]));
      const rows = await read((tx) => store.energy.latestReadings(tx, [...ids.keys()]));
      for (const [id, { value }] of rows) count(ids.get(id) as string, value);
      this.#countersLoaded = true;
    }
    for (const { serial, value } of readings) count(serial, value);
  }

  /**
   * Reads all meters one after the other and commits their readings. A silent meter is logged and skipped; after several in a row the
   * poll ends, and the next one starts behind them. Rejects with the first error when no meter could be read.
   */
  async #pollMeters(): Promise<void> {
    const gateway = this.#gateway;
    if (!gateway || this.#meters.length === 0) return;
    const found: Reading[] = [];
    let firstError: unknown = null;
    let silent = 0;
    const first = this.#nextMeter;
    for (let offset = 0; offset < this.#meters.length; offset++) {
      if (this.#services.signal.aborted) return;
      const index = (first + offset) % this.#meters.length;
      const meter = this.#meters[index] as WiredMeter;
      try {
        const call = this.#services.call(this.#settings.timeout * 3);
        const { value, at } = await gateway.read(call, meter, 'poll meters');
        found.push({ serial: meter.serial, time: at, value, quality: 'GOOD', origin: `unit ${meter.unitId}` });
        this.#driftDetector.recordMatch(`register map ${meter.map}`, meter.serial);
        silent = 0;
      } catch (error) {
        firstError ??= error;
        const mismatch = error instanceof SourceError && /REJECTED|MALFORMED/.test(error.code);
        if (mismatch) this.#driftDetector.recordMismatch(`register map ${meter.map}`, meter.serial);
        this.#services.log.debug('Failed to read a meter.', { serial: meter.serial, error });
        silent = error instanceof SourceError && error.code === 'SOURCE_TIMEOUT' ? silent + 1 : 0;
        if (gateway.isConnected && silent < MAX_SILENT_METERS) continue;
        this.#nextMeter = (index + 1) % this.#meters.length;
        break;
      }
    }
    this.#pending = [...this.#pending, ...found].slice(-MAX_PENDING);
    await this.#ingest.saveMeters(this.#meters);
    await this.#recordCounters(this.#pending);
    if (this.#pending.length > 0)
      await bisectBatch(
        this.#pending,
        async (part) => {
          await this.#ingest.ingest({ readings: part });
        },
        ({ serial }, error) => this.#services.log.warn('Skipped a reading that cannot be stored.', { serial, error }),
      );
    this.#pending = [];
    if (firstError !== null && found.length === 0) throw firstError;
  }
}

/** Meters of the sheet and of the settings. Throws when a serial occurs in both. */
function configuredMeters(settings: EnergySettings): readonly WiredMeter[] {
  const sheet = settings.sheet ? mapping.parseMeterSheet(readFileSync(settings.sheet, 'utf8')) : [];
  const listed = settings.meters.length > 0 ? mapping.parseMeterList(settings.meters) : [];
  const duplicate = listed.find(({ serial }) => sheet.some((other) => other.serial === serial));
  if (duplicate) {
    throw new Error(
      `Meter ${duplicate.serial} is listed in the sheet and in the settings. Remove one of the two entries.`,
    );
  }
  return [...sheet, ...listed];
}
