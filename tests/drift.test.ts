/** The interface of a source changes: the hub reports the drift with the affected graph fields and keeps working. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import iconv from 'iconv-lite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import energy from '../connectors/energy/index.ts';
import { createModbusServer, int64, type Registers } from '../connectors/energy/simulator/modbus-server.ts';
import { startTestBroker } from '../connectors/energy/simulator/test-broker.ts';
import type { AnyConnector } from '../connectors/kit/connector.ts';
import type { Host } from '../connectors/kit/host/host.ts';
import { hubCall } from '../connectors/kit/host/services.ts';
import { createLog } from '../connectors/kit/log.ts';
import { createWorld } from '../connectors/kit/testing/park/index.ts';
import { type RewritingProxy, startRewritingProxy } from '../connectors/kit/testing/rewriting-proxy.ts';
import { listen, type RunningSimulator, type Simulator } from '../connectors/kit/testing/simulator.ts';
import { clockFrom } from '../connectors/kit/testing/test-clock.ts';
import { createTestDatabase } from '../connectors/kit/testing/test-database.ts';
import { startInstallation } from '../connectors/kit/testing/test-installation.ts';
import parking from '../connectors/parking/index.ts';
import { simulator as parkingSimulator } from '../connectors/parking/simulator/index.ts';
import registration from '../connectors/registration/index.ts';
import { simulator as registerSimulator } from '../connectors/registration/simulator.ts';
import tax from '../connectors/tax/index.ts';
import { simulator as taxSimulator } from '../connectors/tax/simulator/index.ts';

const demo = createWorld();
/** Noon of a working day in the park, so that the cars of the day are always the same. */
const NOON = Date.parse('2026-03-04T04:00:00Z');
const began = Date.now();
const now = () => new Date(NOON + Date.now() - began);
const directory = mkdtempSync(join(tmpdir(), 'isthmus-drift-'));
const lines: string[] = [];
const ends: (() => Promise<unknown>)[] = [];
let database: Awaited<ReturnType<typeof createTestDatabase>>;

beforeAll(async () => {
  database = await createTestDatabase();
}, 60_000);
afterAll(async () => {
  for (const end of ends.reverse()) await end();
  await database?.drop();
  rmSync(directory, { recursive: true, force: true });
}, 60_000);

async function simulated(simulator: Simulator, history = 86_400_000): Promise<RunningSimulator> {
  const options = { directory: join(directory, simulator.name), world: demo, now, history };
  const running = await simulator.start({ ...options, live: false });
  ends.push(() => running.close());
  return running;
}

/** A host with one installation that is compared for drift at every check, and checked only when the test calls `check`. */
async function startHost(
  connector: AnyConnector,
  id: string,
  raw: Record<string, unknown>,
  jobs: boolean,
): Promise<Host> {
  const host = await startInstallation(connector, { id, raw }, database, {
    clock: clockFrom(now),
    log: createLog((line) => lines.push(line)),
    intervals: { checkUp: 3_600_000, checkDown: 3_600_000, checkTime: 30_000, drift: 0 },
    policy: { timeout: 30_000 },
    cacheReads: false,
    runJobs: jobs,
  });
  ends.push(() => host.close());
  return host;
}

/** State and reason after a complete check that started now. */
async function checked(host: Host, id: string): Promise<{ state: string | undefined; reason: string | null }> {
  await host.check(id);
  const { state, reason } = (await host.check(id)) ?? {};
  return { state, reason: reason ?? null };
}
const UP = { state: 'UP', reason: null };
const drifted = (sentence: string) => ({
  state: 'DEGRADED',
  reason: `has drifted: ${sentence}`,
});
const execute = (host: Host, query: string, r: readonly Record<string, unknown>[]) =>
  host.subgraph.execute({ query, variables: { r }, call: hubCall(30_000, new AbortController().signal) });

describe('drift over HTTP', () => {
  let vendor: RewritingProxy;
  const through = async (address: string) => {
    vendor = await startRewritingProxy(address);
    ends.push(() => vendor.close());
    return vendor.url;
  };

  test('reports fields that a parking vendor renamed or dropped', async () => {
    const { env } = await simulated(parkingSimulator);
    const url = await through(env['LAKESIDE_PARKING_URL'] as string);
    const raw = { url, token: env['LAKESIDE_PARKING_TOKEN'], webhookSecret: env['LAKESIDE_PARKING_SECRET'] };
    const host = await startHost(parking, 'cars', raw, false);
    expect(await checked(host, 'cars')).toEqual(UP);
    const renamed = (text: string) =>
      text.replaceAll('"supplyQuantity"', '"quantity"').replaceAll('"plateColour"', '"paint"');
    vendor.rewrite(renamed);
    expect(await checked(host, 'cars')).toEqual(
      drifted(
        [
          'no place of 3 has hierarchyElementReference.supply.supplyQuantity (affects ParkingLot.capacity, ParkingLot.free)',
          'no session of 20 has identifiedCredentials.plateColour (affects ParkingSession.vehicle, Vehicle.session, VehicleEntered.vehicle)',
          'no right of 20 has rightHolder.credentials.plateColour (affects Company.vehicles, Vehicle)',
        ].join('; '),
      ),
    );
    vendor.rewrite(null);
    expect(await checked(host, 'cars')).toEqual(UP);
    vendor.rewrite(renamed);
    const lots = 'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Park { lots { capacity } } } }';
    const { errors } = await execute(host, lots, [{ __typename: 'Park', id: 'lakeside' }]);
    expect(errors?.map((error) => error.extensions?.['code'])).toEqual(['SOURCE_MALFORMED']);
    await host.close();
    const driftEvents = await database.plain.query(
      `SELECT data->>'to' AS "to", data->>'reason' AS reason FROM event WHERE kind = 'SOURCE_STATE_CHANGED' AND installation = 'cars'`,
    );
    expect(driftEvents).toContainEqual({ to: 'DEGRADED', reason: expect.stringContaining('ParkingLot.capacity') });
    expect(lines.some((line) => line.includes('Source cars has drifted: '))).toBe(true);
  }, 60_000);

  test('reports an element that the company register leaves out', async () => {
    const { env } = await simulated(registerSimulator);
    const url = await through(env['LAKESIDE_REGISTER_URL'] as string);
    const raw = { url, client: 'CN/GOV/500112/park-hub', service: 'CN/GOV/500000/company-register' };
    const host = await startHost(registration, 'register', raw, false);
    expect(await checked(host, 'register')).toEqual(UP);
    vendor.rewrite((text) => text.replace(/<([\w]+:)?REGCAP\b[^>]*>[^<]*<\/([\w]+:)?REGCAP>/g, ''));
    expect(await checked(host, 'register')).toEqual(
      drifted('no entry of 20 has REGCAP (affects Registration.capital)'),
    );
    vendor.rewrite(null);
    expect(await checked(host, 'register')).toEqual(UP);
  }, 60_000);
});

test('drift: reports a renamed column of a tax file and keeps the previous rows; the next valid file clears it', async () => {
  const running = await simulated(taxSimulator, 3 * 86_400_000);
  const { env } = running;
  const raw = {
    url: env['LAKESIDE_TAX_URL'],
    password: env['LAKESIDE_TAX_PASSWORD'],
    hostKey: env['LAKESIDE_TAX_HOST_KEY'],
    poll: '1h',
  };
  const host = await startHost(tax, 'office', raw, true);
  const fixture = readFileSync(join(import.meta.dirname, '..', 'connectors', 'tax', 'fixtures', 'invoices.in.csv'));
  const lay = async (name: string, bytes: Buffer) => {
    writeFileSync(join(directory, 'tax', 'drop', 'park', name), bytes);
    writeFileSync(join(directory, 'tax', 'drop', 'park', `${name}.ok`), '');
    await host.runJob('office', 'drop');
  };
  // Files without a marker are imported at the second listing.
  for (let n = 0; n < 2; n++) await host.runJob('office', 'drop');
  await lay('monthly-202601.csv', fixture);
  expect(await checked(host, 'office')).toEqual(UP);
  const rows = () => database.plain.query('SELECT count(*)::int AS n FROM tax_invoice');
  const before = await rows();
  const renamed = iconv.decode(fixture, 'gb18030').replace('税额', '税金');
  await lay('monthly-202602.csv', iconv.encode(renamed, 'gb18030'));
  expect(await checked(host, 'office')).toEqual(
    drifted('the column 税额 of monthly-202602.csv is gone (affects Invoice.tax, TaxTotal.tax)'),
  );
  expect(await rows()).toEqual(before);
  await lay('monthly-202603.csv', Buffer.concat([fixture, Buffer.from('\r\n')]));
  expect(await checked(host, 'office')).toEqual(UP);
}, 60_000);

test('drift: reports moved meter registers and a counter that runs backwards', async () => {
  // Three Schneider meters: Wh in four registers.
  const counters = [5_000_000n, 6_000_000n, 7_000_000n];
  let at = 0x0c83;
  const units = new Map<number, Registers>(
    counters.map((_, i) => [
      i + 1,
      () => {
        const registerWords = int64(counters[i] as bigint);
        return new Map(registerWords.map((word, n) => [at + n, word]));
      },
    ]),
  );
  const gateway = createModbusServer(units, () => undefined);
  const port = await listen(gateway.server);
  ends.push(async () => {
    gateway.disconnectAll();
    gateway.server.close();
  });
  const meters = [1, 2, 3].map((unit) => ({
    ...{ unit_id: unit, map: 'iem3000', serial: `E-${unit}`, medium: 'ELECTRICITY', building: 'B01' },
  }));
  const host = await startHost(
    energy,
    'meters',
    { url: `modbus://127.0.0.1:${port}`, meters, pause: 0, poll: '1h' },
    true,
  );
  const round = () => host.runJob('meters', 'poll meters').catch(() => undefined);
  const registers = async () =>
    (
      await database.plain.query(
        `SELECT DISTINCT ON (meter) trim_scale(value)::text AS value FROM meter_reading WHERE meter LIKE 'meters:%' ORDER BY meter, time DESC`,
      )
    ).map((one: { value: string }) => one.value);
  const LIVES = 'affects Meter.register, Meter.latest, Meter.series, EnergySeries, MeterReadingTaken';
  await round();
  expect(await checked(host, 'meters')).toEqual(UP);
  counters[1] = 230n;
  await round();
  expect(await checked(host, 'meters')).toEqual(
    drifted(`the register of meter E-2 ran backwards (replaced, or another register map) (${LIVES})`),
  );
  const known = await registers();
  expect(known).toEqual(['5000', '0.23', '7000']);
  // All addresses move except those of unit 1, which the check reads ("illegal data address" otherwise).
  at = 0x0c8b;
  units.set(1, () => new Map(int64(5_000_000n).map((word, n) => [0x0c83 + n, word])));
  await round();
  await round();
  expect((await checked(host, 'meters')).reason).toContain(
    `the register map iem3000 does not match meters E-2, E-3 (${LIVES})`,
  );
  expect(await registers()).toEqual(known);
  at = 0x0c83;
  await round();
  expect((await checked(host, 'meters')).reason).not.toContain('does not match');
}, 60_000);

test('drift: reports MQTT payloads that lost a field or changed a type, stores them, and accepts the others', async () => {
  let acknowledged = 0;
  const broker = await startTestBroker(undefined, (made) => {
    made.on('ack', (_packet, client) => {
      if (client.id === 'air') acknowledged++;
    });
  });
  const subscribed = broker.subscribed();
  ends.push(() => broker.close());
  const host = await startHost(energy, 'air', { url: `mqtt://127.0.0.1:${broker.port}`, poll: '1h' }, true);
  await subscribed;
  const at = (minute: number) => new Date(NOON - 3_600_000 + minute * 60_000).toISOString();
  let published = 0;
  const tell = async (topic: string, payload: object) => {
    published += 1;
    await broker.publish(`park/g/${topic}`, payload);
  };
  /** Waits until everything published is committed; returns the reason of the state. */
  const settled = async () => {
    await expect.poll(() => acknowledged, { timeout: 30_000 }).toBe(published);
    return (await checked(host, 'air')).reason;
  };
  const info = { medium: 'electricity', unit: 'kWh', uscc: '91350100M000100Y43', building: 'B01' };
  for (const serial of ['T-1', 'T-2', 'T-3']) {
    await tell(`${serial}/info`, info);
    await tell(`${serial}/telemetry`, { ts: at(0), register: '100' });
  }
  expect(await settled()).toBeNull();

  const LIVES = 'affects Meter.register, Meter.latest, Meter.series, EnergySeries, MeterReadingTaken';
  const INFO = 'affects Meter.medium, Meter.unit, Meter.building, Meter.company';
  const bad: [string, object][] = [
    ['T-1/telemetry', { ts: at(1), total: '101' }],
    ['T-1/telemetry', { values: [{ ts: at(2), total: '102' }] }],
    ['T-2/telemetry', { ts: at(1), register: '101', estimated: 'no' }],
    ['T-1/info', { medium: 'electricity', unit: 'kWh', creditCode: info.uscc, building: 'B01' }],
    ['T-2/alarm', { ts: at(1), text: { en: 'cover open' } }],
  ];
  for (const [i, [topic, payload]] of bad.entries()) {
    await tell(topic, payload);
    await tell('T-3/telemetry', { ts: at(1 + i), register: String(101 + i) });
  }
  await tell('T-2/telemetry', { ts: at(2), register: ['102'] });
  const drift = await settled();
  expect(drift).toContain(
    `the telemetry payload does not match meters T-1, T-2: register is not a valid register value (${LIVES})`,
  );
  expect(drift).toContain(`the info payload does not match meter T-1: uscc is missing (${INFO})`);
  expect(drift).toContain('the alarm payload does not match meter T-2: text is not a string (affects MeterAlarm)');
  // Every acknowledged payload is either a reading or stored byte for byte as rejected.
  const values = (serial: string) =>
    database.plain.query('SELECT value::int AS v FROM meter_reading WHERE meter = $1 ORDER BY time', [`air:${serial}`]);
  expect(await values('T-1')).toEqual([{ v: 100 }]);
  expect(await values('T-2')).toEqual([{ v: 100 }]);
  expect(await values('T-3')).toEqual([100, 101, 102, 103, 104, 105].map((v) => ({ v })));
  const rejected = await database.plain.query(
    `SELECT topic, payload, reason FROM meter_refusal WHERE installation = 'air' ORDER BY id`,
  );
  expect(rejected.map((row: { topic: string; payload: Buffer }) => [row.topic, row.payload.toString()])).toEqual(
    [...bad, ['T-2/telemetry', { ts: at(2), register: ['102'] }] as const].map(([topic, payload]) => [
      `park/g/${topic}`,
      JSON.stringify(payload),
    ]),
  );
  // The meter still belongs to the company.
  const { data } = await execute(
    host,
    'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Meter { company { uscc } } } }',
    [{ __typename: 'Meter', id: 'air:T-1' }],
  );
  expect(data).toEqual({ _entities: [{ company: { uscc: info.uscc } }] });

  // The payloads are corrected one after the other; null counts as missing.
  await tell('T-1/info', { ...info, uscc: null });
  await tell('T-2/alarm', { ts: at(9), text: 'cover open' });
  await tell('T-1/telemetry', { ts: at(9), register: '109' });
  expect(await settled()).toContain(
    'the telemetry payload does not match meter T-2: register is not a valid register value',
  );
  await tell('T-2/telemetry', { ts: at(9), register: '109' });
  expect(await settled()).toBeNull();
}, 120_000);
