/** UCI's steel plant (a year of quarter hours) as a meter's register, and the question whether the hub counts the same. */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import energy from '../../connectors/energy/index.ts';
import type { Clock } from '../../connectors/kit/connector.ts';
import type { Host } from '../../connectors/kit/host/host.ts';
import { hubCall } from '../../connectors/kit/host/services.ts';
import { freshDatabase } from '../../connectors/kit/testing/test-database.ts';
import { raiseIsland } from '../../connectors/kit/testing/test-installation.ts';
import { isHere, realPath } from './data.ts';

const FILE = realPath('energy/steel-industry-2018-15min.csv');
const QUARTER = 15 * 60_000;
/** Local midnight of the first day; the file's rows are in order, a day's 00:00 row being its last. */
export const START = Date.parse('2018-01-01T00:00:00+08:00');
/** Known of the file: SOURCES.md beside it. */
export const INTERVALS = 35_040;
const YEAR = '959640.31';
const JANUARY = '126238.29';
const JULY = '81674.41';
/** Quarter hours of January. */
export const IN_JANUARY = 31 * 96;

export const haveData = (): boolean => isHere(FILE);

/** The register in hundredths of a kWh at the start and at the end of each interval: 35,041 values. */
export function counters(): number[] {
  const rows = readFileSync(FILE, 'utf8').trim().split(/\r?\n/).slice(1);
  expect(rows).toHaveLength(INTERVALS);
  let register = 0;
  return [
    0,
    ...rows.map((row) => {
      register += Math.round(Number(row.split(',')[1]) * 100);
      return register;
    }),
  ];
}

/** When the register stood at value number `i`. */
export const timeOf = (i: number): Date => new Date(START + i * QUARTER);

/** Hundredths as a decimal. */
export const decimal = (hundredths: number): string =>
  `${Math.floor(hundredths / 100)}.${String(hundredths % 100).padStart(2, '0')}`;

/** A hub with one energy installation `steel`. */
export async function raiseSteel(settings: Record<string, unknown>, clock?: Clock) {
  const database = await freshDatabase();
  const host = await raiseIsland(energy, { id: 'steel', park: 'works', raw: settings }, database, {
    parks: [],
    // The checks would only stand in line before the registers.
    pace: { checkUp: 60_000, checkDown: 5_000 },
    ...(clock ? { clock } : {}),
  });
  const readings = async () => Number((await database.plain.query('SELECT count(*) FROM meter_reading'))[0].count);
  return {
    host,
    readings,
    close: async () => {
      await host.close();
      await database.drop();
    },
  };
}

const QUERY =
  'query ($from: DateTime!, $to: DateTime!, $bucket: BucketSize!) { meter(id: "steel:PLANT") { series(from: $from, to: $to, bucket: $bucket) { total { value unit } buckets { start value quality } } } }';

/** Asks the graph, and holds the answer against what is known of the file. */
export async function expectTotals(host: Host, intervals: number): Promise<void> {
  const ask = async (to: Date, bucket: string) => {
    const answer = await host.subgraph.execute({
      query: QUERY,
      variables: { from: new Date(START).toISOString(), to: to.toISOString(), bucket },
      call: hubCall(30_000, new AbortController().signal),
    });
    expect(answer.errors).toBeUndefined();
    return (
      JSON.parse(JSON.stringify(answer.data)) as {
        meter: {
          series: { total: { value: string; unit: string }; buckets: { value: string | null; quality: string }[] };
        };
      }
    ).meter.series;
  };
  const fine = await ask(timeOf(intervals), 'QUARTER_HOUR');
  expect(fine.buckets).toHaveLength(intervals);
  expect(fine.buckets.filter((one) => one.value === null || one.quality !== 'GOOD')).toEqual([]);
  const months = await ask(timeOf(intervals), 'MONTH');
  expect(months.buckets[0]?.value).toBe(JANUARY);
  if (intervals < INTERVALS) {
    expect(fine.total).toEqual({ value: JANUARY, unit: 'kWh' });
    return;
  }
  expect(fine.total).toEqual({ value: YEAR, unit: 'kWh' });
  expect(months.buckets).toHaveLength(12);
  expect(months.buckets[6]?.value).toBe(JULY);
  expect(months.total.value).toBe(YEAR);
}

/** Publishes every register with the device's own time, through whatever broker; then waits until all are kept. */
export async function throughMqtt(url: string, steel: Awaited<ReturnType<typeof raiseSteel>>): Promise<void> {
  const { MqttSession } = await import('../../connectors/energy/source/mqtt.ts');
  const { hostname, port } = new URL(url);
  const { session } = await MqttSession.open({
    host: hostname,
    port: Number(port),
    clientId: 'plant',
    username: null,
    password: null,
    timeout: 30_000,
    keep: false,
    largest: 8_000_000,
  });
  await session.publish('park/works/PLANT/info', JSON.stringify({ medium: 'electricity', unit: 'kWh' }));
  const all = counters();
  for (let i = 0; i < all.length; i += 100) {
    await Promise.all(
      all
        .slice(i, i + 100)
        .map((value, n) =>
          session.publish(
            'park/works/PLANT/telemetry',
            JSON.stringify({ ts: timeOf(i + n).toISOString(), register: decimal(value) }),
          ),
        ),
    );
  }
  session.leave();
  for (const end = Date.now() + 90_000; (await steel.readings()) < all.length; ) {
    if (Date.now() > end) throw new Error(`only ${await steel.readings()} of ${all.length} registers were kept`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(await steel.readings()).toBe(all.length);
}
