/** How often the host checks its installations. The first four are settings of the section `guard`. */
import { defaultsOf } from '../settings.ts';
import { type GuardSettings, guardSettings, MAX_RECOVERY_PAUSE } from './guard.ts';

/** Milliseconds. Tests use shorter ones. */
export interface CheckIntervals {
  /** Between health checks while a source is up. */
  readonly checkUp: number;
  /** Between health checks while it is not up; at most 5 s. While it is down and nobody uses it, the time grows to a minute. */
  readonly checkDown: number;
  /** Timeout of a health check. */
  readonly checkTime: number;
  /** Between drift checks. */
  readonly drift: number;
  /** Between looks at the status rows of this process's sources: what has changed is written, except a change of state, which is written at once. */
  readonly heartbeat: number;
  /** Between the hub's requests to connectors that run in their own process. */
  readonly remote: number;
}

/** The intervals that isthmus.yaml sets. */
export const checkIntervalsOf = (given: GuardSettings): Omit<CheckIntervals, 'heartbeat' | 'remote'> => ({
  checkUp: given.checkUp,
  checkDown: Math.min(given.checkDown, MAX_RECOVERY_PAUSE),
  checkTime: given.checkTime,
  drift: given.drift,
});

export const DEFAULT_CHECK_INTERVALS: CheckIntervals = {
  ...checkIntervalsOf(defaultsOf(guardSettings)),
  heartbeat: 3_000,
  remote: 1_000,
};
