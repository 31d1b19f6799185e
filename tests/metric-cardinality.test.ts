/** Metric series, circuit breakers and timers exist per installation, not per meter, plate, door or file. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import energy from '../connectors/energy/index.ts';
import { createModbusServer, type Registers, uint32 } from '../connectors/energy/simulator/modbus-server.ts';
import { startTestBroker } from '../connectors/energy/simulator/test-broker.ts';
import type { SourceCallEvent } from '../connectors/kit/guard/guard-types.ts';
import { listen } from '../connectors/kit/testing/simulator.ts';
import { createTestDatabase } from '../connectors/kit/testing/test-database.ts';
import { startInstallation } from '../connectors/kit/testing/test-installation.ts';
import { timerLedger } from '../connectors/kit/testing/timer-ledger.ts';
import { startMetrics } from '../gateway/ops/metrics.ts';

const FEW = 5;
const MANY = 500;

describe('with many meters', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  const timers = timerLedger();
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => {
    timers.stop();
    await database?.drop();
  });

  /** Number of metric series, operations (each has its own breaker) and number of timers after `work` on the installation `at`. */
  async function measured(work: () => Promise<() => Promise<unknown>>) {
    const metrics = startMetrics({ sockets: () => 0, position: () => 0n, sources: () => [], limits: () => ({}) });
    const operations = new Set<string>();
    const note = (fact: unknown) => void operations.add((fact as SourceCallEvent).operation);
    subscribe('isthmus:source:call', note);
    try {
      const close = await timers.run(work);
      const { body } = await metrics.text();
      const series = body.split('\n').filter((line) => line.includes('source="at"')).length;
      const running = timers.running().length;
      await close();
      return { series, operations: [...operations].sort(), timers: running };
    } finally {
      unsubscribe('isthmus:source:call', note);
      metrics.close();
      await database.plain.query('TRUNCATE meter, meter_reading, meter_refusal, state, lease');
    }
  }

  const wired = (meters: number) => async () => {
    const words: Registers = () => new Map(uint32(1_000).map((word, i) => [i, word]));
    const gateway = createModbusServer(new Map(Array.from({ length: 250 }, (_, i) => [i + 1, words])), () => undefined);
    const raw = {
      url: `modbus://127.0.0.1:${await listen(gateway.server)}`,
      // One in five reads a register that does not exist, because errors have labels, too.
      meters: Array.from({ length: meters }, (_, i) => ({
        ...{ unit_id: (i % 250) + 1, map: i % 5 === 4 ? 'sdm630' : 'pulse', serial: `S${i}`, medium: 'ELECTRICITY' },
      })),
      ...{ pause: 0, poll: '1h', timeout: '5s' },
    };
    const host = await startInstallation(energy, { id: 'at', raw }, database, { intervals: { checkUp: 60_000 } });
    await host.runJob('at', 'poll meters');
    expect(Number((await database.plain.query('SELECT count(DISTINCT meter) AS n FROM meter_reading'))[0].n)).toBe(
      (meters / 5) * 4,
    );
    return async () => {
      await host.close();
      gateway.disconnectAll();
      await new Promise((resolve) => gateway.server.close(resolve));
    };
  };

  const speaking = (meters: number) => async () => {
    const broker = await startTestBroker();
    const subscribed = new Promise<void>((resolve) => broker.on('subscribe', resolve));
    const raw = { url: `mqtt://127.0.0.1:${broker.port}` };
    const host = await startInstallation(energy, { id: 'at', raw }, database, { intervals: { checkUp: 60_000 } });
    await subscribed;
    await host.check('at');
    for (let i = 0; i < meters; i++) {
      const good = { ts: new Date().toISOString(), register: String(i) };
      await broker.publish(`park/g${i}/S${i}/telemetry`, i % 5 === 4 ? 'nonsense' : good);
    }
    const count = async (table: string) =>
      Number((await database.plain.query(`SELECT count(*) FROM ${table}`))[0].count);
    await expect.poll(() => count('meter_reading'), { timeout: 20_000 }).toBe((meters / 5) * 4);
    await expect.poll(() => count('meter_refusal')).toBe(meters / 5);
    return async () => {
      await host.close();
      await broker.close();
    };
  };

  test.each([
    ['Modbus', wired],
    ['MQTT', speaking],
  ] as const)('500 meters over %s need as many series, breakers and timers as 5', async (_, with_) => {
    const few = await measured(with_(FEW));
    expect(few.series).toBeGreaterThan(0);
    expect(await measured(with_(MANY))).toEqual(few);
  });

  test('operation names come only from code or configuration', () => {
    const root = join(import.meta.dirname, '..', 'connectors');
    const made = readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !/test|simulator/.test(file))
      .flatMap((file) =>
        [...readFileSync(join(root, file), 'utf8').matchAll(/operation: `([^`]*\$\{[^`]*)`/g)].map(
          (found) => `${file}: ${found[1]}`,
        ),
      );
    // Steps of the tax drop have fixed names; operations of configured sources are named in isthmus.yaml.
    expect(made.sort()).toEqual([
      'configured/core/source.ts: poll ${query.operation}',
      'tax/source/drop-folders.ts: poll: ${operation}',
    ]);
  });
});
