/** Random histories of meters: readings that arrive in order, late, twice or corrected, with sums built in between, and random questions. */
import { updateSumsOnce } from '../../gateway/live/rollup-maintenance.ts';
import type { Database } from '../../schema/database/database.ts';
import { type ConsumptionBucket, consumption } from '../../schema/database/energy/consumption.ts';
import { saveMeters, saveReadings } from '../../schema/database/energy/index.ts';
import { buildSums, claimSums, unsummedMeters } from '../../schema/database/energy/rollup.ts';
import { dropReadingMonth } from '../../schema/database/retention/measurement-retention.ts';
import { type ReferenceMeter, referenceBuckets } from './reference.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const ZONES =
  'Asia/Shanghai Asia/Shanghai UTC Europe/Berlin America/New_York America/Havana Asia/Beirut Australia/Lord_Howe Asia/Kathmandu Pacific/Apia'.split(
    ' ',
  );
const UNITS = ['kWh', 'kWh', 'MWh', 'Wh', 'MJ', 'm3', 'kvarh'];
const BUCKETS = ['QUARTER_HOUR', 'HOUR', 'HOUR', 'DAY', 'DAY', 'MONTH', 'MONTH', 'YEAR'] as const;
/** Minutes between two readings of a meter. */
const INTERVALS = [5, 15, 15, 30, 60, 110, 240, 1_440, 4_320];
/** Around changes of daylight saving in these zones, and a year's end. */
const STARTS = [
  '2026-03-06',
  '2026-03-27',
  '2026-04-03',
  '2026-10-02',
  '2026-10-23',
  '2026-10-30',
  '2026-12-28',
  '2026-06-10',
];

interface Meter {
  readonly id: string;
  readonly interval: number;
  unit: string;
  modulus: string | null;
  /** Minutes and thousandths of the newest reading. */
  time: number;
  value: number;
}

/** What a history contained. */
export interface HistoryCounts {
  questions: number;
  buckets: number;
  readings: number;
  /** Questions with at least one row of sums in their range. */
  fromSums: number;
  /** Number of each kind of step. */
  readonly steps: Record<string, number>;
}

/**
 * Plays the history of a seed in an empty database and compares every answer with the reference. Throws with the seed and the first difference.
 * Resolves with false if the database cannot be used again: writers remember partitions that retention has dropped.
 */
async function playHistory(database: Database, seed: number, counts: HistoryCounts): Promise<boolean> {
  const random = randomOf(seed);
  const installation = `i${seed}`;
  let zone = random.pick(ZONES);
  let hasDropped = false;
  const start = Date.parse(`${random.pick(STARTS)}T00:00:00Z`);
  const meters: Meter[] = Array.from({ length: 1 + random.below(3) }, (_, n) => ({
    id: `${installation}:${n}`,
    interval: random.pick(INTERVALS),
    unit: random.pick(UNITS),
    modulus: random.chance(0.3) ? '1000' : null,
    time: start + random.below(3 * 24 * 60) * MINUTE,
    value: random.below(900_000),
  }));
  const save = () =>
    database.transaction((tx) =>
      saveMeters(
        tx,
        meters.map(({ id, unit, modulus }) => ({
          ...{ id, installation, serial: id, medium: 'ELECTRICITY', unit, building: null, company: null, modulus },
        })),
      ),
    );
  await save();
  const write = (rows: Parameters<typeof saveReadings>[1]) =>
    database.transaction((tx) => saveReadings(tx, rows, new Date(start)));
  const zones = () => new Map([[installation, zone]]);

  const quality = () => random.pick(['GOOD', 'GOOD', 'GOOD', 'GOOD', 'GOOD', 'ESTIMATED', 'SUSPECT']);
  /** The next reading of a meter: usually a step later and higher, sometimes after a gap, an outlier, a reset or after the modulus. */
  const next = (meter: Meter) => {
    const gap = random.chance(0.06) ? random.pick([3, 9, 40, 200, 3_000]) : 1;
    // Partitions are months: a history has few.
    const minutes = Math.min(meter.interval * gap, Math.max(meter.interval, 100_000)) * (0.5 + random.next());
    meter.time += Math.max(1, Math.round(minutes)) * MINUTE;
    if (random.chance(0.5)) meter.time -= meter.time % (15 * MINUTE);
    meter.value += random.below(20_000);
    if (meter.modulus !== null && meter.value >= 1_000_000) meter.value -= 1_000_000;
    if (random.chance(0.02)) meter.value = random.below(1_000_000);
    const outlier = random.chance(0.06) ? random.below(1_000_000) : meter.value;
    return { meter: meter.id, time: new Date(meter.time), value: decimal(outlier), quality: quality() };
  };
  const stored = async (): Promise<{ meter: string; time: Date; value: string }[]> =>
    database.plain.query(
      'SELECT meter, time, trim_scale(value)::text AS value FROM meter_reading WHERE meter = ANY($1) ORDER BY meter, time',
      [meters.map(({ id }) => id)],
    );
  const steps: Record<string, () => Promise<unknown>> = {
    append: () => {
      const meter = random.pick(meters);
      return write(Array.from({ length: 1 + random.below(meter.interval > 1_000 ? 20 : 80) }, () => next(meter)));
    },
    appendOne: () => write(meters.map(next)),
    late: async () => {
      const rows = await stored();
      if (rows.length < 2) return;
      const near = random.below(rows.length);
      await write(
        Array.from({ length: 1 + random.below(4) }, () => {
          const row = rows[Math.min(rows.length - 1, near + random.below(6))] as (typeof rows)[number];
          const time = new Date(row.time.getTime() + (random.below(2 * 90) - 90) * MINUTE);
          const value = random.chance(0.7) ? row.value : decimal(random.below(1_000_000));
          return { meter: row.meter, time, value, quality: quality() };
        }),
      );
    },
    correct: async () => {
      const rows = await stored();
      if (rows.length === 0) return;
      const row = random.pick(rows);
      await write([{ ...row, value: decimal(random.below(1_000_000)), quality: quality() }]);
    },
    repeat: async () => {
      const rows = await database.plain.query(
        'SELECT meter, time, value::text, quality, revision FROM meter_reading WHERE meter = ANY($1) ORDER BY random() LIMIT 20',
        [meters.map(({ id }) => id)],
      );
      await write(rows);
    },
    configure: () => {
      const meter = random.pick(meters);
      meter.unit = random.pick(UNITS);
      meter.modulus = random.chance(0.5) ? '1000' : null;
      return save();
    },
    moveZone: async () => {
      zone = random.pick(ZONES);
    },
    sum: () => updateSumsOnce({ database, zones, paced: false }),
    claim: async () => {
      const open = await unsummedMeters(database.plain, zones());
      if (open.length > 0) await database.transaction((tx) => claimSums(tx, open));
    },
    sumOneStep: async () => {
      const open = await unsummedMeters(database.plain, zones());
      if (open.length === 0) return;
      await database.transaction((tx) => claimSums(tx, open));
      await database.transaction((tx) => buildSums(tx, open));
    },
    drop: () => {
      const newest = Math.max(...meters.map(({ time }) => time));
      hasDropped = true;
      return database.transaction((tx) => dropReadingMonth(tx, new Date(newest - 20 * DAY)));
    },
  };
  const kinds =
    'append append append appendOne late late correct correct repeat configure moveZone sum sum sum claim sumOneStep drop'.split(
      ' ',
    );

  const ask = async () => {
    const rows = await readReference(database, meters);
    const first = start - DAY;
    const end = Math.max(...meters.map(({ time }) => time)) + DAY;
    const bucket = random.pick(BUCKETS);
    const grain = random.pick([MINUTE, HOUR, HOUR, DAY]);
    const pick = () => first + Math.floor((random.below(Math.round((end - first) / MINUTE)) * MINUTE) / grain) * grain;
    const [a, b] = random.chance(0.25) ? [first, end] : [pick(), pick()];
    const from = Math.min(a, b);
    const narrow = bucket === 'QUARTER_HOUR' ? 10 * DAY : bucket === 'HOUR' ? 40 * DAY : Number.POSITIVE_INFINITY;
    const to = Math.min(Math.max(a, b) + grain, from + narrow);
    const question = { from, to, bucket, zone };
    const byMeter = random.chance(0.3);
    const key = byMeter ? random.pick(meters).id : PARK;
    const found = await consumption(
      database.plain,
      byMeter ? 'meter' : 'park',
      [key],
      { installations: [installation], medium: random.chance(0.5) ? 'ELECTRICITY' : null },
      { ...question, from: new Date(from), to: new Date(to) },
    );
    const wanted = rows.meters.filter(({ key: id }) => !byMeter || id === key);
    const expected = referenceBuckets(wanted, question, rows.dropped);
    compare(found, expected, wanted.length, () => `seed ${seed}: ${bucket} in ${zone} from ${iso(from)} to ${iso(to)}`);
    counts.questions++;
    const [sums]: { used: boolean }[] = await database.plain.query(
      `SELECT EXISTS (SELECT FROM energy_hour h JOIN energy_rollup r ON r.meter = h.meter AND h.start < r.until
         JOIN meter m ON m.id = r.meter AND m.unit = r.unit AND m.modulus IS NOT DISTINCT FROM r.modulus
         WHERE h.start >= $1 AND h.start < $2 AND h.start < (SELECT coalesce(min(since), 'infinity') FROM energy_dirty WHERE meter = h.meter)) AS used`,
      [new Date(from), new Date(to)],
    );
    if (sums?.used && bucket !== 'QUARTER_HOUR') counts.fromSums++;
    counts.buckets += found.length;
  };

  for (let n = 0; n < 14; n++) {
    const kind = n < 2 ? 'append' : random.pick(kinds);
    counts.steps[kind] = (counts.steps[kind] ?? 0) + 1;
    await steps[kind]?.();
    if (n > 1 && random.chance(0.6)) await ask();
  }
  await steps['sum']?.();
  await ask();
  await ask();
  counts.readings += (await stored()).length;
  await forget(database);
  return !hasDropped;
}

/** Key of all meters; a question by park restricts the installations. */
const PARK = 'works';

const decimal = (thousandths: number): string => (thousandths / 1000).toFixed(3).replace(/\.?0+$/, '');
const iso = (time: number): string => new Date(time).toISOString();

function compare(
  found: readonly ConsumptionBucket[],
  expected: ReturnType<typeof referenceBuckets>,
  known: number,
  title: () => string,
): void {
  const plain = found.map(({ key: _key, start, corrected, missing, ...bucket }) => ({
    ...bucket,
    ...{ start: start.getTime(), corrected: corrected?.getTime() ?? null, missing: Math.round(missing) },
  }));
  for (let i = 0; i < Math.max(found.length, expected.length); i++) {
    const row = expected[i];
    const right = row && { ...row, known, missing: Math.round(row.missing) };
    const order = (one: object | undefined) => JSON.stringify(one && Object.entries(one).sort());
    if (order(plain[i]) !== order(right))
      throw new Error(`${title()}, bucket ${i}: the hub answers ${order(plain[i])}, the readings say ${order(right)}`);
  }
}

/** All readings of the meters, as the reference takes them. */
async function readReference(
  database: Database,
  meters: readonly Meter[],
): Promise<{ meters: ReferenceMeter[]; dropped: number | null }> {
  const rows: { meter: string; time: Date; value: string; quality: string; corrected: Date | null }[] =
    await database.plain.query(
      `SELECT meter, time, trim_scale(value)::text AS value, quality, corrected_at AS corrected FROM meter_reading
       WHERE meter = ANY($1) ORDER BY time`,
      [meters.map(({ id }) => id)],
    );
  const [factors]: { mj: string; dropped: Date | null }[] = await database.plain.query(
    "SELECT (1 / 3.6)::text AS mj, (SELECT before FROM dropped_before WHERE what = 'readings') AS dropped",
  );
  const units: Readonly<Record<string, readonly [string, string | null]>> = {
    ...{ kWh: ['1', 'kWh'], MWh: ['1000', 'kWh'], Wh: ['0.001', 'kWh'], m3: ['1', 'm3'], kvarh: ['1', null] },
    MJ: [factors?.mj ?? '', 'kWh'],
  };
  return {
    dropped: factors?.dropped?.getTime() ?? null,
    meters: meters.map(({ id, unit, modulus }) => ({
      ...{ key: id, modulus: modulus === null ? null : BigInt(modulus) * 1000n },
      ...{ factor: units[unit]?.[0] ?? '1', base: units[unit]?.[1] ?? null },
      readings: rows
        .filter(({ meter }) => meter === id)
        .map(({ time, value, quality, corrected }) => ({
          ...{ time: time.getTime(), value, quality, corrected: corrected?.getTime() ?? null },
        })),
    })),
  };
}

/** Removes what a history has stored, so that each begins alike. */
async function forget(database: Database): Promise<void> {
  await database.plain.query(
    'TRUNCATE meter, meter_reading, meter_reading_history, dropped_before, energy_hour, energy_day, energy_month, energy_gap, energy_rollup, energy_dirty',
  );
}

/** Plays histories from a seed on, in databases that `create` makes. */
export async function playHistories(
  create: () => Promise<Database & { drop(): Promise<void> }>,
  seed: number,
  count: number,
  onPlayed: (played: number) => void = () => undefined,
): Promise<HistoryCounts> {
  const counts: HistoryCounts = { questions: 0, buckets: 0, readings: 0, fromSums: 0, steps: {} };
  let database = await create();
  try {
    for (let n = 0; n < count; n++) {
      if (!(await playHistory(database, seed + n, counts))) {
        await database.drop();
        database = await create();
      }
      onPlayed(n + 1);
    }
  } finally {
    await database.drop();
  }
  return counts;
}

/** Random choices, the same for the same seed: the mulberry32 algorithm. */
function randomOf(seed: number) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    next,
    below,
    chance: (share: number) => next() < share,
    pick: <T>(all: readonly T[]): T => all[below(all.length)] as T,
  };
}
