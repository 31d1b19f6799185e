/** What a source's row says, where its process may have died or cannot be reached: one rule for the graph, `/readyz` and `/metrics`. */
import type { SourceReport } from '../../../schema/database/hub/source-status.ts';
import type { Clock } from '../connector.ts';
import type { HealthSnapshot } from '../health.ts';

/** A row that was not written for this long tells the truth no more, in milliseconds. */
const SILENT = 15_000;

/** A source as it is shown. */
export interface ReportedSource extends HealthSnapshot {
  readonly id: string;
  readonly system: string;
  readonly protocol: string;
  readonly park: string;
  /** How far its newest record is behind, in milliseconds. */
  readonly lag: number | null;
}

export class SourceReports {
  readonly #clock: Clock;
  /** By id: which writing was seen last, how old it was then, and when that was, by the clock's `monotonic()`. */
  readonly #seen = new Map<string, { written: number; age: number; at: number; looked: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The row, or DOWN with the reason where a gateway cannot reach its connector's process, or that process has not written for
   * fifteen seconds.
   */
  shown(row: SourceReport): ReportedSource {
    const { id, system, protocol, park, lastSuccess, errors, breaker } = row;
    const lag = row.lagMs === null ? null : Number(row.lagMs);
    const known = { id, system, protocol, park, lastSuccess, lag, errors, breaker };
    if (row.outage) return { ...known, state: 'DOWN', since: row.outage.since, reason: row.outage.reason };
    if (this.#age(row) <= SILENT) return { ...known, state: row.state, since: row.since, reason: row.reason };
    return { ...known, state: 'DOWN', since: row.updatedAt, reason: 'is not reported on by the process that asks it' };
  }

  /** How old the row is: what was written since the last look is at most as old as that look, wherever the database's clock was set to. */
  #age({ id, updatedAt, age }: SourceReport): number {
    const now = this.#clock.monotonic();
    const written = updatedAt.getTime();
    const before = this.#seen.get(id);
    const most = before ? now - before.looked : Number.POSITIVE_INFINITY;
    const seen =
      before?.written === written ? before : { written, age: Math.min(Math.max(age, 0), most), at: now, looked: now };
    seen.looked = now;
    this.#seen.set(id, seen);
    return seen.age + now - seen.at;
  }
}
