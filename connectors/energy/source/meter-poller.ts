/** Polls the meters behind a Modbus gateway and commits their readings. */
import { readFileSync } from 'node:fs';
import type { Call } from '../../kit/call.ts';
import type { Job } from '../../kit/connector.ts';
import { SourceError } from '../../kit/errors.ts';
import type { Services } from '../../kit/services.ts';
import { bisectBatch } from '../../kit/tasks/group-commit.ts';
import * as mapping from '../mapping/index.ts';
import type { Reading, WiredMeter } from '../model.ts';
import type { EnergySettings } from '../settings.ts';
import type { DriftDetector } from './drift-detector.ts';
import { ModbusGateway } from './modbus-gateway.ts';
import type { ReadingIngest } from './reading-ingest.ts';

/** Maximum number of readings kept in memory while commits fail; the oldest are dropped. */
const MAX_PENDING = 10_000;
/** After this many silent meters in a row, the gateway is assumed to be frozen. */
const MAX_SILENT_METERS = 3;
export class MeterPoller {
  readonly #settings: EnergySettings;
  readonly #services: Services;
  readonly #ingest: ReadingIngest;
  readonly #driftDetector: DriftDetector;
  readonly #gateway: ModbusGateway;
  readonly #meters: readonly WiredMeter[];
  /** Readings that are not committed yet. They are committed with the next poll, because a later read gives other values. */
  #pending: readonly Reading[] = [];
  #countersLoaded = false;
  /** Index of the meter at which the next poll starts. */
  #nextMeter = 0;

  constructor(settings: EnergySettings, services: Services, ingest: ReadingIngest, driftDetector: DriftDetector) {
    this.#settings = settings;
    this.#services = services;
    this.#ingest = ingest;
    this.#driftDetector = driftDetector;
    this.#gateway = new ModbusGateway(settings.url, settings.pause, settings.timeout, services);
    this.#meters = configuredMeters(settings);
  }

  get jobs(): readonly Job[] {
    return [{ name: 'poll meters', every: this.#settings.poll, run: () => this.poll() }];
  }

  /** Reads the first meter's register; without meters, connects to the gateway. */
  async check(call: Call): Promise<void> {
    const first = this.#meters[0];
    if (first) await this.#gateway.read(call, first, 'check');
    else await this.#gateway.connect(call);
  }

  /** Why the source is DEGRADED although it responds, or null. Without meters, a connection to the gateway proves nothing. */
  deliveryProblem(): string | null {
    return this.#meters.length > 0 ? null : 'no meters are configured; set sheet or meters';
  }

  close(): Promise<void> {
    return this.#gateway.close();
  }

  /**
   * Reads all meters one after the other and commits their readings. A silent meter is logged and skipped; after several in a row the
   * poll ends, and the next one starts behind them. Rejects with the first error when no meter could be read.
   */
  async poll(): Promise<void> {
    const gateway = this.#gateway;
    if (this.#meters.length === 0) return;
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
