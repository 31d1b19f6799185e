/** The steel plant's year through Mosquitto, and through pymodbus with the register stepped while the connector's clock steps. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import modbus from 'modbus-serial';
import { describe, expect, test } from 'vitest';
import { clockOf } from '../../connectors/kit/testing/test-clock.ts';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import { counters, expectTotals, haveData, INTERVALS, raiseSteel, throughMqtt, timeOf } from '../real/steel.ts';
import { run } from './peers/peer.ts';

const named = (name: string): string => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run npm run test:services.`);
  return value;
};

describe.runIf(haveData())('the steel plant 2018, with peers, where the real data is', () => {
  test('Mosquitto: 35,040 intervals, 959,640.31 kWh', async () => {
    const url = named('MQTT_URL');
    const steel = await raiseSteel({ url, timeout: '5s' });
    try {
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      await throughMqtt(url, steel);
      await expectTotals(steel.host, INTERVALS);
    } finally {
      await steel.close();
    }
  }, 300_000);

  test('pymodbus: 35,040 intervals, 959,640.31 kWh', async () => {
    const url = named('MODBUS_URL');
    const directory = mkdtempSync(join(tmpdir(), 'isthmus-steel-'));
    const sheet = join(directory, 'sheet.csv');
    writeFileSync(sheet, 'unit_id,map,serial,medium,unit,building,uscc,customer\n1,steel,PLANT,ELECTRICITY,kWh,,,\n');
    const engineer = new modbus.default();
    const { hostname, port } = new URL(url);
    await engineer.connectTCP(hostname, { port: Number(port) });
    engineer.setID(1);
    let step = 0;
    const all = counters();
    const steel = await raiseSteel(
      { url, sheet, pause: 0, poll: '24h', announce: '0ms', timeout: '3s' },
      clockOf(() => timeOf(step)),
    );
    try {
      for (step = 0; step < all.length; step++) {
        const value = all[step] as number;
        await engineer.writeRegisters(0, [Math.floor(value / 65_536), value % 65_536]);
        await steel.host.runJob('steel', 'poll meters');
      }
      step = INTERVALS;
      await expectTotals(steel.host, INTERVALS);
    } finally {
      await steel.close();
      engineer.destroy(() => undefined);
      rmSync(directory, { recursive: true, force: true });
    }
  }, 600_000);
});

describe('Mosquitto as Debian ships it', () => {
  test('it restarts while we are away: what was published is there, once', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'isthmus-mosquitto-'));
    const port = await freePort();
    const file = join(directory, 'mosquitto.conf');
    // Its own limits: 20 messages in flight, 1,000 waiting for a session.
    writeFileSync(
      file,
      `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location ${directory}/\nuser root\n`,
    );
    const start = () => run(directory, 'mosquitto', ['-c', file], port);
    let broker = await start();
    const road = await openRoad(port);
    const steel = await raiseSteel({ url: `mqtt://127.0.0.1:${road.port}`, timeout: '5s' });
    try {
      const said = await talk(port);
      // Said again until the hub's session stands; the same register is one reading.
      await until(async () => {
        await said.publish(0, 1);
        return (await steel.readings()) === 1;
      });
      road.close();
      await said.publish(1, 901);
      said.leave();
      await broker.stop();
      broker = await start();
      expect(await steel.readings()).toBe(1);
      road.open();
      await until(async () => (await steel.readings()) === 901);
      // At their own limits still fast enough.
      const more = await talk(port);
      const began = Date.now();
      await more.publish(901, 10_901);
      await until(async () => (await steel.readings()) === 10_901);
      const rate = Math.round((10_000 * 1_000) / (Date.now() - began));
      console.log(`Mosquitto's own limits: ${rate} messages a second, published, committed and acknowledged.`);
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

/** A road to the broker that can be closed while the broker lives. */
async function openRoad(to: number) {
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

/** A gateway that publishes registers number `from` to `to`, 100 at a time. */
async function talk(port: number) {
  const { MqttSession } = await import('../../connectors/energy/source/mqtt.ts');
  const { session } = await MqttSession.open({
    host: '127.0.0.1',
    port,
    clientId: 'gateway',
    username: null,
    password: null,
    timeout: 20_000,
    keep: false,
    largest: 8_000_000,
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
    leave: () => session.leave(),
  };
}

async function until(check: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; !(await check()); ) {
    if (Date.now() > end) throw new Error('it did not happen within a minute');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
