/** UCI's steel plant (a year of quarter hours) as a meter register; checks that the hub computes the same totals. */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import energy from '../../connectors/energy/index.ts';
import type { Clock } from '../../connectors/kit/clock.ts';
import type { Host } from '../../connectors/kit/host/host.ts';
import { hubCall } from '../../connectors/kit/host/services.ts';
import { createTestDatabase } from '../../connectors/kit/testing/test-database.ts';
import { startInstallation } from '../../connectors/kit/testing/test-installation.ts';
import { largeSetPath, samplePath } from './data.ts';

const JANUARY_FILE = samplePath('energy/steel-industry-2018-january.csv');
/** The whole year, if available. */
const YEAR_FILE = largeSetPath('energy/steel-industry-2018-15min.csv');
const QUARTER = 15 * 60_000;
/** Local midnight of the first day. Rows are in order; the 00:00 row of a day is its last. */
export const START = Date.parse('2018-01-01T00:00:00+08:00');
/** Totals published with the data set. */
export const INTERVALS = 35_040;
const YEAR = '959640.31';
const JANUARY = '126238.29';
const JULY = '81674.41';
/** Number of quarter hours in January. */
export const IN_JANUARY = 31 * 96;

export const hasYear = YEAR_FILE !== null;

/** Register values in hundredths of a kWh at the boundaries of the intervals: one more than there are intervals. */
export function counters(file: 'january' | 'year'): number[] {
  const path = file === 'year' ? (YEAR_FILE as string) : JANUARY_FILE;
  const rows = readFileSync(path, 'utf8').trim().split(/\r?\n/).slice(1);
  expect(rows).toHaveLength(file === 'year' ? INTERVALS : IN_JANUARY);
  let register = 0;
  return [
    0,
    ...rows.map((row) => {
      register += Math.round(Number(row.split(',')[1]) * 100);
      return register;
    }),
  ];
}

/** Time of register value number `i`. */
export const timeOf = (i: number): Date => new Date(START + i * QUARTER);

/** Hundredths as a decimal text. */
export const decimal = (hundredths: number): string =>
  `${Math.floor(hundredths / 100)}.${String(hundredths % 100).padStart(2, '0')}`;

/** Starts the energy connector with one installation `steel`. */
export async function startSteelPlant(settings: Record<string, unknown>, clock?: Clock) {
  const database = await createTestDatabase();
  const host = await startInstallation(energy, { id: 'steel', park: 'works', raw: settings }, database, {
    parks: [],
    // Rare checks, because they would delay the register reads.
    intervals: { checkUp: 60_000, checkDown: 5_000 },
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

/** Queries the graph and compares the result with the known totals. */
export async function expectTotals(host: Host, intervals: number): Promise<void> {
  const series = async (to: Date, bucket: string) => {
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
  const fine = await series(timeOf(intervals), 'QUARTER_HOUR');
  expect(fine.buckets).toHaveLength(intervals);
  expect(fine.buckets.filter((bucket) => bucket.value === null || bucket.quality !== 'GOOD')).toEqual([]);
  const months = await series(timeOf(intervals), 'MONTH');
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

/** Publishes every register with the device's time through the broker at `url`, then waits until all are stored. */
export async function publishYear(url: string, steel: Awaited<ReturnType<typeof startSteelPlant>>): Promise<void> {
  const { MqttSession } = await import('../../connectors/energy/source/mqtt-session.ts');
  const { hostname, port } = new URL(url);
  const { session } = await MqttSession.open({
    host: hostname,
    port: Number(port),
    clientId: 'plant',
    username: null,
    password: null,
    timeout: 30_000,
    keepSession: false,
    maxPacketBytes: 8_000_000,
  });
  await session.publish('park/works/PLANT/info', JSON.stringify({ medium: 'electricity', unit: 'kWh' }));
  const all = counters('year');
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
  session.disconnect();
  for (const end = Date.now() + 90_000; (await steel.readings()) < all.length; ) {
    if (Date.now() > end) throw new Error(`only ${await steel.readings()} of ${all.length} registers were stored`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(await steel.readings()).toBe(all.length);
}
