/** The steel plant's year through MQTT, and its January through Modbus (the whole year by Modbus: tests/services). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Aedes } from 'aedes';
import { describe, test } from 'vitest';
import { modbusServer, uint32 } from '../../connectors/energy/simulator/modbus.ts';
import { clockOf } from '../../connectors/kit/testing/test-clock.ts';
import { counters, expectTotals, haveData, IN_JANUARY, INTERVALS, raiseSteel, throughMqtt, timeOf } from './steel.ts';

describe.runIf(haveData())('the steel plant 2018, where the real data is', () => {
  test('35,041 registers through MQTT: 35,040 intervals, 959,640.31 kWh', async () => {
    const broker = await Aedes.createBroker();
    const server = createServer((socket) => broker.handle(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `mqtt://127.0.0.1:${(server.address() as { port: number }).port}`;
    const steel = await raiseSteel({ url });
    try {
      // The hub's session must stand before the plant speaks, or a broker without a kept session drops what is said.
      await new Promise<void>((resolve) => {
        broker.on('subscribe', (_subscriptions, client) => {
          if (client.id === 'steel') resolve();
        });
      });
      await throughMqtt(url, steel);
      await expectTotals(steel.host, INTERVALS);
    } finally {
      await steel.close();
      await new Promise<void>((resolve) => broker.close(() => resolve()));
      await new Promise<void>((resolve) => server.close(() => resolve()));
    }
  }, 180_000);

  test('January through Modbus, the clock stepping with the register', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'isthmus-steel-'));
    const sheet = join(directory, 'sheet.csv');
    writeFileSync(sheet, 'unit_id,map,serial,medium,unit,building,uscc,customer\n1,steel,PLANT,ELECTRICITY,kWh,,,\n');
    let step = 0;
    const all = counters();
    const registers = () => new Map(uint32(all[step] as number).map((word, i) => [i, word]));
    const { server, drop } = modbusServer(new Map([[1, registers]]), () => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `modbus://127.0.0.1:${(server.address() as { port: number }).port}`;
    const steel = await raiseSteel(
      { url, sheet, pause: 0, poll: '1h', announce: '0ms' },
      clockOf(() => timeOf(step)),
    );
    try {
      for (step = 0; step <= IN_JANUARY; step++) await steel.host.runJob('steel', 'poll meters');
      step = IN_JANUARY;
      await expectTotals(steel.host, IN_JANUARY);
    } finally {
      await steel.close();
      drop();
      server.close();
      rmSync(directory, { recursive: true, force: true });
    }
  }, 180_000);
});
