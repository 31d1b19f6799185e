/**
 * The section `guard` of isthmus.yaml, for all installations or for one: limits and times of every call to a legacy system,
 * with their defaults.
 */
import type { EventKind } from '../../events/event-types.ts';
import {
  custom,
  defaultsOf,
  integer,
  milliseconds,
  readMilliseconds,
  renamed,
  settings,
  type Values,
} from '../settings.ts';

/** Limits of the calls to one installation. Times in milliseconds. */
export interface GuardPolicy {
  /** One call; the connector's own setting `timeout`, where it has one. */
  readonly timeout: number;
  /** Calls in progress at once. */
  readonly concurrency: number;
  /** Calls that may wait in the queue. */
  readonly queue: number;
  /** Calls that may start in any one second; null: no limit. */
  readonly rate: number | null;
  /** Retries of a read after a retryable error. */
  readonly retries: number;
  /** How long a read waits for a live response while a stale one is available. */
  readonly serveStaleAfter: number;
  /** A response that takes longer than this share of `timeout` is a failure for the circuit breaker and is reported as slow. */
  readonly slow: number;
  /** Consecutive failures that open an operation's circuit breaker, and how long it stays open before a trial call. */
  readonly breaker: { readonly failureThreshold: number; readonly openDuration: number };
}

/** How long the read cache uses the readings of one type. Milliseconds. */
export interface CacheAges {
  /** Up to this age a reading is returned without a call to the source; 0: always call. */
  readonly fresh: number;
  /** Up to this age a reading is returned, marked stale, while the source does not respond; 0: never. */
  readonly usable: number;
  /** Whether readings survive a restart: they are also written to the database, in batches. */
  readonly durable?: boolean;
  /** Events of this installation after which a reading is no longer fresh. */
  readonly changedBy?: readonly EventKind[];
}

type AgeOverrides = Readonly<Record<string, Partial<Pick<CacheAges, 'fresh' | 'usable'>>>>;

export const guardSettings = settings('guard', {
  concurrency: integer('Calls to one installation in progress at once', 8, 1, 1_000),
  queue: integer('Calls that may wait in the queue', 200, 0, 100_000),
  rate: custom<number | null>(
    'Calls that may start in any one second; absent: limited by concurrency only',
    '20',
    (raw) => {
      if (typeof raw !== 'number' || !Number.isInteger(raw) || raw < 1) {
        throw new Error('must be an integer of at least 1');
      }
      return raw;
    },
    null,
  ),
  retries: integer('Retries of a read after a retryable error, within the deadline', 1, 0, 10),
  serveStaleAfter: renamed(
    'patience',
    milliseconds('How long a read waits for the source before a stale value is returned, where one is available', '1s'),
  ),
  failureThreshold: renamed(
    'faults',
    integer("Consecutive failures that open an operation's circuit breaker", 5, 1, 1_000),
  ),
  openDuration: renamed(
    'pause',
    milliseconds('How long a circuit breaker stays open before a trial call; at most 5s', '2s'),
  ),
  checkUp: milliseconds('Time between health checks while the source is up', '5s'),
  checkDown: milliseconds(
    'Time between health checks while the source is not up; at most 5s. While it is down and nobody uses it, twice as long after each check, up to 1m',
    '2s',
  ),
  checkTime: milliseconds('Timeout of a health check', '2s'),
  drift: milliseconds(
    'Time between drift checks, which compare what the source offers with what the connector expects',
    '1h',
  ),
  keep: custom<AgeOverrides>(
    'Cache ages by type, instead of those of the connector: fresh (returned without a call), usable (returned, marked stale, while the source does not respond)',
    '{ ParkingLot: { fresh: 2s, usable: 1h } }',
    readAgeOverrides,
    {},
  ),
});

export type GuardSettings = Values<typeof guardSettings>;

function readAgeOverrides(raw: unknown): AgeOverrides {
  const isMapping = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
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

/** Milliseconds. Recovery of a source that is used is noticed within this time, whatever isthmus.yaml sets. */
export const MAX_RECOVERY_PAUSE = 5_000;

/** The part of the policy that isthmus.yaml sets. */
export const guardPolicyOf = (given: GuardSettings): Omit<GuardPolicy, 'timeout' | 'slow'> => ({
  concurrency: given.concurrency,
  queue: given.queue,
  rate: given.rate,
  retries: given.retries,
  serveStaleAfter: given.serveStaleAfter,
  breaker: {
    failureThreshold: given.failureThreshold,
    openDuration: Math.min(given.openDuration, MAX_RECOVERY_PAUSE),
  },
});

/** The policy without a section `guard`. `timeout`: of connectors that have no such setting. */
export const DEFAULT_GUARD_POLICY: GuardPolicy = {
  ...guardPolicyOf(defaultsOf(guardSettings)),
  timeout: 2_500,
  slow: 0.8,
};

/** The connector's cache ages with the overrides of isthmus.yaml. Types that the connector does not name are never cached. */
export const cacheAgesOf = (
  declared: Readonly<Record<string, CacheAges>>,
  given: GuardSettings | undefined,
): Readonly<Record<string, CacheAges>> =>
  Object.fromEntries(Object.entries(declared).map(([type, ages]) => [type, { ...ages, ...given?.keep[type] }]));
