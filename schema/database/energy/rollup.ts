/** Builds the sums of meters (entities/energy.ts) from their readings, in steps of bounded size. docs/decisions/0035-rollups.md explains it. */
import { lockKey, tryLock } from '../advisory-locks.ts';
import { hourOf } from '../time-buckets.ts';
import type { Tx } from '../transaction.ts';
import { settledHour } from './reading-intervals.ts';
import { type HourRange, rebuildSums } from './rollup-sums.ts';

/** A meter whose sums can be extended or are outdated. */
export interface UnsummedMeter {
  readonly meter: string;
  /** IANA time zone of its park. */
  readonly zone: string;
  /** Time of its newest reading, as text of the database; null: it has none. */
  readonly newest: string | null;
}

/** Milliseconds of readings that one step adds to the sums of a meter. */
const STEP = 31 * 86_400_000;

/** SQL: whether the sums `r` were made for other settings than those of the meter `m`. */
const isOutOfDate = (zone: string): string =>
  `(r.zone <> ${zone} OR r.unit IS DISTINCT FROM m.unit OR r.modulus IS DISTINCT FROM m.modulus)`;

/** The meters whose sums can be extended or are outdated. `zones`: the time zone of each installation. */
export function unsummedMeters(tx: Tx, zones: ReadonlyMap<string, string>): Promise<UnsummedMeter[]> {
  return tx.query(
    `SELECT m.id AS meter, z.zone, n.newest::text FROM unnest($1::text[], $2::text[]) AS z (installation, zone)
     JOIN meter m ON m.installation = z.installation LEFT JOIN energy_rollup r ON r.meter = m.id
     CROSS JOIN LATERAL (SELECT max(time) AS newest FROM meter_reading WHERE meter = m.id) n
     WHERE (n.newest IS NOT NULL AND (r.meter IS NULL OR NOT r.complete OR ${isOutOfDate('z.zone')}
         OR (n.newest > r.claimed AND n.newest >= r.until + interval '1 hour')))
       OR EXISTS (SELECT FROM energy_dirty d WHERE d.meter = m.id)
     ORDER BY m.id`,
    [[...zones.keys()], [...zones.values()]],
  );
}

/**
 * Announces that sums will contain readings up to the newest one. In a transaction of its own before `buildSums`: when it has committed, every
 * writer that did not know of it has committed, too. Rejects with `lock_not_available` if a writer takes more than a second.
 */
export async function claimSums(tx: Tx, meters: readonly UnsummedMeter[]): Promise<void> {
  const claimed = meters.filter(({ newest }) => newest !== null);
  await tx.query("SET LOCAL lock_timeout = '1s'");
  await tx.query('SELECT pg_advisory_xact_lock($1)', [lockKey('energySums')]);
  await tx.query(
    `INSERT INTO energy_rollup AS r (meter, claimed, until, read_from, complete, zone, unit, modulus)
     SELECT g.meter, g.newest, '-infinity', '-infinity', false, g.zone, m.unit, m.modulus
     FROM unnest($1::text[], $2::timestamptz[], $3::text[]) AS g (meter, newest, zone) JOIN meter m ON m.id = g.meter
     ON CONFLICT (meter) DO UPDATE SET claimed = greatest(r.claimed, excluded.claimed)`,
    [claimed.map(({ meter }) => meter), claimed.map(({ newest }) => newest), claimed.map(({ zone }) => zone)],
  );
}

/** State of the sums of a meter; null times: -infinity. */
interface SumState {
  readonly meter: string;
  readonly unit: string | null;
  readonly modulus: string | null;
  readonly outOfDate: boolean;
  readonly until: Date | null;
  /** Hour of the first reading that sums do not contain. */
  readonly first: Date | null;
  /** How far the sums may reach. */
  readonly target: Date | null;
}

/**
 * Makes one step for claimed meters: adds up to 31 days of readings, and builds outdated sums anew. Resolves with the meters that need
 * another step; null if another process builds sums at the moment.
 */
export async function buildSums(tx: Tx, meters: readonly UnsummedMeter[]): Promise<UnsummedMeter[] | null> {
  if (!(await tryLock(tx, 'sumBuilder'))) return null;
  const zones = new Map(meters.map(({ meter, zone }) => [meter, zone]));
  // The readings of a deleted record are committed, so the statements below see them.
  const [outdated]: [{ meter: string; since: Date | null; until: Date }[], number] = await tx.query(
    "DELETE FROM energy_dirty WHERE meter = ANY($1) RETURNING meter, nullif(since, '-infinity') AS since, until",
    [[...zones.keys()]],
  );
  const states: SumState[] = await tx.query(
    `SELECT r.meter, m.unit, m.modulus::text, o.out AS "outOfDate", nullif(r.until, '-infinity') AS until,
       (SELECT ${hourOf('min(time)')} FROM meter_reading WHERE meter = r.meter AND (o.out OR time >= r.until)) AS first,
       ${settledHour('r.meter', 'time <= r.claimed')} AS target
     FROM unnest($1::text[], $2::text[]) AS g (meter, zone) JOIN energy_rollup r ON r.meter = g.meter JOIN meter m ON m.id = g.meter
     CROSS JOIN LATERAL (SELECT ${isOutOfDate('g.zone')} AS out) o`,
    [[...zones.keys()], [...zones.values()]],
  );
  const steps = states.map((state) => ({
    ...state,
    ...nextStep(
      state,
      outdated.filter(({ meter }) => meter === state.meter),
    ),
    zone: zones.get(state.meter) as string,
  }));
  await rebuildSums(tx, steps);
  await tx.query(
    `UPDATE energy_rollup r SET until = g.until, complete = g.complete, zone = g.zone, unit = g.unit, modulus = g.modulus,
       read_from = coalesce((SELECT max(time) FROM meter_reading WHERE meter = r.meter AND time < g.until), '-infinity')
     FROM unnest($1::text[], $2::timestamptz[], $3::boolean[], $4::text[], $5::text[], $6::numeric[]) AS g (meter, until, complete, zone, unit, modulus)
     WHERE r.meter = g.meter`,
    [
      steps.map((step) => step.meter),
      steps.map((step) => step.end ?? '-infinity'),
      steps.map((step) => step.complete),
      steps.map((step) => step.zone),
      steps.map((step) => step.unit),
      steps.map((step) => step.modulus),
    ],
  );
  const unfinished = new Set(steps.flatMap((step) => (step.complete ? [] : [step.meter])));
  return meters.filter(({ meter }) => unfinished.has(meter));
}

/** What to build anew, and how far the sums reach afterwards (null: they contain nothing). */
function nextStep(
  { outOfDate, until, first, target }: SumState,
  outdated: readonly { readonly since: Date | null; readonly until: Date }[],
): { readonly ranges: readonly HourRange[]; readonly end: Date | null; readonly complete: boolean } {
  const done = outOfDate ? Number.NEGATIVE_INFINITY : (until?.getTime() ?? Number.NEGATIVE_INFINITY);
  const goal = target?.getTime() ?? Number.NEGATIVE_INFINITY;
  // Corrections can also move the goal back.
  const end = first === null ? Math.min(goal, done) : Math.min(goal, Math.max(first.getTime(), done) + STEP);
  const ranges: HourRange[] = outdated.map((range) => ({
    from: range.since?.getTime() ?? Number.NEGATIVE_INFINITY,
    to: Math.min(range.until.getTime(), done),
  }));
  ranges.push({ from: Math.min(done, end), to: Math.max(done, end) });
  return {
    ranges: joined(ranges),
    end: end === Number.NEGATIVE_INFINITY ? null : new Date(end),
    complete: end === goal,
  };
}

/** The ranges without empty ones, those that overlap or touch joined. */
function joined(ranges: readonly HourRange[]): HourRange[] {
  const all: HourRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = all.at(-1);
    if (range.from >= range.to) continue;
    if (last && range.from <= last.to) all[all.length - 1] = { from: last.from, to: Math.max(last.to, range.to) };
    else all.push(range);
  }
  return all;
}
