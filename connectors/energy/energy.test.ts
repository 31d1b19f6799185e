import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HUB_PRINCIPAL, type Principal } from '../kit/auth/principal.ts';
import type { Stores } from '../kit/connector.ts';
import { Host } from '../kit/host/host.ts';
import { hubCall, loadKeys } from '../kit/host/services.ts';
import { silentLog } from '../kit/log.ts';
import { createWorld } from '../kit/testing/park/index.ts';
import type { RunningSimulator } from '../kit/testing/simulator.ts';
import { createTestDatabase } from '../kit/testing/test-database.ts';
import { demoParkConfig, installationConfig } from '../kit/testing/test-installation.ts';
import { sumDecimals } from './graph/decimal-sum.ts';
import energy from './index.ts';
import * as mapping from './mapping/index.ts';
import { simulator } from './simulator/index.ts';

const wired = ({ env }: RunningSimulator) => ({
  url: env['LAKESIDE_METERS_URL'],
  sheet: env['LAKESIDE_METERS_SHEET'],
  pause: 0,
});

type MeterRow = Parameters<Stores['energy']['saveMeters']>[1][number];

describe('energy', () => {
  const demo = createWorld();
  let running: RunningSimulator;
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let host: Host;
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-meters-'));
  const DAY = 86_400_000;
  const data = async (
    query: string,
    variables: Record<string, unknown> = {},
    principal = HUB_PRINCIPAL,
    // biome-ignore lint/suspicious/noExplicitAny: responses are read by path
  ): Promise<any> => {
    const call = { ...hubCall(5_000, new AbortController().signal), principal };
    const response = await host.subgraph.execute({ query, variables, call });
    expect(response.errors).toBeUndefined();
    return JSON.parse(JSON.stringify(response.data));
  };
  const until = async (what: string, check: () => Promise<boolean>) => {
    for (const end = Date.now() + 20_000; !(await check()); ) {
      if (Date.now() > end) throw new Error(`${what} did not happen`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const rows = async (meter: string) =>
    Number((await database.plain.query('SELECT count(*) FROM meter_reading WHERE meter = $1', [meter]))[0].count);
  const mqtt = demo.meters.filter((one) => one.protocol === 'mqtt');

  beforeAll(async () => {
    database = await createTestDatabase();
    running = await simulator.start({ directory, world: demo, now: () => new Date(), history: 2 * DAY, live: false });
    const telemetry = {
      url: running.env['LAKESIDE_TELEMETRY_URL'],
      username: running.env['LAKESIDE_TELEMETRY_USER'],
      password: running.env['LAKESIDE_TELEMETRY_PASSWORD'],
      history: '60d',
    };
    host = await Host.open({
      connector: energy,
      installations: [
        installationConfig(energy, 'wires', wired(running)),
        installationConfig(energy, 'air', telemetry),
      ],
      parks: [demoParkConfig(demo)],
      database,
      keys: await loadKeys(database),
      log: silentLog,
    });
  });
  afterAll(async () => {
    await host?.close();
    await running?.close();
    await database?.drop();
    rmSync(directory, { recursive: true, force: true });
  });

  test('gateways resend stored values, each of which is stored once', async () => {
    const last = `air:${mqtt.at(-1)?.serial}`;
    await until('the history', async () => (await rows(last)) >= 48);
    expect(await rows(last)).toBeLessThanOrEqual(49);
    const one = mqtt.find((each) => each.company && each.medium === 'electricity');
    const from = new Date(Math.floor(Date.now() / DAY) * DAY - DAY);
    const { meter } = await data(
      'query ($id: ID!, $from: DateTime!, $to: DateTime!) { meter(id: $id) { medium building { id } company { uscc } series(from: $from, to: $to) { total { value unit } buckets { start value quality } } } }',
      {
        id: `air:${one?.serial}`,
        from: from.toISOString(),
        to: new Date(from.getTime() + DAY).toISOString(),
      },
    );
    expect(meter).toMatchObject({
      medium: 'ELECTRICITY',
      building: { id: one?.building },
      company: { uscc: one?.company },
    });
    expect(meter.series.buckets).toHaveLength(24);
    expect(
      meter.series.buckets.every(
        (bucket: { value: string | null; quality: string }) => bucket.value !== null && bucket.quality === 'GOOD',
      ),
    ).toBe(true);
    expect(meter.series.total).toEqual({
      unit: 'kWh',
      value: sumDecimals(meter.series.buckets.map((bucket: { value: string }) => bucket.value)),
    });
  });

  test('reads meters with every register map', async () => {
    await host.runJob('wires', 'poll meters');
    const stored = await database.plain.query(
      "SELECT count(DISTINCT meter) FROM meter_reading WHERE meter LIKE 'wires:%'",
    );
    expect(Number(stored[0].count)).toBe(demo.meters.filter((one) => one.protocol === 'modbus').length);
  });

  const hour = (n: number) => new Date(Date.UTC(2025, 0, 1) + Math.round(n * 60) * 60_000);
  /** Stores a meter of the second installation with these readings; returns the number of new readings. */
  const keep = async (serial: string, values: readonly (readonly [number, string])[], more: Partial<MeterRow> = {}) => {
    const services = host.services('air');
    if (!services) throw new Error('unreachable');
    const id = `air:${serial}`;
    return services.transaction(async (tx) => {
      await services.store.energy.saveMeters(tx, [
        {
          id,
          installation: 'air',
          serial,
          medium: 'WATER',
          unit: 'm3',
          building: null,
          company: null,
          modulus: null,
          ...more,
        },
      ]);
      const { added: fresh } = await services.store.energy.saveReadings(
        tx,
        values.map(([at, value]) => ({ meter: id, time: hour(at), value, quality: 'GOOD' })),
        new Date(),
      );
      return fresh;
    });
  };
  const series = async (serial: string, from: number, to: number, bucket = 'HOUR') =>
    (
      await data(
        'query ($id: ID!, $from: DateTime!, $to: DateTime!, $bucket: BucketSize!) { meter(id: $id) { series(from: $from, to: $to, bucket: $bucket) { total { value unit } buckets { start value quality } } } }',
        { id: `air:${serial}`, from: hour(from).toISOString(), to: hour(to).toISOString(), bucket },
      )
    ).meter.series as {
      total: { value: string; unit: string } | null;
      buckets: { start: string; value: string | null; quality: string }[];
    };
  const hourlyBuckets = async (serial: string, hours: number) =>
    (await series(serial, 0, hours)).buckets.map(({ value, quality }) => [value, quality]);

  test('consumption: a register that rolls over continues; a repeated reading is stored once', async () => {
    const values = [
      [0, '990'],
      [1, '998.5'],
      [2, '3.5'],
    ] as const;
    expect(await keep('roll', values, { modulus: '1000' })).toBe(3);
    expect(await keep('roll', values, { modulus: '1000' })).toBe(0);
    expect(await hourlyBuckets('roll', 2)).toEqual([
      ['8.5', 'GOOD'],
      ['5', 'GOOD'],
    ]);
    expect((await series('roll', 0, 2)).total).toEqual({ value: '13.5', unit: 'm3' });
  });

  test('consumption: after a reset or a replaced meter the unknown consumption is null and SUSPECT, and measuring continues', async () => {
    await keep('reset', [
      [0, '500'],
      [1, '510'],
      [2, '2'],
      [3, '5'],
    ]);
    expect(await hourlyBuckets('reset', 3)).toEqual([
      ['10', 'GOOD'],
      [null, 'SUSPECT'],
      ['3', 'GOOD'],
    ]);
  });

  test('consumption: a gap is null, never 0; the consumption over it is in the bucket in which it ends', async () => {
    await keep('gap', [
      [0, '1'],
      [1, '2'],
      [6, '12'],
      [7, '13'],
    ]);
    expect(await hourlyBuckets('gap', 7)).toEqual([
      ['1', 'GOOD'],
      ...[1, 2, 3, 4].map(() => [null, 'MISSING']),
      ['10', 'ESTIMATED'],
      ['1', 'GOOD'],
    ]);
  });

  test('consumption: ignores a single outlier, whether it is too low or too high', async () => {
    for (const [serial, wrong] of [
      ['fell', '0'],
      ['leapt', '99999'],
    ] as const) {
      await keep(serial, [
        [0, '100'],
        [1, '101'],
        [2, wrong],
        [3, '103'],
        [4, '104'],
      ]);
      expect(await hourlyBuckets(serial, 4)).toEqual([
        ['1', 'GOOD'],
        ['2', 'SUSPECT'],
        [null, 'MISSING'],
        ['1', 'GOOD'],
      ]);
      // The range ends at the outlier.
      expect((await series(serial, 0, 2)).total?.value).toBe('3');
      expect((await series(serial, 2, 4)).total?.value).toBe('1');
    }
  });

  test('consumption: converts meters of different units before adding them', async () => {
    const uscc = '91350100M000100Y43';
    for (const [unit, end] of [
      ['kWh', '1.5'],
      ['MWh', '0.002'],
      ['Wh', '250'],
      ['GJ', '0.0036'],
    ] as const) {
      const values = [
        [0, '0'],
        [1, end],
      ] as const;
      await keep(`unit-${unit}`, values, { unit, medium: 'HEAT', company: uscc });
    }
    const { _entities: found } = await data(
      'query ($r: [_Any!]!, $from: DateTime!, $to: DateTime!) { _entities(representations: $r) { ... on Company { energy(from: $from, to: $to, medium: HEAT) { total { value unit } provenance { source parts { source } } } } } }',
      { r: [{ __typename: 'Company', uscc }], from: hour(0).toISOString(), to: hour(1).toISOString() },
    );
    // Provenance names only the installation with such meters.
    expect(found[0].energy).toEqual({
      total: { value: '4.75', unit: 'kWh' },
      provenance: { source: 'air', parts: null },
    });
  });

  test('withholds a sum of few companies from callers who may not see meters, and sums from which it could be computed', async () => {
    const company = (letter: string) => `9135010${letter.charCodeAt(0) % 10}M000100Y43`;
    const whose = { 'lakeside-b01': 'A', 'lakeside-b02': 'ABCD', 'lakeside-b03': 'BCDE' };
    for (const [building, letters] of Object.entries(whose))
      for (const letter of letters) {
        const values = [
          [0, '0'],
          [1, '1'],
        ] as const;
        await keep(`gas-${building}-${letter}`, values, { medium: 'GAS', building, company: company(letter) });
      }
    const sums = async (principal?: Principal) => {
      const { _entities: found } = await data(
        `query ($r: [_Any!]!, $from: DateTime!, $to: DateTime!) { _entities(representations: $r) {
          ... on Park { energy(from: $from, to: $to, medium: GAS) { total { value } provenance { masked } } }
          ... on Building { energy(from: $from, to: $to, medium: GAS) { total { value } provenance { masked } } } } }`,
        {
          r: [
            { __typename: 'Park', id: 'lakeside' },
            ...Object.keys(whose).map((id) => ({ __typename: 'Building', id })),
          ],
          from: hour(0).toISOString(),
          to: hour(1).toISOString(),
        },
        principal,
      );
      return found.map((one: { energy: { total: { value: string } | null; provenance: { masked: string[] } } }) =>
        one.energy.provenance.masked.includes('total') ? 'withheld' : one.energy.total?.value,
      );
    };
    const operator = { ...HUB_PRINCIPAL, roles: ['operator'], scopes: new Set(['energy:read']) };
    expect(await sums(operator)).toEqual(['9', '1', '4', '4']);
    const analyst = { ...HUB_PRINCIPAL, roles: ['analyst'], scopes: new Set<string>() };
    expect(await sums(analyst)).toEqual(['9', 'withheld', 'withheld', '4']);
    // A caller could subtract its own company, so the others are counted without it.
    expect(await sums({ ...operator, companies: [company('A')] })).toEqual(['9', '1', '4', '4']);
    expect(await sums({ ...operator, companies: [company('B'), company('C')] })).toEqual([
      '9',
      'withheld',
      'withheld',
      'withheld',
    ]);
  });

  test("days and months are in the park's time zone", async () => {
    await keep('days', [
      [0, '0'],
      [15, '15'],
      [16, '16'],
      [40, '40'],
    ]);
    // 16:00 UTC is midnight in Shanghai.
    expect((await series('days', -8, 40, 'DAY')).buckets).toEqual([
      { start: '2024-12-31T16:00:00.000Z', value: '16', quality: 'GOOD' },
      { start: '2025-01-01T16:00:00.000Z', value: '24', quality: 'GOOD' },
    ]);
    expect((await series('days', -8, 40, 'MONTH')).buckets).toEqual([
      { start: '2024-12-31T16:00:00.000Z', value: '40', quality: 'GOOD' },
    ]);
  });

  test('consumption: two adjacent ranges add up to the whole range', async () => {
    let n = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 0, max: 5_000 })), {
          minLength: 5,
          maxLength: 40,
        }),
        fc.integer({ min: 1, max: 99 }),
        fc.constantFrom('QUARTER_HOUR', 'HOUR', 'DAY'),
        async (steps, cut, bucket) => {
          let minute = 0;
          let value = 0;
          const values = steps.map(([minutes, grown]) => {
            minute += minutes;
            value += grown;
            return [minute / 60, String(value)] as const;
          });
          const serial = `sum-${n++}`;
          await keep(serial, values);
          const end = minute / 60 + 1;
          const at = Math.max(Math.round(minute * (cut / 100)), 1) / 60;
          const [left, right, whole] = await Promise.all([
            series(serial, 0, at, bucket),
            series(serial, at, end, bucket),
            series(serial, 0, end, bucket),
          ]);
          const parts = [left, right].flatMap((one) => (one.total ? [one.total.value] : []));
          expect(sumDecimals(parts)).toBe(whole.total?.value);
          expect(whole.total?.value).toBe(String(value - Number(values[0]?.[1])));
        },
      ),
      { numRuns: 25 },
    );
  });

  test('decodes registers and adds decimals exactly; rejects unavailable values and invalid meter lists', () => {
    expect(mapping.decodeRegister(Buffer.from([0, 0, 0, 0, 0, 0x12, 0xd6, 0x87]), 'int64', -3, 'x')).toBe('1234.567');
    expect(mapping.decodeRegister(Buffer.from([0xff, 0xfe]), 'uint16', 2, 'x')).toBe('6553400');
    expect(() => mapping.decodeRegister(Buffer.from([0xff, 0xff]), 'uint16', 0, 'x')).toThrow('not available');
    expect(mapping.decodeRegister(Buffer.from('44 9a 51 ec'.replaceAll(' ', ''), 'hex'), 'float32', 0, 'x')).toBe(
      '1234.56',
    );
    expect(mapping.decodeRegister(Buffer.from('40934a456d5cfaad', 'hex'), 'float64', -3, 'x')).toBe('1.2345678');
    expect(mapping.decodeRegister(Buffer.from('00000000000000ff', 'hex'), 'uint64', -2, 'x')).toBe('2.55');
    for (const [type, hex] of [
      ['uint32', 'ffffffff'],
      ['uint64', 'ffffffffffffffff'],
      ['int64', '8000000000000000'],
      ['float32', '7fc00000'],
      ['float64', '7ff8000000000000'],
    ] as const)
      expect(() => mapping.decodeRegister(Buffer.from(hex, 'hex'), type, 0, 'x')).toThrow(/not available|not a number/);
    expect(sumDecimals(['0.1', '0.2', '959640'])).toBe('959640.3');
    expect(() => mapping.parseMeterSheet('unit_id,map\n999,none\n')).toThrow(/line 2: unit_id must be 0 to 255/);
    const twice = [1, 2].map((unit_id) => ({ unit_id: String(unit_id), map: 'sdm630', serial: 'A', medium: 'HEAT' }));
    expect(() => mapping.parseMeterList(twice)).toThrow('meters[1]: serial A is listed twice');
    const silent = Buffer.alloc(110);
    silent.writeUInt16BE(203);
    expect(() => mapping.importedEnergy(silent)).toThrow('TotWhImp is not available');
  });
});
