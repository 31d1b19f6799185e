/**
 * The status of a source from its row in the database, also when its process has died or cannot be reached. The same for the graph,
 * `/readyz` and `/metrics`.
 */
import type { SourceStatusRow } from '../../../schema/database/hub/source-status.ts';
import type { Clock } from '../clock.ts';
import type { HealthSnapshot } from './health.ts';

/** Milliseconds. A row that was not written for longer is out of date. */
const MAX_ROW_AGE = 15_000;

export interface ReportedSource extends HealthSnapshot {
  readonly id: string;
  readonly system: string;
  readonly protocol: string;
  readonly park: string;
  /** How far the newest record of the source is behind now, in milliseconds; null if unknown. */
  readonly lag: number | null;
}

export class SourceReporter {
  readonly #clock: Clock;
  /** By id: the last row seen, its age then, and when that was and when a row was last seen, by `monotonic()`. */
  readonly #seen = new Map<string, { writtenAt: number; age: number; firstSeenAt: number; lastSeenAt: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The status in the row; DOWN with the reason if a gateway cannot reach the connector's process, or if that process has not written
   * the row for 15 seconds.
   */
  report(row: SourceStatusRow): ReportedSource {
    const { id, system, protocol, park, lastSuccess, errors, breaker } = row;
    const lag = row.lagMs === null ? null : Number(row.lagMs);
    const common = { id, system, protocol, park, lastSuccess, lag, errors, breaker };
    if (row.outage) return { ...common, state: 'DOWN', since: row.outage.since, reason: row.outage.reason };
    if (this.#age(row) <= MAX_ROW_AGE) return { ...common, state: row.state, since: row.since, reason: row.reason };
    const reason = `its connector process has not reported for ${MAX_ROW_AGE / 1_000} s`;
    return { ...common, state: 'DOWN', since: row.updatedAt, reason };
  }

  /** Milliseconds. A row that is new since the last look is at most as old as that look, whatever the database's clock was set to. */
  #age({ id, updatedAt, age }: SourceStatusRow): number {
    const now = this.#clock.monotonic();
    const writtenAt = updatedAt.getTime();
    const previous = this.#seen.get(id);
    const maxAge = previous ? now - previous.lastSeenAt : Number.POSITIVE_INFINITY;
    const seen =
      previous?.writtenAt === writtenAt
        ? previous
        : { writtenAt, age: Math.min(Math.max(age, 0), maxAge), firstSeenAt: now, lastSeenAt: now };
    seen.lastSeenAt = now;
    this.#seen.set(id, seen);
    return seen.age + now - seen.firstSeenAt;
  }
}
