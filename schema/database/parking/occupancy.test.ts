import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase } from '../../../connectors/kit/testing/test-database.ts';
import { bucketsOf } from '../../../tests/rollups/time-zone.ts';
import { pruneOccupancy, pruneOccupancyHours } from '../retention/measurement-retention.ts';
import { deleteObservations, occupancyBuckets, saveObservations } from './index.ts';
import { buildOccupancySums, claimOccupancySums, unsummedLots } from './occupancy-rollup.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database?.drop());

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const START = Date.parse('2026-03-06T00:00:00Z');

/** Claims, and makes steps until all sums are built; `steps`: at most that many. */
async function buildAll(installation: string, steps = Number.POSITIVE_INFINITY): Promise<void> {
  let lots = await unsummedLots(database.plain, [installation]);
  await database.transaction((tx) => claimOccupancySums(tx, lots));
  for (let n = 0; n < steps && lots.length > 0; n++)
    lots = (await database.transaction((tx) => buildOccupancySums(tx, lots))) ?? [];
}

/** What the observations say, without sums. */
async function expected(
  installation: string,
  lot: string,
  { from, to, bucket, zone }: { from: number; to: number; bucket: string; zone: string },
) {
  const rows: { time: Date; occupied: number; flagged: boolean }[] = await database.plain.query(
    'SELECT time, occupied, over_capacity OR negative OR duplicate AS flagged FROM occupancy WHERE installation = $1 AND lot = $2 ORDER BY time',
    [installation, lot],
  );
  const piece = bucket === 'QUARTER_HOUR' ? 15 * MINUTE : HOUR;
  return bucketsOf(bucket, from, to, zone).map(({ start, stop }) => {
    const [first, end] = [Math.max(start, from), Math.min(stop, to)];
    const inside = rows.filter(({ time }) => time.getTime() >= first && time.getTime() < end);
    const good = inside.filter(({ flagged }) => !flagged).map(({ occupied }) => occupied);
    const pieces = new Set(inside.flatMap((row) => (row.flagged ? [] : [Math.floor(row.time.getTime() / piece)])));
    const measured = [...pieces].reduce(
      (sum, n) => sum + Math.min((n + 1) * piece, end) - Math.max(n * piece, first),
      0,
    );
    const sum = good.reduce((total, occupied) => total + occupied, 0);
    return {
      ...{ lot, start: new Date(start), flagged: inside.length - good.length, missing: end - first - measured },
      mean: good.length > 0 ? String(Math.round((sum / good.length) * 10_000) / 10_000) : null,
      min: good.length > 0 ? Math.min(...good) : null,
      max: good.length > 0 ? Math.max(...good) : null,
      quality: good.length > 0 ? 'GOOD' : inside.length > 0 ? 'SUSPECT' : 'MISSING',
    };
  });
}

test('occupancy: answers from sums equal the observations, with late, corrected, moved and deleted ones', async () => {
  const minute = fc.integer({ min: 0, max: 60 * 24 * 50 });
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('save'), at: minute, count: fc.integer({ min: 1, max: 30 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constantFrom('correct', 'delete'),
        at: minute,
        count: fc.integer({ min: 1, max: 4 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constantFrom('build', 'claim', 'one step'), at: minute, count: fc.constant(1) }),
    },
  );
  const question = fc.record({
    bucket: fc.constantFrom('QUARTER_HOUR', 'HOUR', 'DAY', 'MONTH', 'YEAR'),
    zone: fc.constantFrom(
      'Asia/Shanghai',
      'America/New_York',
      'America/Havana',
      'Asia/Kathmandu',
      'Australia/Lord_Howe',
    ),
    from: minute,
    length: fc.integer({ min: 1, max: 60 * 24 * 20 }),
    grain: fc.constantFrom(1, 60, 1_440),
  });
  let n = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 3, maxLength: 12 }),
      fc.array(question, { minLength: 2, maxLength: 4 }),
      async (steps, questions) => {
        const installation = `p${n++}`;
        let id = 0;
        const observation = (one: number, at: number) => ({
          ...{ id: String(one), lot: one % 3 === 0 ? 'a' : 'b', time: new Date(START + at * MINUTE) },
          ...{ occupied: ((one * 7919) % 40) - 2, capacity: one % 2 === 0 ? 30 : null },
        });
        const save = (items: ReturnType<typeof observation>[], correct: boolean) =>
          database.transaction((tx) => saveObservations(tx, installation, items, { correct }));
        const ask = async () => {
          for (const { bucket, zone, from, length, grain } of questions) {
            const begin = START + Math.floor(from / grain) * grain * MINUTE;
            const range = {
              from: begin,
              to: begin + Math.max(Math.floor(length / grain) * grain, grain) * MINUTE,
              bucket,
              zone,
            };
            const found = await occupancyBuckets(database.plain, installation, ['a', 'b'], {
              ...{ bucket, zone, from: new Date(range.from), to: new Date(range.to) },
            });
            expect(found).toEqual([
              ...(await expected(installation, 'a', range)),
              ...(await expected(installation, 'b', range)),
            ]);
          }
        };
        for (const { kind, at, count } of steps) {
          if (kind === 'save')
            await save(
              Array.from({ length: count }, (_, i) => observation(id++, at + i * 13)),
              false,
            );
          else if (kind === 'correct')
            await save(
              Array.from({ length: count }, (_, i) => ({
                ...observation((at + i) % (id + 1), at),
                lot: 'b',
                occupied: 5,
              })),
              true,
            );
          else if (kind === 'delete')
            await database.transaction((tx) =>
              deleteObservations(
                tx,
                installation,
                Array.from({ length: count }, (_, i) => String((at + i) % (id + 1))),
              ),
            );
          else await buildAll(installation, kind === 'build' ? undefined : kind === 'claim' ? 0 : 1);
        }
        await ask();
        await buildAll(installation);
        await ask();
      },
    ),
    { numRuns: Number(process.env['ISTHMUS_CASES'] ?? 15) },
  );
});

test('occupancy: the hours of deleted days are deleted too, and their buckets are null and SUSPECT', async () => {
  const at = (hours: number) => new Date(START + hours * HOUR);
  const items = Array.from({ length: 72 }, (_, hours) => ({
    id: `r${hours}`,
    lot: 'r',
    time: at(hours),
    occupied: hours,
    capacity: null,
  }));
  await database.transaction((tx) => saveObservations(tx, 'kept', items, { correct: false }));
  await buildAll('kept');
  await pruneOccupancy(database.plain, at(24), 1_000);
  await pruneOccupancyHours(database.plain, 10_000);
  const [oldest] = await database.plain.query('SELECT min(start) AS start FROM occupancy_hour');
  expect(oldest).toEqual({ start: at(24) });
  const days = await occupancyBuckets(database.plain, 'kept', ['r'], {
    from: at(0),
    to: at(72),
    bucket: 'DAY',
    zone: 'UTC',
  });
  expect(days.map(({ mean, quality, missing }) => [mean, quality, missing])).toEqual([
    [null, 'SUSPECT', 24 * HOUR],
    ['35.5', 'GOOD', 0],
    ['59.5', 'GOOD', 0],
  ]);
});

test('occupancy: a writer that began before a claim is waited for, and one that began after it records what it outdates', async () => {
  // Later than what the test above has deleted.
  const begin = START + 240 * HOUR;
  const observe = (id: string, minutes: number) => ({
    id,
    lot: 'w',
    time: new Date(begin + minutes * MINUTE),
    occupied: 1,
    capacity: null,
  });
  const save = (items: ReturnType<typeof observe>[]) =>
    database.transaction((tx) => saveObservations(tx, 'w', items, { correct: false }));
  await save([observe('1', 0), observe('2', 180)]);
  const lots = await unsummedLots(database.plain, ['w']);
  let claiming: Promise<void> | undefined;
  await database.transaction(async (tx) => {
    await saveObservations(tx, 'w', [observe('3', 30)], { correct: false });
    claiming = database.transaction((claim) => claimOccupancySums(claim, lots));
    const waiting =
      "SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    await expect.poll(async () => (await database.plain.query(waiting))[0].n).toBe(1);
  });
  await claiming;
  await save([observe('4', 45)]);
  await database.transaction((tx) => buildOccupancySums(tx, lots));
  const [first] = await occupancyBuckets(database.plain, 'w', ['w'], {
    from: new Date(begin),
    to: new Date(begin + HOUR),
    bucket: 'HOUR',
    zone: 'UTC',
  });
  expect(first).toMatchObject({ mean: '1', missing: 0 });
  expect((await database.plain.query("SELECT measured FROM occupancy_hour WHERE installation = 'w'"))[0].measured).toBe(
    3,
  );
});
