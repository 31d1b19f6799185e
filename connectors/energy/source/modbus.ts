/** A Modbus TCP gateway: one request at a time, a pause between two, and a connection that is made anew when it is lost. */
import modbus from 'modbus-serial';
import type { Call, Services } from '../../kit/connector.ts';
import { malformed, rejected, SourceError, timeout, unavailable } from '../../kit/errors.ts';
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
  /** Rejects when the present connection ends: a request under way would else wait for its whole time. */
  #lost: Promise<never> = new Promise(() => undefined);
  /** Requests stand in line: RS-485 behind the gateway carries one at a time. */
  #line: Promise<unknown> = Promise.resolve();
  /** Where each unit's SunSpec meter model begins, once found. */
  readonly #models = new Map<number, { readonly at: number; readonly words: number }>();

  constructor(url: string, pause: number, limit: number, services: Services) {
    const { hostname, port } = new URL(url);
    this.#address = { host: hostname, port: Number(port || 502) };
    this.#pause = pause;
    this.#timeout = limit;
    this.#services = services;
  }

  /** The register of one meter, exact, in its unit. A silent meter of a round opens no breaker: the others are read on. */
  async read(call: Call, meter: WiredMeter, operation: 'check' | 'poll meters') {
    const known = await this.#services.guard.read(
      call,
      { operation, retry: false, breaker: operation === 'check' },
      () => this.#inLine(() => this.#register(meter)),
    );
    return { value: known.value, at: known.facts.fetchedAt };
  }

  /** Connects, where there is no meter to ask. */
  async reach(call: Call): Promise<void> {
    await this.#services.guard.read(call, { operation: 'check', retry: false }, async () => {
      await this.#inLine(() => this.#connected());
    });
  }

  /** Whether the gateway itself is there, whatever its units do. */
  get connected(): boolean {
    return this.#client?.isOpen === true;
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    if (client) await closed(client);
  }

  #inLine<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#line.then(async () => {
      if (this.#pause > 0) await new Promise((resolve) => setTimeout(resolve, this.#pause));
      return work();
    });
    this.#line = next.catch(() => undefined);
    return next;
  }

  async #register(meter: WiredMeter): Promise<string> {
    if (meter.map === 'sunspec') return mapping.importedEnergy(await this.#meterModel(meter.unitId));
    const map = mapping.REGISTER_MAPS[meter.map];
    if (!map) throw malformed(`there is no register map ${meter.map}`);
    const bytes = await this.#words(meter.unitId, map.functionCode, map.address, mapping.WORDS[map.type]);
    return mapping.decode(bytes, map.type, map.scale, `register 0x${map.address.toString(16)} of unit ${meter.unitId}`);
  }

  /** The SunSpec meter model of a unit; its place is looked for once. */
  async #meterModel(unit: number): Promise<Buffer> {
    const place = this.#models.get(unit) ?? (await this.#findModel(unit));
    this.#models.set(unit, place);
    const model = await this.#words(unit, 3, place.at, place.words);
    if (mapping.meterWords(model.readUInt16BE(0)) !== place.words) {
      // Another device stands there now: the next reading looks for its model anew.
      this.#models.delete(unit);
      throw malformed(`unit ${unit} has no meter model at ${place.at} any more`);
    }
    return model;
  }

  async #findModel(unit: number): Promise<{ at: number; words: number }> {
    for (const base of mapping.SUNSPEC_BASES) {
      let mark: Buffer;
      try {
        mark = await this.#words(unit, 3, base, 2);
      } catch (error) {
        if (error instanceof SourceError && error.code === 'SOURCE_REJECTED') continue;
        throw error;
      }
      if (mark.readUInt32BE(0) !== mapping.SUNSPEC_MARK) continue;
      for (let at = base + 2, n = 0; n < 64; n++) {
        const head = await this.#words(unit, 3, at, 2);
        const id = head.readUInt16BE(0);
        if (id === mapping.SUNSPEC_END) break;
        const words = mapping.meterWords(id);
        if (words !== null) return { at, words };
        at += 2 + head.readUInt16BE(2);
      }
    }
    throw malformed(`unit ${unit} shows no SunSpec meter model`);
  }

  async #words(unit: number, functionCode: 3 | 4, address: number, count: number): Promise<Buffer> {
    const client = await this.#connected();
    client.setID(unit);
    try {
      const read =
        functionCode === 3 ? client.readHoldingRegisters(address, count) : client.readInputRegisters(address, count);
      const answer = await Promise.race([read, this.#lost]);
      if (answer.buffer.length !== count * 2)
        throw malformed(`unit ${unit} sent ${answer.buffer.length} bytes for ${count} registers at ${address}`);
      return answer.buffer;
    } catch (error) {
      throw this.#fault(error, unit, address);
    }
  }

  async #connected(): Promise<Client> {
    const there = this.#client;
    if (there?.isOpen) return there;
    if (there) await closed(there);
    const client = new ModbusRTU();
    client.setTimeout(this.#timeout);
    this.#client = client;
    // An error between two requests ends the connection; the next request makes a new one.
    client.on('error', () => undefined);
    this.#lost = new Promise((_, reject) => {
      client.on('close', () => {
        if (this.#client === client) this.#client = null;
        reject(unavailable('the gateway closed the connection'));
      });
    });
    this.#lost.catch(() => undefined);
    try {
      await within(this.#timeout, client.connectTCP(this.#address.host, { port: this.#address.port }));
    } catch (error) {
      this.#client = null;
      await closed(client);
      throw error instanceof SourceError
        ? error
        : unavailable(`no connection to ${this.#address.host}:${this.#address.port}`, error);
    }
    return client;
  }

  /** Three causes, three faults: a wrong unit keeps silent, a wrong question is exception 1 to 3, a dead gateway closes. */
  #fault(error: unknown, unit: number, address: number): unknown {
    if (error instanceof SourceError) return error;
    const { name, modbusCode, message = '' } = error as { name?: string; modbusCode?: number; message?: string };
    if (name === 'TransactionTimedOutError')
      return timeout(`unit ${unit} does not answer (wrong unit id, or its line is dead)`, error);
    if (modbusCode !== undefined) {
      const told = `unit ${unit} answers exception ${modbusCode} for register ${address}`;
      // 10, 11: the gateway has no path, or its unit keeps silent; 4, 5, 6: the unit is broken or busy; else the question is wrong.
      if (modbusCode === 10 || modbusCode === 11) return timeout(told, error);
      return modbusCode >= 4 && modbusCode <= 6 ? unavailable(told, error) : rejected(told, error);
    }
    if (/Unexpected data error|CRC error|unit ID|expected (address|length|code)/i.test(message))
      return malformed(`unit ${unit}: ${message}`, error);
    const client = this.#client;
    this.#client = null;
    if (client) void closed(client);
    return unavailable(`the connection was lost: ${message}`, error);
  }
}

/** `close` of a closed client never calls back, so it is waited for a moment only. */
function closed(client: Client): Promise<void> {
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

async function within<T>(limit: number, work: Promise<T>): Promise<T> {
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
