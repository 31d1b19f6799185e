/** What isthmus.yaml may say of the guard around a legacy system: for all of them, or in one installation. */
import type { GuardPolicy } from '../../guard/guard.ts';
import type { Keeping } from '../../guard/read-cache.ts';
import { integer, milliseconds, readMilliseconds, settings, structure, type Values } from '../settings.ts';
import type { HostPace } from './check-intervals.ts';

type KeepTimes = Readonly<Record<string, { readonly fresh?: number; readonly usable?: number }>>;

export const guardSettings = settings('guard', {
  concurrency: integer('Calls under way at once', 8, 1, 1_000),
  queue: integer('Calls that may wait for a place', 200, 0, 100_000),
  rate: structure<number | null>(
    'Calls that may begin in any one second; absent: as many as there are places',
    '20',
    (raw) => {
      if (typeof raw !== 'number' || !Number.isInteger(raw) || raw < 1)
        throw new Error('must be a whole number from 1');
      return raw;
    },
    null,
  ),
  retries: integer('Further tries of a read after a fault that may pass, within the deadline', 1, 0, 10),
  patience: milliseconds('How long an answer is waited for while an older one is at hand that may be shown', '1s'),
  faults: integer("Faults in a row that open an operation's circuit breaker", 5, 1, 1_000),
  pause: milliseconds('How long it stays open before a call may try; never above 5s', '2s'),
  checkUp: milliseconds('Pause between checks while the source is up', '5s'),
  checkDown: milliseconds('Pause between checks while it is not; never above 5s', '2s'),
  checkTime: milliseconds('How long one check may take', '2s'),
  drift: milliseconds(
    'Pause between comparisons of what the source offers with what the connector was written against',
    '1h',
  ),
  keep: structure<KeepTimes>(
    'By type, other ages than the connector declares: fresh (answered without asking again), usable (shown while the source is dark)',
    '{ ParkingLot: { fresh: 2s, usable: 1h } }',
    readKeep,
    {},
  ),
});

export type GuardSettings = Values<typeof guardSettings>;

function readKeep(raw: unknown): KeepTimes {
  const isMapping = (one: unknown): one is Record<string, unknown> =>
    typeof one === 'object' && one !== null && !Array.isArray(one);
  const expected = 'must be a mapping from type to { fresh, usable }';
  if (!isMapping(raw)) throw new Error(expected);
  return Object.fromEntries(
    Object.entries(raw).map(([type, ages]) => {
      if (!isMapping(ages) || Object.keys(ages).some((name) => name !== 'fresh' && name !== 'usable')) {
        throw new Error(expected);
      }
      return [type, Object.fromEntries(Object.entries(ages).map(([name, age]) => [name, readMilliseconds(age)]))];
    }),
  );
}

const MOST_PAUSE = 5_000;

/** The guard's limits, as far as the file says them. */
export const policyOf = (one: GuardSettings): Omit<GuardPolicy, 'timeout' | 'slow'> => ({
  concurrency: one.concurrency,
  queue: one.queue,
  rate: one.rate,
  retries: one.retries,
  patience: one.patience,
  breaker: { faults: one.faults, pause: Math.min(one.pause, MOST_PAUSE) },
});

/** How often the host looks, as far as the file says it. */
export const paceOf = (one: GuardSettings): Pick<HostPace, 'checkUp' | 'checkDown' | 'checkTime' | 'drift'> => ({
  checkUp: one.checkUp,
  checkDown: Math.min(one.checkDown, MOST_PAUSE),
  checkTime: one.checkTime,
  drift: one.drift,
});

/** What the connector declares, with the file's ages over it; types that the connector does not name stay unkept. */
export const keepingOf = (
  declared: Readonly<Record<string, Keeping>>,
  one: GuardSettings | undefined,
): Readonly<Record<string, Keeping>> =>
  Object.fromEntries(Object.entries(declared).map(([type, keeping]) => [type, { ...keeping, ...one?.keep[type] }]));
