/** The only room that talks to meters; keeps their registers, and answers from what was kept. */
import { readFileSync } from 'node:fs';
import type { Values } from '../../kit/config/settings.ts';
import type { Call, Drift, Job, Services } from '../../kit/connector.ts';
import { SourceError } from '../../kit/errors.ts';
import { byArguments, loader } from '../../kit/loader.ts';
import type { PageRequest } from '../../kit/pagination.ts';
import type { Facts } from '../../kit/provenance.ts';
import { inHalves } from '../../kit/tasks/group-commit.ts';
import * as mapping from '../mapping/index.ts';
import type { Reading, WiredMeter } from '../model.ts';
import type { energySettings } from '../settings.ts';
import { Fit } from './drift-detector.ts';
import { Inflow } from './inflow.ts';
import { ModbusGateway } from './modbus.ts';
import { Telemetry } from './telemetry.ts';

export type EnergySettings = Values<typeof energySettings>;

/** A meter as the hub keeps it. */
export interface KnownMeter {
  readonly id: string;
  readonly installation: string;
  readonly medium: string | null;
  readonly unit: string | null;
  readonly building: string | null;
  readonly company: string | null;
}

export interface Bucket {
  readonly start: Date;
  readonly value: string | null;
  readonly quality: string;
  readonly unit: string | null;
  readonly corrected: Date | null;
}

/** Which consumption, of all installations named. */
export interface EnergyQuery {
  readonly by: 'company' | 'building' | 'park' | 'meter';
  readonly installations: readonly string[];
  readonly medium: string | null;
  readonly from: Date;
  readonly to: Date;
  readonly bucket: string;
}

/** Which meters. */
export interface MetersQuery {
  readonly by: 'company' | 'building';
  readonly installations: readonly string[];
  readonly ids: readonly string[] | undefined;
  readonly media: readonly string[] | undefined;
  /** Only meters of these: what the caller may see. */
  readonly companies: readonly string[] | undefined;
}

/** Whose meters, where from. */
export interface SourcesQuery {
  readonly by: 'company' | 'building' | 'park' | 'meter';
  readonly installations: readonly string[];
  readonly medium: string | null;
}

export interface Latest {
  readonly time: Date;
  readonly value: string;
  readonly quality: string;
  readonly corrected: Date | null;
}

/** So many registers that could not be committed are kept in memory, the newest. */
const MOST_UNKEPT = 10_000;
/** So many meters silent in a row: the gateway is frozen. */
const SILENT = 3;
/** The park's calendar. */
const ZONE = 'Asia/Shanghai';

export type EnergyRequest = ReturnType<EnergySource['request']>;

export class EnergySource {
  readonly #settings: EnergySettings;
  readonly #services: Services;
  readonly #inflow: Inflow;
  readonly #gateway: ModbusGateway | null;
  readonly #telemetry: Telemetry | null;
  readonly #meters: readonly WiredMeter[];
  /** Read and not yet committed: a register that is asked for later is another reading, so they come with the next round. */
  #unkept: readonly Reading[] = [];
  readonly #fit: Fit;
  #recalled = false;
  /** Where the next round begins. */
  #first = 0;

  constructor(settings: EnergySettings, services: Services) {
    this.#settings = settings;
    this.#services = services;
    this.#inflow = new Inflow(settings, services);
    const wired = settings.url.startsWith('modbus:');
    this.#gateway = wired ? new ModbusGateway(settings.url, settings.pause, settings.timeout, services) : null;
    this.#fit = new Fit(
      () => services.suspect(),
      () => services.clock.monotonic(),
    );
    this.#telemetry = wired ? null : new Telemetry(settings, services, this.#inflow, this.#fit);
    this.#meters = wired ? metersOf(settings) : [];
  }

  get jobs(): readonly Job[] {
    if (this.#telemetry) return this.#telemetry.jobs;
    return [{ name: 'poll meters', every: this.#settings.poll, run: () => this.#round() }];
  }

  /** One cheap question: the first meter's register, or a visit to the broker. */
  async check(call: Call): Promise<void> {
    if (this.#telemetry) return this.#telemetry.check(call);
    const first = this.#meters[0];
    if (first) await this.#gateway?.read(call, first, 'check');
    else await this.#gateway?.reach(call);
  }

  /** What the rounds and payloads have shown: each of them compares every meter with what it is taken for. */
  drift(): readonly Drift[] {
    return this.#fit.drift();
  }

  /** What is amiss though the source answers, or null. */
  complaint(): string | null {
    if (this.#telemetry) return this.#telemetry.complaint();
    // A connection alone is no answer.
    return this.#meters.length > 0 ? null : 'no meters are configured: name them by sheet or meters';
  }

  lag(): number | null {
    return this.#inflow.lag();
  }

  async close(): Promise<void> {
    this.#telemetry?.close();
    await this.#gateway?.close();
  }

  /** Everything is answered from what was kept; no call here reaches a meter. */
  request(call: Call) {
    const { store, read } = this.#services;
    const meters = loader<KnownMeter>((ids) => read((tx) => store.energy.metersByIds(tx, ids)));
    const latest = loader<Latest>((ids) => read((tx) => store.energy.latestReadings(tx, ids)));
    const pages = byArguments(
      (args: { query: MetersQuery; page: { forward: boolean; limit: number; place: string | null } }) =>
        loader<KnownMeter[]>((keys) =>
          read((tx) => store.energy.meterPages(tx, args.query.by, keys, args.query, args.page)),
        ),
    );
    const energy = byArguments((query: EnergyQuery) =>
      loader<Bucket[]>(async (keys) => {
        const rows = await read((tx) => store.energy.consumption(tx, query.by, keys, query, { ...query, zone: ZONE }));
        const found = new Map<string, Bucket[]>(keys.map((key) => [key, []]));
        for (const row of rows) found.get(row.key)?.push(row);
        return found;
      }),
    );
    const sources = byArguments((query: SourcesQuery) =>
      loader<string[]>((keys) => read((tx) => store.energy.meterSources(tx, query.by, keys, query))),
    );
    const companiesByBuilding = byArguments((query: Pick<SourcesQuery, 'installations' | 'medium'>) =>
      read((tx) => store.energy.companiesByBuilding(tx, query)),
    );
    return {
      meter: (id: string) => meters.load(id),
      latest: (id: string) => latest.load(id),
      meters: async (key: string, query: MetersQuery, page: PageRequest): Promise<KnownMeter[]> => {
        const place = page.place === null ? null : String(page.place[0]);
        return (await pages({ query, page: { forward: page.forward, limit: page.size + 1, place } }).load(key)) ?? [];
      },
      meterCount: (key: string, query: MetersQuery) => read((tx) => store.energy.meterCount(tx, query.by, key, query)),
      /** The time before which readings are past retention and gone; null: none are. */
      droppedBefore: () => read((tx) => store.energy.droppedBefore(tx, 'readings')),
      energy: async (key: string, query: EnergyQuery): Promise<Bucket[]> => (await energy(query).load(key)) ?? [],
      /** Installations that have such meters; none where nobody has. */
      sources: async (key: string, { by, installations, medium }: SourcesQuery): Promise<string[]> =>
        (await sources({ by, installations, medium }).load(key)) ?? [],
      /** Whose meters stand in which building (null: in none). */
      companiesByBuilding,
      facts: (recordedAt: Date | null = null): Promise<Facts> => this.#inflow.facts(call, recordedAt),
    };
  }

  /** Holds the counters against what they showed before; at first against what former processes have kept. */
  async #compare(readings: readonly Reading[]): Promise<void> {
    const { read, store, globalId } = this.#services;
    const moduli = new Map(
      this.#meters.map(({ serial, modulus }) => [serial, modulus === null ? null : Number(modulus)]),
    );
    const count = (serial: string, value: string) =>
      this.#fit.counted(serial, Number(value), moduli.get(serial) ?? null);
    if (!this.#recalled) {
      const ids = new Map([...moduli.keys()].map((serial) => [globalId(serial), serial]));
      const rows = await read((tx) => store.energy.latestReadings(tx, [...ids.keys()]));
      for (const [id, { value }] of rows) count(ids.get(id) as string, value);
      this.#recalled = true;
    }
    for (const { serial, value } of readings) count(serial, value);
  }

  /**
   * One round over all meters, one after the other. A silent meter is told, and the others are read on; when several in a row
   * keep silent the gateway is taken for frozen and the round ends, the next one beginning behind them.
   */
  async #round(): Promise<void> {
    const gateway = this.#gateway;
    if (!gateway || this.#meters.length === 0) return;
    const found: Reading[] = [];
    let fault: unknown = null;
    let silent = 0;
    const first = this.#first;
    for (let n = 0; n < this.#meters.length; n++) {
      if (this.#services.signal.aborted) return;
      const place = (first + n) % this.#meters.length;
      const meter = this.#meters[place] as WiredMeter;
      try {
        const call = this.#services.call(this.#settings.timeout * 3);
        const { value, at } = await gateway.read(call, meter, 'poll meters');
        found.push({ serial: meter.serial, time: at, value, quality: 'GOOD', origin: `unit ${meter.unitId}` });
        this.#fit.fits(`register map ${meter.map}`, meter.serial);
        silent = 0;
      } catch (error) {
        fault ??= error;
        const unfit = error instanceof SourceError && /REJECTED|MALFORMED/.test(error.code);
        if (unfit) this.#fit.fails(`register map ${meter.map}`, meter.serial);
        this.#services.log.debug('A meter gave no register.', { serial: meter.serial, error });
        silent = error instanceof SourceError && error.code === 'SOURCE_TIMEOUT' ? silent + 1 : 0;
        if (gateway.connected && silent < SILENT) continue;
        this.#first = (place + 1) % this.#meters.length;
        break;
      }
    }
    this.#unkept = [...this.#unkept, ...found].slice(-MOST_UNKEPT);
    await this.#inflow.know(this.#meters);
    await this.#compare(this.#unkept);
    if (this.#unkept.length > 0)
      await inHalves(
        this.#unkept,
        async (part) => {
          await this.#inflow.take(part, []);
        },
        ({ serial }, error) => this.#services.log.warn('A register cannot be kept and is left out.', { serial, error }),
      );
    this.#unkept = [];
    if (fault !== null && found.length === 0) throw fault;
  }
}

/** Meters of the sheet and of the settings, checked together. */
function metersOf(settings: EnergySettings): readonly WiredMeter[] {
  const sheet = settings.sheet ? mapping.meterSheet(readFileSync(settings.sheet, 'utf8')) : [];
  const listed = settings.meters.length > 0 ? mapping.meterList(settings.meters) : [];
  const twice = listed.find((one) => sheet.some((other) => other.serial === one.serial));
  if (twice) throw new Error(`Meter ${twice.serial} stands in the sheet and in the settings.`);
  return [...sheet, ...listed];
}
