/** Client of a Modbus TCP gateway: one request at a time, with a pause in between; reconnects after a lost connection. */
import modbus from 'modbus-serial';
import type { Call } from '../../kit/call.ts';
import { malformed, rejected, SourceError, timeout, unavailable } from '../../kit/errors.ts';
import type { Services } from '../../kit/services.ts';
import * as mapping from '../mapping/index.ts';
import type { WiredMeter } from '../model.ts';

// The package is CommonJS with its class under `default`.
const ModbusRTU = modbus.default;
type Client = InstanceType<typeof ModbusRTU>;

export class ModbusGateway {
  readonly #address: { host: string; port: number };
  readonly #pause: number;
  readonly #timeout: number;
  readonly #services: Services;
  #client: Client | null = null;
  /** Rejects when the current connection ends; without it a running request would wait for its timeout. */
  #connectionLost: Promise<never> = new Promise(() => undefined);
  /** Requests are sequential: the RS-485 line behind the gateway carries one at a time. */
  #queue: Promise<unknown> = Promise.resolve();
  /** Address and length of each unit's SunSpec meter model, once found. */
  readonly #models = new Map<number, { readonly at: number; readonly words: number }>();

  constructor(url: string, pause: number, limit: number, services: Services) {
    const { hostname, port } = new URL(url);
    this.#address = { host: hostname, port: Number(port || 502) };
    this.#pause = pause;
    this.#timeout = limit;
    this.#services = services;
  }

  /** Reads a meter's register; exact, in the meter's unit. Polls do not use the circuit breaker, so a silent meter does not block others. */
  async read(call: Call, meter: WiredMeter, operation: 'check' | 'poll meters') {
    const known = await this.#services.guard.read(
      call,
      { operation, retry: false, breaker: operation === 'check' },
      () => this.#enqueue(() => this.#readRegister(meter)),
    );
    return { value: known.value, at: known.facts.fetchedAt };
  }

  /** Connects without reading a meter; for gateways without configured meters. */
  async connect(call: Call): Promise<void> {
    await this.#services.guard.read(call, { operation: 'check', retry: false }, async () => {
      await this.#enqueue(() => this.#openClient());
    });
  }

  /** Whether the connection to the gateway is open, regardless of its units. */
  get isConnected(): boolean {
    return this.#client?.isOpen === true;
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    if (client) await destroyClient(client);
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#queue.then(async () => {
      if (this.#pause > 0) await new Promise((resolve) => setTimeout(resolve, this.#pause));
      return work();
    });
    this.#queue = next.catch(() => undefined);
    return next;
  }

  async #readRegister(meter: WiredMeter): Promise<string> {
    if (meter.map === 'sunspec') return mapping.importedEnergy(await this.#readMeterModel(meter.unitId));
    const map = mapping.REGISTER_MAPS[meter.map];
    if (!map) throw malformed(`unknown register map ${meter.map}`);
    const bytes = await this.#readWords(meter.unitId, map.functionCode, map.address, mapping.REGISTER_WORDS[map.type]);
    return mapping.decodeRegister(
      bytes,
      map.type,
      map.scale,
      `register 0x${map.address.toString(16)} of unit ${meter.unitId}`,
    );
  }

  /** Reads the SunSpec meter model of a unit; its address is searched only once. */
  async #readMeterModel(unit: number): Promise<Buffer> {
    const location = this.#models.get(unit) ?? (await this.#findMeterModel(unit));
    this.#models.set(unit, location);
    const model = await this.#readWords(unit, 3, location.at, location.words);
    if (mapping.meterModelWords(model.readUInt16BE(0)) !== location.words) {
      // Another device answers now: the next read searches for its model.
      this.#models.delete(unit);
      throw malformed(`unit ${unit} no longer has a meter model at address ${location.at}`);
    }
    return model;
  }

  async #findMeterModel(unit: number): Promise<{ at: number; words: number }> {
    for (const base of mapping.SUNSPEC_BASES) {
      let marker: Buffer;
      try {
        marker = await this.#readWords(unit, 3, base, 2);
      } catch (error) {
        if (error instanceof SourceError && error.code === 'SOURCE_REJECTED') continue;
        throw error;
      }
      if (marker.readUInt32BE(0) !== mapping.SUNSPEC_MARKER) continue;
      for (let at = base + 2, n = 0; n < 64; n++) {
        const head = await this.#readWords(unit, 3, at, 2);
        const id = head.readUInt16BE(0);
        if (id === mapping.SUNSPEC_END) break;
        const words = mapping.meterModelWords(id);
        if (words !== null) return { at, words };
        at += 2 + head.readUInt16BE(2);
      }
    }
    throw malformed(`unit ${unit} has no SunSpec meter model`);
  }

  async #readWords(unit: number, functionCode: 3 | 4, address: number, count: number): Promise<Buffer> {
    const client = await this.#openClient();
    client.setID(unit);
    try {
      const read =
        functionCode === 3 ? client.readHoldingRegisters(address, count) : client.readInputRegisters(address, count);
      const response = await Promise.race([read, this.#connectionLost]);
      if (response.buffer.length !== count * 2)
        throw malformed(`unit ${unit} sent ${response.buffer.length} bytes for ${count} registers at ${address}`);
      return response.buffer;
    } catch (error) {
      throw this.#toSourceError(error, unit, address);
    }
  }

  async #openClient(): Promise<Client> {
    const current = this.#client;
    if (current?.isOpen) return current;
    if (current) await destroyClient(current);
    const client = new ModbusRTU();
    client.setTimeout(this.#timeout);
    this.#client = client;
    // An error between two requests ends the connection; the next request opens a new one.
    client.on('error', () => undefined);
    this.#connectionLost = new Promise((_, reject) => {
      client.on('close', () => {
        if (this.#client === client) this.#client = null;
        reject(unavailable('the gateway closed the connection'));
      });
    });
    this.#connectionLost.catch(() => undefined);
    try {
      await withTimeout(this.#timeout, client.connectTCP(this.#address.host, { port: this.#address.port }));
    } catch (error) {
      this.#client = null;
      await destroyClient(client);
      throw error instanceof SourceError
        ? error
        : unavailable(`no connection to ${this.#address.host}:${this.#address.port}`, error);
    }
    return client;
  }

  /** Maps a client error: no response is a timeout, exceptions depend on their code, anything else is a lost connection. */
  #toSourceError(error: unknown, unit: number, address: number): unknown {
    if (error instanceof SourceError) return error;
    const { name, modbusCode, message = '' } = error as { name?: string; modbusCode?: number; message?: string };
    if (name === 'TransactionTimedOutError')
      return timeout(`no response from unit ${unit} (wrong unit id or broken line)`, error);
    if (modbusCode !== undefined) {
      const detail = `unit ${unit} returned exception ${modbusCode} for register ${address}`;
      // 10, 11: gateway path unavailable or target failed to respond; 4, 5, 6: device failure or busy; else the request is invalid.
      if (modbusCode === 10 || modbusCode === 11) return timeout(detail, error);
      return modbusCode >= 4 && modbusCode <= 6 ? unavailable(detail, error) : rejected(detail, error);
    }
    if (/Unexpected data error|CRC error|unit ID|expected (address|length|code)/i.test(message))
      return malformed(`unit ${unit}: ${message}`, error);
    const client = this.#client;
    this.#client = null;
    if (client) void destroyClient(client);
    return unavailable(`the connection was lost: ${message}`, error);
  }
}

/** Destroys the client. The callback of a closed client is never called, so it waits at most 200 ms. */
function destroyClient(client: Client): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 200);
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    try {
      client.destroy(done);
    } catch {
      done();
    }
  });
}

async function withTimeout<T>(limit: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(timeout(`no connection within ${limit} ms`)), limit);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
