/**
 * Consumption of a park and of a company over a year by month, from sums and from readings: `npm run bench:rollups [meters] [days]`, default 300
 * and 365: 10.5 million readings, one each quarter of an hour. Starts an embedded PostgreSQL of its own, and deletes it.
 */
import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestDatabase } from '../../connectors/kit/testing/test-database.ts';
import { updateSumsOnce } from '../../gateway/live/rollup-maintenance.ts';
import { startEmbeddedPostgres } from '../../schema/database/embedded/embedded-postgres.ts';
import { type ConsumptionBucket, consumption } from '../../schema/database/energy/consumption.ts';

const METERS = Number(process.argv[2] ?? 300);
const DAYS = Number(process.argv[3] ?? 365);
const FIRST = new Date('2024-12-31T16:00:00Z');
const END = new Date(FIRST.getTime() + DAYS * 86_400_000);
const ZONE = 'Asia/Shanghai';
const COMPANIES = 40;

const print = (text: string) => void process.stdout.write(`${text}\n`);
const directory = mkdtempSync(join(tmpdir(), 'isthmus-rollups-'));
const cluster = await startEmbeddedPostgres({
  directory: join(directory, 'database'),
  durable: false,
  listen: { host: '127.0.0.1', port: 0 },
});
try {
  process.env['ISTHMUS_TEST_CLUSTER'] = cluster.url;
  const database = await createTestDatabase();
  const seconds = async (work: () => Promise<unknown>) => {
    const began = performance.now();
    await work();
    return ((performance.now() - began) / 1000).toFixed(1);
  };
  await database.plain.query(
    `INSERT INTO meter (id, installation, serial, medium, unit, company)
     SELECT 'm:' || m, 'm', m::text, 'ELECTRICITY', 'kWh', 'company-' || (m % ${COMPANIES}) FROM generate_series(1, $1::int) AS m`,
    [METERS],
  );
  const months: { name: string; lo: string; hi: string }[] = await database.plain.query(
    `SELECT 'meter_reading_' || to_char(m, 'YYYYMM') AS name, m::text || '+00' AS lo, (m + interval '1 month')::text || '+00' AS hi
     FROM generate_series(date_trunc('month', $1::timestamptz AT TIME ZONE 'UTC'), $2::timestamptz AT TIME ZONE 'UTC', interval '1 month') AS m`,
    [FIRST, END],
  );
  for (const { name, lo, hi } of months)
    await database.plain.query(
      `CREATE TABLE ${name} PARTITION OF meter_reading FOR VALUES FROM ('${lo}') TO ('${hi}')`,
    );
  const filled = await seconds(() =>
    database.plain.query(
      `INSERT INTO meter_reading (meter, time, value, quality)
       SELECT 'm:' || m, t, 1000 + m + (extract(epoch FROM t - $1::timestamptz) / 900)::bigint * (1 + (m % 7) * 0.125), 'GOOD'
       FROM generate_series($1::timestamptz, $2::timestamptz - interval '15 minutes', interval '15 minutes') AS t, generate_series(1, $3::int) AS m`,
      [FIRST, END, METERS],
    ),
  );
  await database.plain.query('VACUUM ANALYZE meter_reading');
  const [count]: { n: string }[] = await database.plain.query('SELECT count(*) AS n FROM meter_reading');
  print(`${count?.n} readings of ${METERS} meters, stored in ${filled} s`);

  type By = Parameters<typeof consumption>[1];
  const year = (by: By, key: string, bucket: string, to = END) =>
    consumption(
      database.plain,
      by,
      [key],
      { installations: ['m'], medium: 'ELECTRICITY' },
      { from: FIRST, to, bucket, zone: ZONE },
    );
  const median = async (title: string, work: () => Promise<ConsumptionBucket[]>, runs: number) => {
    const took: number[] = [];
    let rows: ConsumptionBucket[] = [];
    for (let n = 0; n < runs; n++) {
      const began = performance.now();
      rows = await work();
      took.push(performance.now() - began);
    }
    took.sort((a, b) => a - b);
    const [least, middle] = [took[0] ?? 0, took[Math.floor(took.length / 2)] ?? 0];
    print(
      `  ${title.padEnd(44)} ${rows.length} buckets, ${middle.toFixed(1)} ms (least ${least.toFixed(1)}, ${runs} runs)`,
    );
    return JSON.stringify(rows.map(({ key: _key, ...row }) => row));
  };
  const questions = [
    ['park, a year by month', 'park', 'works', 'MONTH'],
    ['company, a year by month', 'company', 'company-3', 'MONTH'],
    ['company, a year by day', 'company', 'company-3', 'DAY'],
    ['park, a year by day', 'park', 'works', 'DAY'],
  ] as const;
  print('from readings:');
  const before = new Map<string, string>();
  for (const [title, by, key, bucket] of questions.slice(0, 2))
    before.set(title, await median(title, () => year(by, key, bucket), by === 'park' ? 1 : 3));

  let steps = 0;
  const built = await seconds(async () => {
    steps = await updateSumsOnce({ database, zones: () => new Map([['m', ZONE]]), paced: false });
  });
  const [size]: { size: string; hours: string }[] = await database.plain.query(
    "SELECT pg_size_pretty(pg_total_relation_size('energy_hour') + pg_total_relation_size('energy_day') + pg_total_relation_size('energy_month')) AS size, (SELECT count(*) FROM energy_hour) AS hours",
  );
  print(`built ${size?.hours} hours in ${steps} steps, ${built} s; sums take ${size?.size}`);
  await database.plain.query(
    'VACUUM ANALYZE energy_hour, energy_day, energy_month, energy_rollup, energy_gap, energy_dirty',
  );
  print('from sums:');
  for (const [title, by, key, bucket] of questions) {
    const after = await median(title, () => year(by, key, bucket), 15);
    if (before.has(title) && before.get(title) !== after) {
      print(`  WRONG: ${title} differs from the readings`);
      process.exitCode = 1;
    }
  }
  await database.drop();
} finally {
  await cluster.stop();
  rmSync(directory, { recursive: true, force: true });
}
process.exit();
