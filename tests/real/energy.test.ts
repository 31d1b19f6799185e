/** A year of a steel plant through MQTT, and its January through Modbus (the whole year through Modbus: tests/services). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Aedes } from 'aedes';
import { describe, test } from 'vitest';
import { createModbusServer, uint32 } from '../../connectors/energy/simulator/modbus-server.ts';
import { clockFrom } from '../../connectors/kit/testing/test-clock.ts';
import {
  counters,
  expectTotals,
  hasYear,
  IN_JANUARY,
  INTERVALS,
  publishYear,
  startSteelPlant,
  timeOf,
} from './steel.ts';

describe('a steel plant of 2018', () => {
  test.runIf(hasYear)(
    'computes 35,040 intervals and 959,640.31 kWh from 35,041 registers through MQTT',
    async () => {
      const broker = await Aedes.createBroker();
      const server = createServer((socket) => broker.handle(socket));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const url = `mqtt://127.0.0.1:${(server.address() as { port: number }).port}`;
      const steel = await startSteelPlant({ url });
      try {
        // The hub must have subscribed before the plant publishes, or the broker drops the messages.
        await new Promise<void>((resolve) => {
          broker.on('subscribe', (_subscriptions, client) => {
            if (client.id === 'steel') resolve();
          });
        });
        await publishYear(url, steel);
        await expectTotals(steel.host, INTERVALS);
      } finally {
        await steel.close();
        await new Promise<void>((resolve) => broker.close(() => resolve()));
        await new Promise<void>((resolve) => server.close(() => resolve()));
      }
    },
    180_000,
  );

  test('computes January through Modbus, with the clock stepped together with the register', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'isthmus-steel-'));
    const sheet = join(directory, 'sheet.csv');
    writeFileSync(sheet, 'unit_id,map,serial,medium,unit,building,uscc,customer\n1,steel,PLANT,ELECTRICITY,kWh,,,\n');
    let step = 0;
    const all = counters('january');
    const registers = () => new Map(uint32(all[step] as number).map((word, i) => [i, word]));
    const { server, disconnectAll } = createModbusServer(new Map([[1, registers]]), () => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `modbus://127.0.0.1:${(server.address() as { port: number }).port}`;
    const steel = await startSteelPlant(
      { url, sheet, pause: 0, poll: '1h', announce: '0ms' },
      clockFrom(() => timeOf(step)),
    );
    try {
      for (step = 0; step <= IN_JANUARY; step++) await steel.host.runJob('steel', 'poll meters');
      step = IN_JANUARY;
      await expectTotals(steel.host, IN_JANUARY);
    } finally {
      await steel.close();
      disconnectAll();
      server.close();
      rmSync(directory, { recursive: true, force: true });
    }
  }, 180_000);
});
