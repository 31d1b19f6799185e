/** A steel plant's year through Mosquitto, and its January through pymodbus with register and clock stepped together. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import modbus from 'modbus-serial';
import { describe, expect, test } from 'vitest';
import { clockFrom } from '../../connectors/kit/testing/test-clock.ts';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import {
  counters,
  expectTotals,
  hasYear,
  IN_JANUARY,
  INTERVALS,
  publishYear,
  startSteelPlant,
  timeOf,
} from '../real/steel.ts';
import { startProgram } from './peers/peer.ts';

const named = (name: string): string => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run npm run test:services.`);
  return value;
};

describe('a steel plant of 2018, with peers', () => {
  test.runIf(hasYear)(
    'computes 35,040 intervals and 959,640.31 kWh through Mosquitto',
    async () => {
      const url = named('MQTT_URL');
      const steel = await startSteelPlant({ url, timeout: '5s' });
      try {
        await new Promise((resolve) => setTimeout(resolve, 2_000));
        await publishYear(url, steel);
        await expectTotals(steel.host, INTERVALS);
      } finally {
        await steel.close();
      }
    },
    300_000,
  );

  test('computes 2,976 intervals and 126,238.29 kWh of January through pymodbus', async () => {
    const url = named('MODBUS_URL');
    const directory = mkdtempSync(join(tmpdir(), 'isthmus-steel-'));
    const sheet = join(directory, 'sheet.csv');
    writeFileSync(sheet, 'unit_id,map,serial,medium,unit,building,uscc,customer\n1,steel,PLANT,ELECTRICITY,kWh,,,\n');
    const engineer = new modbus.default();
    const { hostname, port } = new URL(url);
    await engineer.connectTCP(hostname, { port: Number(port) });
    engineer.setID(1);
    let step = 0;
    const all = counters('january');
    const steel = await startSteelPlant(
      { url, sheet, pause: 0, poll: '24h', announce: '0ms', timeout: '3s' },
      clockFrom(() => timeOf(step)),
    );
    try {
      for (step = 0; step < all.length; step++) {
        const value = all[step] as number;
        await engineer.writeRegisters(0, [Math.floor(value / 65_536), value % 65_536]);
        await steel.host.runJob('steel', 'poll meters');
      }
      step = IN_JANUARY;
      await expectTotals(steel.host, IN_JANUARY);
    } finally {
      await steel.close();
      engineer.destroy(() => undefined);
      rmSync(directory, { recursive: true, force: true });
    }
  }, 600_000);
});

describe('Mosquitto with Debian’s defaults', () => {
  test('delivers messages published while the hub is disconnected exactly once, after a broker restart', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'isthmus-mosquitto-'));
    const port = await freePort();
    const file = join(directory, 'mosquitto.conf');
    // Default limits: 20 messages in flight, 1,000 queued per session.
    writeFileSync(
      file,
      `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location ${directory}/\nuser root\n`,
    );
    const start = () => startProgram(directory, 'mosquitto', ['-c', file], port);
    let broker = await start();
    const road = await openProxy(port);
    const steel = await startSteelPlant({ url: `mqtt://127.0.0.1:${road.port}`, timeout: '5s' });
    try {
      const gateway = await connectGateway(port);
      // Repeated until the hub's session is established; the same register value is stored once.
      await until(async () => {
        await gateway.publish(0, 1);
        return (await steel.readings()) === 1;
      });
      road.close();
      await gateway.publish(1, 901);
      gateway.leave();
      await broker.stop();
      broker = await start();
      expect(await steel.readings()).toBe(1);
      road.open();
      await until(async () => (await steel.readings()) === 901);
      // Throughput with the default limits.
      const more = await connectGateway(port);
      const began = Date.now();
      await more.publish(901, 10_901);
      await until(async () => (await steel.readings()) === 10_901);
      const rate = Math.round((10_000 * 1_000) / (Date.now() - began));
      console.log(`Mosquitto with default limits: ${rate} messages per second published, committed and acknowledged.`);
      expect(rate).toBeGreaterThan(3_000);
      more.leave();
    } finally {
      await steel.close();
      road.end();
      await broker.stop();
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

/** A TCP proxy to the broker that can be closed while the broker keeps running. */
async function openProxy(to: number) {
  let closed = false;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    if (closed) {
      near.destroy();
      return;
    }
    const far = connect(to, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => undefined).on('close', () => other.destroy());
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as { port: number }).port,
    close: () => {
      closed = true;
      cut();
    },
    open: () => {
      closed = false;
    },
    end: () => {
      cut();
      server.close();
    },
  };
}

/** Connects a gateway; `publish` sends register values `from` to `to` (exclusive), 100 at a time. */
async function connectGateway(port: number) {
  const { MqttSession } = await import('../../connectors/energy/source/mqtt-session.ts');
  const { session } = await MqttSession.open({
    host: '127.0.0.1',
    port,
    clientId: 'gateway',
    username: null,
    password: null,
    timeout: 20_000,
    keepSession: false,
    maxPacketBytes: 8_000_000,
  });
  return {
    publish: async (from: number, to: number) => {
      for (let i = from; i < to; i += 100)
        await Promise.all(
          Array.from({ length: Math.min(100, to - i) }, (_, n) =>
            session.publish(
              'park/works/PLANT/telemetry',
              JSON.stringify({ ts: timeOf(i + n).toISOString(), register: String(i + n) }),
            ),
          ),
        );
    },
    leave: () => session.disconnect(),
  };
}

async function until(check: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; !(await check()); ) {
    if (Date.now() > end) throw new Error('the condition was not met within 60 s');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
