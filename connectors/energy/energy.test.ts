import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Host } from '../kit/host/host.ts';
import { hubCall, loadKeys } from '../kit/host/services.ts';
import { silentLog } from '../kit/log.ts';
import { readSettings } from '../kit/settings.ts';
import { conformance, demoPark } from '../kit/testing/conformance.ts';
import { freshDatabase } from '../kit/testing/database.ts';
import { world } from '../kit/testing/park.ts';
import type { Running } from '../kit/testing/simulator.ts';
import { sum } from './graph/decimal.ts';
import energy from './index.ts';
import * as mapping from './mapping/index.ts';
import { simulator } from './simulator/index.ts';

const scratch = mkdtempSync(join(tmpdir(), 'isthmus-energy-'));
const oneMeter = join(scratch, 'one.csv');
writeFileSync(oneMeter, 'unit_id,map,serial,medium,unit,building,uscc,customer\n3,dtsu666,ONE,ELECTRICITY,kWh,B01,,\n');
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const wired = ({ env }: Running) => ({
  url: env['LAKESIDE_METERS_URL'],
  sheet: env['LAKESIDE_METERS_SHEET'],
  pause: 0,
});
/** Answers each request with this body. */
const answering = (body: readonly number[]) => (socket: Socket) =>
  socket.on('data', (frame: Buffer) => {
    const head = Buffer.from(frame.subarray(0, 7));
    head.writeUInt16BE(body.length + 1, 4);
    socket.write(Buffer.concat([head, Buffer.from(body)]));
  });
const METERS =
  'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Company { uscc meters(first: 5) { nodes { id medium unit register latest { value quality } } totalCount provenance { source stale } } } } }';
const company = world().meters.find((one) => one.protocol === 'modbus' && one.company)?.company as string;

conformance({
  connector: energy,
  simulator,
  folder: import.meta.dirname,
  settings: wired,
  // Unit 3 of the simulator is a DTSU666.
  settingsAt: ({ host, port }) => ({
    url: `modbus://${host}:${port}`,
    sheet: oneMeter,
    pause: 0,
    timeout: '1s',
    poll: '500ms',
  }),
  prepare: ['poll meters'],
  question: () => ({
    query: METERS,
    variables: { r: [{ __typename: 'Company', uscc: company }] },
    check: (data) => {
      const { meters } = (
        data['_entities'] as { meters: { nodes: { register: string; unit: string }[]; totalCount: number } }[]
      )[0] as never as { meters: { nodes: { register: string; unit: string }[]; totalCount: number } };
      expect(meters.totalCount).toBe(
        world().meters.filter((one) => one.protocol === 'modbus' && one.company === company).length,
      );
      for (const one of meters.nodes) expect(Number(one.register)).toBeGreaterThan(0);
    },
  }),
  batch: () => ({
    representations: [company, '91350100M000100Y43', world().companies[2]?.uscc].map((uscc) => ({
      __typename: 'Company',
      uscc,
    })),
    selection: '... on Company { uscc meters(first: 2) { nodes { id } } }',
    unknown: 1,
    isUnknown: (entity) => (entity?.['meters'] as { nodes: unknown[] } | undefined)?.nodes.length === 0,
    calls: 0,
  }),
  live: { job: 'poll meters' },
  nonsense: { serve: answering([3, 4, 0x7f, 0xc0, 0, 0]), field: /register 0x101e of unit 3/ },
  refusal: { serve: answering([0x83, 2]) },
  fixture: (name, bytes) =>
    name === 'sheet' ? mapping.meterSheet(bytes.toString('utf8')) : mapping.readings('LS1', bytes),
});

describe('energy', () => {
  const demo = world();
  let running: Running;
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let host: Host;
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-meters-'));
  const DAY = 86_400_000;
  // biome-ignore lint/suspicious/noExplicitAny: answers are read by path
  const data = async (query: string, variables: Record<string, unknown> = {}): Promise<any> => {
    const answer = await host.subgraph.execute({
      query,
      variables,
      call: hubCall(5_000, new AbortController().signal),
    });
    expect(answer.errors).toBeUndefined();
    return JSON.parse(JSON.stringify(answer.data));
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
    database = await freshDatabase();
    running = await simulator.start({ directory, world: demo, now: () => new Date(), history: 2 * DAY, live: false });
    const telemetry = {
      url: running.env['LAKESIDE_TELEMETRY_URL'],
      username: running.env['LAKESIDE_TELEMETRY_USER'],
      password: running.env['LAKESIDE_TELEMETRY_PASSWORD'],
      history: '60d',
    };
    const installation = (id: string, raw: Record<string, unknown>) => {
      const { values } = readSettings(energy.settings, raw);
      return {
        id,
        park: 'lakeside',
        connector: 'energy',
        settings: values,
        protocol: energy.protocol(values as never),
      };
    };
    host = await Host.raise({
      connector: energy,
      installations: [installation('wires', wired(running)), installation('air', telemetry)],
      parks: [demoPark(demo)],
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

  test('gateways resend what was stored before us; each value once', async () => {
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
      value: sum(meter.series.buckets.map((bucket: { value: string }) => bucket.value)),
    });
  });

  test('every register map is read, one request at a time', async () => {
    await host.runJob('wires', 'poll meters');
    const kept = await database.plain.query(
      "SELECT count(DISTINCT meter) FROM meter_reading WHERE meter LIKE 'wires:%'",
    );
    expect(Number(kept[0].count)).toBe(demo.meters.filter((one) => one.protocol === 'modbus').length);
  });

  test('roll-over, reset, gap and double delivery', async () => {
    const services = host.services('air');
    if (!services) throw new Error('unreachable');
    const hour = (n: number) => new Date(Date.UTC(2025, 0, 1, n));
    const save = (meter: string, values: [number, string][]) =>
      services.transaction((tx) =>
        services.store.energy.saveReadings(
          tx,
          values.map(([at, value]) => ({ meter, time: hour(at), value, quality: 'GOOD' })),
        ),
      );
    await services.transaction((tx) =>
      services.store.energy.saveMeters(
        tx,
        ['roll', 'reset', 'gap'].map((serial) => ({
          id: `air:${serial}`,
          installation: 'air',
          serial,
          medium: 'WATER',
          unit: 'm3',
          building: null,
          company: null,
          modulus: serial === 'roll' ? '1000' : null,
        })),
      ),
    );
    await save('air:roll', [
      [0, '990'],
      [1, '998.5'],
      [2, '3.5'],
    ]);
    expect(await save('air:roll', [[2, '3.5']])).toBe(0);
    await save('air:reset', [
      [0, '500'],
      [1, '510'],
      [2, '2'],
      [3, '5'],
    ]);
    await save('air:gap', [
      [0, '1'],
      [1, '2'],
      [6, '12'],
      [7, '13'],
    ]);
    const series = async (serial: string, hours: number) =>
      (
        await data(
          'query ($id: ID!, $from: DateTime!, $to: DateTime!) { meter(id: $id) { series(from: $from, to: $to) { total { value } buckets { value quality } } } }',
          { id: `air:${serial}`, from: hour(0).toISOString(), to: hour(hours).toISOString() },
        )
      ).meter.series;
    expect(await series('roll', 2)).toEqual({
      total: { value: '13.5' },
      buckets: [
        { value: '8.5', quality: 'GOOD' },
        { value: '5', quality: 'GOOD' },
      ],
    });
    expect(await series('reset', 3)).toEqual({
      total: { value: '13' },
      buckets: [
        { value: '10', quality: 'GOOD' },
        { value: null, quality: 'SUSPECT' },
        { value: '3', quality: 'GOOD' },
      ],
    });
    expect((await series('gap', 7)).buckets).toEqual([
      { value: '1', quality: 'GOOD' },
      ...[1, 2, 3, 4].map(() => ({ value: null, quality: 'GOOD' })),
      { value: '10', quality: 'ESTIMATED' },
      { value: '1', quality: 'GOOD' },
    ]);
  });

  test('what cannot be understood is kept with its reason, and stops nothing', async () => {
    const { MqttSession } = await import('./source/mqtt.ts');
    const { hostname, port } = new URL(running.env['LAKESIDE_TELEMETRY_URL'] as string);
    const { session } = await MqttSession.open({
      host: hostname,
      port: Number(port),
      clientId: 'test',
      username: running.env['LAKESIDE_TELEMETRY_USER'] ?? null,
      password: running.env['LAKESIDE_TELEMETRY_PASSWORD'] ?? null,
      timeout: 2_000,
      keep: false,
    });
    await session.publish('park/gw/BAD/telemetry', '{"ts":"yesterday"}');
    await session.publish('park/gw/GOOD/telemetry', JSON.stringify({ ts: new Date().toISOString(), register: '7.5' }));
    await session.publish('park/gw/GOOD/alarm', JSON.stringify({ ts: new Date().toISOString(), text: 'cover open' }));
    await until('the good one', async () => (await rows('air:GOOD')) === 1);
    session.leave();
    const refused = await database.plain.query('SELECT topic, reason, payload FROM meter_refusal');
    expect(refused).toMatchObject([{ topic: 'park/gw/BAD/telemetry', reason: expect.stringContaining('ts') }]);
    expect(refused[0].payload.toString()).toBe('{"ts":"yesterday"}');
    await until(
      'the alarm',
      async () =>
        Number((await database.plain.query("SELECT count(*) FROM event WHERE kind = 'METER_ALARM'"))[0].count) === 1,
    );
  });

  test('a wrong password is refused', async () => {
    const { MqttSession } = await import('./source/mqtt.ts');
    const { hostname, port } = new URL(running.env['LAKESIDE_TELEMETRY_URL'] as string);
    await expect(
      MqttSession.open({
        host: hostname,
        port: Number(port),
        clientId: 'x',
        username: 'isthmus',
        password: 'wrong',
        timeout: 2_000,
        keep: false,
      }),
    ).rejects.toMatchObject({ code: 'SOURCE_REJECTED' });
  });

  test('registers and sums are exact', () => {
    expect(mapping.decode(Buffer.from([0, 0, 0, 0, 0, 0x12, 0xd6, 0x87]), 'int64', -3, 'x')).toBe('1234.567');
    expect(mapping.decode(Buffer.from([0xff, 0xfe]), 'uint16', 2, 'x')).toBe('6553400');
    expect(() => mapping.decode(Buffer.from([0xff, 0xff]), 'uint16', 0, 'x')).toThrow('not there');
    expect(sum(['0.1', '0.2', '959640'])).toBe('959640.3');
    expect(() => mapping.meterSheet('unit_id,map\n999,none\n')).toThrow(/line 2: unit_id must be 0 to 255/);
  });
});
