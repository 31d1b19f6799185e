/**
 * Simulates the demo's meters: half behind a Modbus TCP gateway (SunSpec, two vendors' register lists, pulse counters), half on MQTT
 * with their own broker and two months of stored values that are resent on request.
 */
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { Aedes } from 'aedes';
import { writeToStream } from 'mqtt-packet';
import { replaceFile } from '../../kit/testing/atomic-file.ts';
import { type Meter, meterRegister, type World } from '../../kit/testing/park/index.ts';
import {
  Journal,
  listen,
  type RunningSimulator,
  type Simulator,
  type SimulatorOptions,
} from '../../kit/testing/simulator.ts';
import { createModbusServer, float32, int64, type Registers, uint32 } from './modbus-server.ts';

// Otherwise the broker keeps 65,536 buffers, 10 MB, to encode packet ids.
writeToStream.cacheNumbers = false;

const USER = 'isthmus';
const PASSWORD = 'lakeside-telemetry-demo';
/** Milliseconds between stored values; a resend has one day per message. */
const STORED_INTERVAL = 3_600_000;
const DAY = 86_400_000;
/** Milliseconds in which every meter publishes its register once. */
const PUBLISH_CYCLE = 20_000;

/** Register map of a wired meter. */
function registerMapOf(meter: Meter): 'sunspec' | 'dtsu666' | 'iem3000' | 'pulse' {
  if (meter.medium !== 'electricity') return 'pulse';
  return (['sunspec', 'iem3000', 'dtsu666'] as const)[(meter.index >> 1) % 3] ?? 'sunspec';
}

function registers(meter: Meter, value: () => string): Registers {
  const kind = registerMapOf(meter);
  const thousandths = () => Math.round(Number(value()) * 1_000);
  return (functionCode) => {
    const words = new Map<number, number>();
    const put = (address: number, all: readonly number[]) =>
      all.forEach((word, i) => void words.set(address + i, word));
    if (functionCode !== 3) return words;
    if (kind === 'iem3000') put(0x0c83, int64(BigInt(thousandths())));
    else if (kind === 'dtsu666') put(0x101e, float32(Number(value())));
    else if (kind === 'pulse') put(0, uint32(thousandths() % 4_294_967_296));
    else sunspec(put, Math.round(Number(value()) * 100) % 4_294_967_296);
    return words;
  };
}

/** "SunS", the common model, a three-phase meter model (203) in units of 10 Wh, the end marker. */
function sunspec(put: (address: number, words: readonly number[]) => void, tensOfWh: number): void {
  put(40_000, [0x5375, 0x6e53]);
  put(40_002, [1, 66, ...Array.from({ length: 66 }, () => 0x2020)]);
  const model = Array.from({ length: 107 }, () => 0x8000);
  model[0] = 203;
  model[1] = 105;
  [model[46], model[47]] = uint32(tensOfWh);
  model[54] = 1;
  put(40_070, model);
  put(40_177, [0xffff, 0]);
}

const buildingNumber = (meter: Meter): string => meter.building.slice(-2);

/** The commissioning sheet of the wired meters, as CSV. */
function commissioningSheet(world: World, wired: readonly Meter[]): string {
  const rows = wired.map((meter, i) => {
    const company = world.companies.find((one) => one.uscc === meter.company);
    return [
      i + 1,
      registerMapOf(meter),
      meter.serial,
      meter.medium.toUpperCase(),
      meter.unit,
      `B${buildingNumber(meter)}`,
      meter.company ?? '',
      company?.meterCustomerNo ?? '',
    ].join(',');
  });
  return `unit_id,map,serial,medium,unit,building,uscc,customer\n${rows.join('\n')}\n`;
}

export const simulator: Simulator = {
  name: 'energy',
  start: async (options): Promise<RunningSimulator> => {
    const { world, directory, now } = options;
    const journal = new Journal(directory);
    const wired = world.meters.filter((one) => one.protocol === 'modbus');
    const value = (meter: Meter) => meterRegister(world, meter, now());
    const file = join(directory, 'meters.csv');
    replaceFile(file, commissioningSheet(world, wired));
    const units = new Map(wired.map((meter, i) => [i + 1, registers(meter, () => value(meter))]));
    const gateway = createModbusServer(units, (unit, address, count) =>
      journal.append({ operation: 'modbus', unit, address, count }),
    );
    const modbusPort = await listen(gateway.server, options.ports?.['modbus']);
    const broker = await startBroker(options, journal);
    let closed: Promise<void> | undefined;
    return {
      ports: { modbus: modbusPort, mqtt: broker.port },
      env: {
        LAKESIDE_METERS_URL: `modbus://127.0.0.1:${modbusPort}`,
        LAKESIDE_METERS_SHEET: file,
        LAKESIDE_TELEMETRY_URL: `mqtt://127.0.0.1:${broker.port}`,
        LAKESIDE_TELEMETRY_USER: USER,
        LAKESIDE_TELEMETRY_PASSWORD: PASSWORD,
      },
      close: () => {
        closed ??= (async () => {
          gateway.disconnectAll();
          await new Promise<void>((resolve) => gateway.server.close(() => resolve()));
          await broker.close();
        })();
        return closed;
      },
    };
  },
};

async function startBroker(
  options: SimulatorOptions,
  journal: Journal,
): Promise<{ port: number; close(): Promise<void> }> {
  const { world, now, history, live } = options;
  const meters = world.meters.filter((one) => one.protocol === 'mqtt');
  const broker = await Aedes.createBroker();
  broker.authenticate = (_client, username, password, done) => {
    done(null, username === USER && password?.toString() === PASSWORD);
  };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    broker.handle(socket);
  });
  const port = await listen(server, options.ports?.['mqtt']);
  let stopped = false;
  const publish = (meter: Meter, kind: string, payload: unknown, { retain = false } = {}) =>
    new Promise<void>((resolve) => {
      const topic = `park/gw-${buildingNumber(meter)}/${meter.serial}/${kind}`;
      if (kind !== 'info') journal.append({ operation: 'publish', topic, payload });
      broker.publish({ cmd: 'publish', topic, payload: JSON.stringify(payload), qos: 1, retain, dup: false }, () =>
        resolve(),
      );
    });
  for (const meter of meters) {
    const company = world.companies.find((one) => one.uscc === meter.company);
    await publish(
      meter,
      'info',
      {
        medium: meter.medium,
        unit: meter.unit,
        building: `B${buildingNumber(meter)}`,
        uscc: meter.company,
        customer: company?.meterCustomerNo ?? null,
      },
      { retain: true },
    );
  }
  const reading = (meter: Meter, at: Date) => ({ ts: at.toISOString(), register: meterRegister(world, meter, at) });
  /** Publishes the values stored since then, one day per message. */
  const resend = async (since: number) => {
    const from =
      Math.max(Math.ceil(since / STORED_INTERVAL), Math.ceil((now().getTime() - history) / STORED_INTERVAL)) *
      STORED_INTERVAL;
    for (let day = from; day <= now().getTime() && !stopped; day += DAY) {
      for (const meter of meters) {
        const values = [];
        for (let at = day; at < day + DAY && at <= now().getTime(); at += STORED_INTERVAL)
          values.push(reading(meter, new Date(at)));
        if (values.length > 0 && !stopped) await publish(meter, 'telemetry', { values });
      }
      // Gives the hub time to commit and acknowledge.
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  await new Promise<void>((resolve) =>
    broker.subscribe(
      'park/all/resend',
      (packet, done) => {
        done();
        const { since } = JSON.parse(packet.payload.toString()) as { since?: string };
        journal.append({ operation: 'resend requested', since });
        void resend(Date.parse(since ?? '') || 0);
      },
      () => resolve(),
    ),
  );
  let next = 0;
  const timer = live
    ? setInterval(() => {
        const meter = meters[next++ % meters.length];
        if (meter) void publish(meter, 'telemetry', reading(meter, now()));
      }, PUBLISH_CYCLE / meters.length)
    : undefined;
  return {
    port,
    close: async () => {
      stopped = true;
      clearInterval(timer);
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await new Promise<void>((resolve) => broker.close(() => resolve()));
    },
  };
}
