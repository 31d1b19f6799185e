import type { Server } from 'node:net';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Host } from '../kit/host/host.ts';
import { listen } from '../kit/testing/simulator.ts';
import { createTestDatabase, failCommits } from '../kit/testing/test-database.ts';
import { startInstallation } from '../kit/testing/test-installation.ts';
import energy from './index.ts';
import { createModbusServer, float32, type Registers, uint32 } from './simulator/modbus-server.ts';

/** "SunS" at `base`, the common model, then a meter model; without it where `model` is null. */
function sunspec(base: number, model: number[] | null): Registers {
  const words = new Map<number, number>();
  const put = (address: number, all: readonly number[]) => all.forEach((word, i) => void words.set(address + i, word));
  put(base, [0x5375, 0x6e53, 1, 66]);
  put(base + 4, Array(66).fill(0x2020));
  put(base + 70, model ? [...model, 0xffff, 0] : [0xffff, 0]);
  return () => words;
}
const integers = (total: number, scale: number) => {
  const words: number[] = [204, 105, ...Array(105).fill(0x8000)];
  [words[46], words[47]] = uint32(total);
  words[54] = scale & 0xffff;
  return words;
};
const floats = (total: number) => {
  const words: number[] = [213, 124, ...Array(124).fill(0x7fc0)];
  [words[68], words[69]] = float32(total);
  return words;
};
const pulse = (thousandths: number): Registers => {
  const words = new Map(uint32(thousandths).map((word, i) => [i, word]));
  return () => words;
};

describe('energy over Modbus', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let host: Host | undefined;
  let gateway: { server: Server; disconnectAll(): void } | undefined;
  const requestedUnits: number[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    return () => database.drop();
  });
  afterEach(async () => {
    await host?.close();
    gateway?.disconnectAll();
    await new Promise((resolve) => gateway?.server.close(resolve) ?? resolve(null));
    requestedUnits.length = 0;
  });

  /** Starts a host with one gateway of these units; it polls only when the test calls `poll`. */
  async function raise(id: string, units: ReadonlyMap<number, Registers>, meters: readonly [number, string][]) {
    gateway = createModbusServer(units, (unit) => requestedUnits.push(unit));
    const raw = {
      url: `modbus://127.0.0.1:${await listen(gateway.server)}`,
      meters: meters.map(([unit_id, map]) => ({ unit_id, map, serial: `${id}${unit_id}`, medium: 'ELECTRICITY' })),
      pause: 0,
      timeout: '150ms',
      poll: '1h',
    };
    host = await startInstallation(energy, { id, park: 'works', raw }, database, {
      parks: [],
      intervals: { checkUp: 60_000, checkDown: 60_000 },
    });
    const registers = async () =>
      Object.fromEntries(
        (
          await database.plain.query(
            'SELECT DISTINCT ON (meter) meter, trim_scale(value)::text AS value FROM meter_reading WHERE meter LIKE $1 ORDER BY meter, time DESC',
            [`${id}:%`],
          )
        ).map((row: { meter: string; value: string }) => [row.meter, row.value]),
      );
    return { poll: () => (host as Host).runJob(id, 'poll meters'), registers };
  }

  test('finds SunSpec models at 40000, 0 and 50000, with integers and floats; values that are not available are not stored', async () => {
    const units = new Map([
      [1, sunspec(40_000, integers(123_456, -1))],
      [2, sunspec(0, integers(7, 3))],
      [3, sunspec(50_000, floats(98_765.5))],
      [4, sunspec(40_000, integers(123_456, -0x8000))],
      [5, sunspec(40_000, integers(0, 0))],
      [6, sunspec(40_000, floats(Number.NaN))],
      [7, sunspec(40_000, null)],
    ]);
    const { poll, registers } = await raise(
      'walk',
      units,
      [...units.keys()].map((unit) => [unit, 'sunspec']),
    );
    await poll();
    expect(await registers()).toEqual({ 'walk:walk1': '12.3456', 'walk:walk2': '7', 'walk:walk3': '98.7655' });
    // The address of a model is searched once.
    requestedUnits.length = 0;
    await poll();
    expect(requestedUnits.filter((unit) => unit === 2 || unit === 3)).toEqual([2, 3]);
  });

  test('a wrong unit id and a wrong register never prevent other meters from being read', async () => {
    const { poll, registers } = await raise(
      'wrong',
      new Map([
        [1, pulse(1_000)],
        [3, pulse(3_000)],
        [4, pulse(4_000)],
      ]),
      [
        [1, 'pulse'],
        [2, 'pulse'],
        [3, 'sdm630'],
        [4, 'pulse'],
      ],
    );
    // More polls than the failure threshold of a circuit breaker.
    for (let n = 0; n < 8; n++) {
      await poll();
      expect(requestedUnits).toEqual(expect.arrayContaining([1, 4]));
      requestedUnits.length = 0;
    }
    expect(await registers()).toEqual({ 'wrong:wrong1': '1', 'wrong:wrong4': '4' });
  });

  test('meter poller: a frozen gateway ends the poll early, and the next poll starts behind the silent meters', async () => {
    const units = new Map<number, Registers>([
      [11, pulse(11_000)],
      [12, pulse(12_000)],
    ]);
    const { poll, registers } = await raise(
      'frozen',
      units,
      Array.from({ length: 12 }, (_, i) => [i + 1, 'pulse']),
    );
    await expect(poll()).rejects.toMatchObject({ code: 'SOURCE_TIMEOUT' });
    // It does not wait for each of the ten silent meters.
    expect(new Set(requestedUnits).size).toBeLessThan(6);
    const pollAndRead = async () => {
      await poll().catch(() => undefined);
      return registers();
    };
    await expect
      .poll(pollAndRead, { timeout: 10_000, interval: 50 })
      .toEqual({ 'frozen:frozen11': '11', 'frozen:frozen12': '12' });
    // The units respond again.
    for (let unit = 1; unit <= 10; unit++) units.set(unit, pulse(unit * 1_000));
    await expect.poll(async () => Object.keys(await pollAndRead()).length, { timeout: 20_000, interval: 200 }).toBe(12);
  });

  test('reconnects after the connection is lost', async () => {
    const { poll, registers } = await raise('lost', new Map([[1, pulse(1_000)]]), [[1, 'pulse']]);
    await poll();
    gateway?.disconnectAll();
    await expect
      .poll(
        () =>
          poll().then(
            () => registers(),
            () => null,
          ),
        { timeout: 5_000 },
      )
      .toEqual({ 'lost:lost1': '1' });
    expect(
      Number((await database.plain.query("SELECT count(*) FROM meter_reading WHERE meter = 'lost:lost1'"))[0].count),
    ).toBeGreaterThan(1);
  });

  test('meter poller: readings whose commit failed are stored with the next poll, each once and with its own time', async () => {
    let register = 1_000;
    const units = new Map([[1, (() => pulse(register)(0)) as Registers]]);
    const { poll } = await raise('late', units, [[1, 'pulse']]);
    const rows = async (table: string): Promise<number> =>
      Number((await database.plain.query(`SELECT count(*) FROM ${table}`))[0].count);
    const readings = () => rows("meter_reading WHERE meter = 'late:late1'");
    const events = () => rows("event WHERE meter = 'late:late1'");
    await poll();
    const before = [await readings(), await events()];
    const allow = await failCommits(database);
    try {
      for (let n = 0; n < 2; n++) {
        register += 1_000;
        await expect(poll()).rejects.toThrow('no commit');
      }
      expect([await readings(), await events()]).toEqual(before);
    } finally {
      await allow();
    }
    register += 1_000;
    await poll();
    // At least, because the host retries a failed poll on its own.
    expect(await readings()).toBeGreaterThanOrEqual((before[0] ?? 0) + 3);
    expect(await events()).toBe(await readings());
    const values: { value: string }[] = await database.plain.query(
      "SELECT DISTINCT trim_scale(value)::text AS value FROM meter_reading WHERE meter = 'late:late1' ORDER BY 1",
    );
    expect(values.map((one) => Number(one.value))).toEqual([1, 2, 3, 4]);
  });
});
