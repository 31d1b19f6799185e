/** Reads meters by Modbus or MQTT and stores their readings. Every request is answered from the stored readings. */
import type { Call } from '../../kit/call.ts';
import type { Drift, Job, Tx } from '../../kit/connector.ts';
import { loader, memoizeByArguments } from '../../kit/loader.ts';
import type { PageRequest } from '../../kit/pagination.ts';
import type { ProvenanceFacts } from '../../kit/provenance.ts';
import type { Services } from '../../kit/services.ts';
import type { EnergySettings } from '../settings.ts';
import { DriftDetector } from './drift-detector.ts';
import { MeterPoller } from './meter-poller.ts';
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
  /** Meters whose consumption is known in the bucket, of all meters of the key. */
  readonly reported: number;
  readonly known: number;
  /** Milliseconds of the bucket for which no consumption is known. */
  readonly missing: number;
}

/** Consumption of a company, building, park or meter in [from, to), over these installations. */
export interface EnergyQuery {
  readonly by: 'company' | 'building' | 'park' | 'meter';
  readonly installations: readonly string[];
  readonly medium: string | null;
  readonly from: Date;
  readonly to: Date;
  readonly bucket: string;
  /** Time zone of days, months and years. */
  readonly zone: string;
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

type KindsQuery = Pick<MeterSourcesQuery, 'by' | 'installations'>;

/** An installation and a medium of some meters. */
interface MeterKind {
  readonly installation: string;
  readonly medium: string | null;
}

export interface LatestReading {
  readonly time: Date;
  readonly value: string;
  readonly quality: string;
  readonly corrected: Date | null;
}

export type EnergyRequest = ReturnType<EnergySource['request']>;

export class EnergySource {
  readonly #services: Services;
  readonly #ingest: ReadingIngest;
  readonly #meters: MeterPoller | null;
  readonly #telemetry: MqttTelemetry | null;
  readonly #driftDetector: DriftDetector;

  constructor(settings: EnergySettings, services: Services) {
    this.#services = services;
    this.#ingest = new ReadingIngest(settings, services);
    const wired = settings.url.startsWith('modbus:');
    this.#driftDetector = new DriftDetector(
      () => services.suspectDrift(),
      () => services.clock.monotonic(),
    );
    this.#meters = wired ? new MeterPoller(settings, services, this.#ingest, this.#driftDetector) : null;
    this.#telemetry = wired ? null : new MqttTelemetry(settings, services, this.#ingest, this.#driftDetector);
  }

  get jobs(): readonly Job[] {
    return this.#telemetry?.jobs ?? this.#meters?.jobs ?? [];
  }

  /** Reads the first meter's register, or connects to the broker. */
  async check(call: Call): Promise<void> {
    await (this.#telemetry ?? this.#meters)?.check(call);
  }

  /** Mismatches found while polling and parsing; there is no separate comparison. */
  drift(): readonly Drift[] {
    return this.#driftDetector.drift();
  }

  /** Why the source is DEGRADED although it responds, or null. */
  deliveryProblem(): string | null {
    return (this.#telemetry ?? this.#meters)?.deliveryProblem() ?? null;
  }

  lag(): number | null {
    return this.#ingest.lag();
  }

  async close(): Promise<void> {
    this.#telemetry?.close();
    await this.#meters?.close();
  }

  /** Queries of one request. They read the database only; none reaches a meter. */
  request(call: Call) {
    const { store } = this.#services;
    const read = <T>(work: (tx: Tx) => Promise<T>) => this.#services.read(work, call);
    const meters = loader<StoredMeter>((ids) => read((tx) => store.energy.metersByIds(tx, ids)));
    const latest = loader<LatestReading>((ids) => read((tx) => store.energy.latestReadings(tx, ids)));
    /** The kinds of meters that pages in progress return as well, by key: they are not read again. */
    const kindsOfPages = memoizeByArguments((_: KindsQuery) => new Map<string, Promise<readonly MeterKind[]>>());
    const pages = memoizeByArguments(
      (args: { query: MeterQuery; page: { forward: boolean; limit: number; place: string | null } }) =>
        loader<readonly StoredMeter[]>(async (keys) => {
          const reading = read((tx) => store.energy.meterPages(tx, args.query.by, keys, args.query, args.page));
          const { by, installations } = args.query;
          const known = kindsOfPages({ by, installations });
          for (const key of keys)
            known.set(
              key,
              reading.then((found) => found.get(key)?.kinds ?? []),
            );
          for (const kinds of known.values()) kinds.catch(() => undefined);
          return new Map([...(await reading)].map(([key, { meters: page }]) => [key, page]));
        }),
    );
    const energy = memoizeByArguments((query: EnergyQuery) =>
      loader<ConsumptionBucket[]>(async (keys) => {
        const rows = await read((tx) => store.energy.consumption(tx, query.by, keys, query, query));
        const found = new Map<string, ConsumptionBucket[]>(keys.map((key) => [key, []]));
        for (const row of rows) found.get(row.key)?.push(row);
        return found;
      }),
    );
    const kinds = memoizeByArguments((query: KindsQuery) =>
      loader<readonly MeterKind[]>(async (keys) => {
        const known = kindsOfPages(query);
        const missing = keys.filter((key) => !known.has(key));
        const { by, installations } = query;
        const found: Map<string, readonly MeterKind[]> =
          missing.length > 0 ? await read((tx) => store.energy.meterKinds(tx, by, missing, installations)) : new Map();
        for (const key of keys) {
          const ofPage = await known.get(key);
          if (ofPage) found.set(key, ofPage);
        }
        return found;
      }),
    );
    const companiesByBuilding = memoizeByArguments((query: Pick<MeterSourcesQuery, 'installations' | 'medium'>) =>
      read((tx) => store.energy.companiesByBuilding(tx, query)),
    );
    return {
      /** Time zone of the installation's park. */
      zone: this.#services.installation.zone,
      meter: (id: string) => meters.load(id),
      latest: (id: string) => latest.load(id),
      meters: async (key: string, query: MeterQuery, page: PageRequest): Promise<readonly StoredMeter[]> => {
        const place = page.position === null ? null : String(page.position[0]);
        return (await pages({ query, page: { forward: page.forward, limit: page.size + 1, place } }).load(key)) ?? [];
      },
      meterCount: (key: string, query: MeterQuery) => read((tx) => store.energy.meterCount(tx, query.by, key, query)),
      /** Time before which readings were deleted by retention; null: none were. */
      droppedBefore: () => read((tx) => store.energy.droppedBefore(tx, 'readings')),
      energy: async (key: string, query: EnergyQuery): Promise<ConsumptionBucket[]> =>
        (await energy(query).load(key)) ?? [],
      /** Installations that have such meters. */
      sources: async (key: string, { by, installations, medium }: MeterSourcesQuery): Promise<string[]> => {
        const found = (await kinds({ by, installations }).load(key)) ?? [];
        const wanted = found.filter((kind) => medium === null || kind.medium === medium);
        return [...new Set(wanted.map(({ installation }) => installation))];
      },
      /** Companies with meters, by building (null: no building). */
      companiesByBuilding,
      facts: (recordedAt: Date | null = null): Promise<ProvenanceFacts> => this.#ingest.facts(call, recordedAt),
    };
  }
}
