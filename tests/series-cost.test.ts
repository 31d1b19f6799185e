/** Series over many buckets: refused before they start, or answered; what is abandoned at the deadline ends in the database, too. */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestHub, type TestHub, waitFor } from './test-hub.ts';

const DAY = 86_400_000;
const COMPANIES = 40;
/** Milliseconds of an operation. */
const DEADLINE = 2_500;
const to = new Date();
const elevenMonths = { from: new Date(to.getTime() - 335 * DAY).toISOString(), to: to.toISOString() };
const series = (companies: number, bucket: string) =>
  `query ($from: DateTime!, $to: DateTime!) { companies(first: ${companies}) { nodes { uscc energy(from: $from, to: $to, bucket: ${bucket}) { total { value } buckets { start value } } } } }`;

let testHub: TestHub;
/** Holds a lock that every series waits for. */
let locker: pg.Client;
const warnings: string[] = [];
const onWarning = (warning: Error) => warnings.push(`${warning.name}: ${warning.message}`);

beforeAll(async () => {
  process.on('warning', onWarning);
  testHub = await startTestHub('embedded', { quiet: true, settings: (text) => `${text}\ndeadline: ${DEADLINE}ms\n` });
  locker = new pg.Client({ connectionString: testHub.databaseUrl });
  await locker.connect();
  await waitFor('companies with meters', 60, async () => {
    const { data } = await testHub.query('{ companies(first: 200) { nodes { meters(first: 1) { nodes { id } } } } }');
    const nodes: { meters: { nodes: unknown[] } }[] = data.companies.nodes;
    return nodes.length === COMPANIES && nodes.some(({ meters }) => meters.nodes.length > 0);
  });
}, 120_000);
afterAll(async () => {
  process.off('warning', onWarning);
  await locker?.end();
  await testHub?.close();
});

/** Runs `work` while no series gets on. */
async function whileLocked<T>(work: () => Promise<T>): Promise<T> {
  await locker.query('BEGIN; LOCK TABLE meter, meter_reading IN ACCESS EXCLUSIVE MODE');
  try {
    return await work();
  } finally {
    await locker.query('ROLLBACK');
  }
}

/** Queries of companies' meters that the server still runs. Not over `locker`: a transaction sees the statistics of its start. */
const runningReads = async (): Promise<number> => {
  const rows: unknown[] = await testHub.hub.database.plain.query(
    `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()
       AND query LIKE '%m.company = k.key%'`,
  );
  return rows.length;
};

test('series cost: hourly energy of 40 companies over 11 months is refused before it starts, with the figures', async () => {
  await whileLocked(async () => {
    const answer = await testHub.query(series(COMPANIES, 'HOUR'), elevenMonths);
    expect(answer).toEqual({
      errors: [
        {
          message:
            'Operation is too expensive: up to 80,521 points, 20,000 allowed. It computes up to 321,600 time buckets: request wider buckets, a shorter time range, smaller pages or fewer fields.',
          extensions: { code: 'LIMIT_COST', limit: 20_000, found: 80_521, buckets: 321_600 },
        },
      ],
    });
  });
});

test('series cost: the buckets are priced for the values of this request, not of an earlier one with the same text', async () => {
  const shorter = { ...elevenMonths, from: new Date(to.getTime() - 7 * DAY).toISOString() };
  const answer = await testHub.query(series(COMPANIES, 'HOUR'), shorter, { extensions: { cost: true } });
  expect(answer.errors).toBeUndefined();
  expect(answer.extensions.cost.estimated).toMatchObject({ buckets: 40 * 7 * 24 });
  const refused = await testHub.query(series(COMPANIES, 'HOUR'), elevenMonths);
  expect(refused.errors?.[0]?.extensions['code']).toBe('LIMIT_COST');
});

test('series cost: eleven months of one company by the hour are allowed, and answered', async () => {
  const answer = await testHub.query(series(1, 'HOUR'), elevenMonths);
  expect(answer.errors).toBeUndefined();
  const nodes: { energy: { buckets: unknown[] } }[] = answer.data.companies.nodes;
  for (const { energy } of nodes) expect(energy.buckets.length).toBeGreaterThanOrEqual(335 * 24);
});

test('deadline: series that cannot be read in time are one error for each field, end in the database, and the hub answers others', async () => {
  await whileLocked(async () => {
    const answers = await Promise.all(
      // Two, since each holds a connection until its deadline, and jobs of the hub wait for the tables, too.
      Array.from({ length: 2 }, () => testHub.query(series(COMPANIES, 'DAY'), elevenMonths)),
    );
    for (const { errors = [] } of answers) {
      const paths = errors.map(({ path }) => path?.join('.')).sort();
      expect(paths).toEqual(Array.from({ length: COMPANIES }, (_, i) => `companies.nodes.${i}.energy`).sort());
      expect(new Set(errors.map(({ extensions }) => extensions['code']))).toEqual(new Set(['SOURCE_TIMEOUT']));
    }
    await waitFor('the end of all abandoned reads', 5, async () => (await runningReads()) === 0);
    const other = await testHub.query('{ companies(first: 1) { nodes { uscc } } }');
    expect(other.errors).toBeUndefined();
  });
  const again = await testHub.query(series(COMPANIES, 'MONTH'), elevenMonths);
  expect(again.errors).toBeUndefined();
  expect(warnings).toEqual([]);
}, 60_000);
