/** The steel plant's year through Mosquitto, and through pymodbus with the register stepped while the connector's clock steps. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import modbus from 'modbus-serial';
import { describe, test } from 'vitest';
import { counters, expectTotals, haveData, INTERVALS, raiseSteel, throughMqtt, timeOf } from '../real/steel.ts';

const named = (name: string): string => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run npm run test:services.`);
  return value;
};

describe.runIf(haveData())('the steel plant 2018, with peers', () => {
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
      { now: () => timeOf(step) },
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
