/** Checks one source at intervals: whether it responds, and whether it still offers what its connector expects (drift). */
import type { CheckIntervals } from '../config/sections/check-intervals.ts';
import type { Drift, OpenedSource } from '../connector.ts';
import { describeDrift } from '../monitoring/drift.ts';
import type { Health } from '../monitoring/health.ts';
import type { Services } from '../services.ts';
import { growingDelay } from './retry-delay.ts';
import { hubCall } from './services.ts';

/** Milliseconds between drift checks while drift is found or suspected. */
const DRIFT_RECHECK = 10_000;
/** So many checks of a source that is down and not used keep the first delay, so that the end of a short outage is noticed at once. */
const FULL_RATE_CHECKS = 10;

export interface HealthMonitorOptions {
  readonly services: Services;
  readonly health: Health;
  readonly intervals: CheckIntervals;
  /** Aborts when the installation is closed; no check starts afterwards. */
  readonly signal: AbortSignal;
  /** The source to check; null while it is not open. */
  readonly source: () => OpenedSource | null;
  /** Called after each check, unless the installation was closed meanwhile. */
  readonly onCheck: () => void;
}

export class HealthMonitor {
  readonly #options: HealthMonitorOptions;
  #timer: NodeJS.Timeout | undefined;
  #checking: Promise<void> | null = null;
  #hasChecked = false;
  /** Failed checks in a row since the source was last used. */
  #failures = 0;
  /** When the last check ended and when the next one is due, by the clock's `monotonic()`. */
  #endedAt = Number.NEGATIVE_INFINITY;
  #dueAt = Number.POSITIVE_INFINITY;
  /** Time of the last drift check, by the clock's `monotonic()`. */
  #comparedAt: number | null = null;
  /** Whether the next drift check is due after `DRIFT_RECHECK`. */
  #suspected = false;
  #lastDrift: string | null = null;

  constructor(options: HealthMonitorOptions) {
    this.#options = options;
  }

  /** Whether a check has ended, with success or failure. */
  get hasChecked(): boolean {
    return this.#hasChecked;
  }

  /** Starts the first check now. */
  start(): void {
    this.#schedule(0);
  }

  /** Starts a check now after a failed call, unless one is running or the source is known to be down. */
  checkSoon(): void {
    if (this.#checking === null && this.#options.health.state !== 'DOWN') this.#schedule(0);
  }

  /**
   * Brings the next check of a source that is down forward, because somebody uses it: to now, or to `checkDown` after the last one. While
   * nobody does, checks become up to a minute apart.
   */
  checkOnDemand(): void {
    const { health, intervals } = this.#options;
    if (health.state !== 'DOWN') return;
    this.#failures = 0;
    const now = this.#now();
    const due = Math.max(this.#endedAt + intervals.checkDown, now);
    if (this.#checking === null && due < this.#dueAt) this.#schedule(due - now);
  }

  /** Milliseconds until the next check; null while one is running, or none is planned. */
  get nextCheck(): number | null {
    const left = this.#dueAt - this.#now();
    return this.#checking !== null || !Number.isFinite(left) ? null : Math.max(left, 0);
  }

  /** Brings the next drift check forward, after a response that did not match the expected format. */
  compareSoon(): void {
    this.#suspected = true;
  }

  /** Checks now, or joins the running check. Resolves when the outcome is recorded; never rejects. */
  check(): Promise<void> {
    this.#checking ??= this.#runCheck().finally(() => {
      this.#checking = null;
      this.#endedAt = this.#now();
      this.#schedule(this.#pause());
    });
    return this.#checking;
  }

  /** Milliseconds until the next check. */
  #pause(): number {
    const { health, intervals } = this.#options;
    if (health.state === 'DOWN') return growingDelay(intervals.checkDown, ++this.#failures - FULL_RATE_CHECKS + 1);
    this.#failures = 0;
    return health.state === 'UP' ? intervals.checkUp : intervals.checkDown;
  }

  /** Schedules no further check. A running one continues; see `settled`. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  /** Resolves when no check is running. */
  async settled(): Promise<void> {
    await this.#checking?.catch(() => undefined);
  }

  #now(): number {
    return this.#options.services.clock.monotonic();
  }

  #schedule(delay: number): void {
    clearTimeout(this.#timer);
    this.#dueAt = Number.POSITIVE_INFINITY;
    if (this.#options.signal.aborted) return;
    this.#dueAt = this.#now() + delay;
    this.#timer = setTimeout(() => void this.check(), delay);
  }

  async #runCheck(): Promise<void> {
    const { services, health, intervals, signal } = this.#options;
    const opened = this.#options.source();
    // The failure to open is logged already.
    if (opened === null) return;
    const call = hubCall(intervals.checkTime, signal);
    const before = health.responseCount;
    try {
      await opened.check(call);
      services.guard.recordRecovery();
      health.recordDeliveryProblem(opened.deliveryProblem?.() ?? null);
      // A check without a response of the source does not prove that the source is up.
      health.recordCheck(null, { responded: health.responseCount > before });
      await this.#checkDrift(opened);
    } catch (error) {
      if (signal.aborted) return;
      health.recordCheck(error);
      if (!this.#hasChecked) {
        // The initial state is DOWN, so a source that was never up causes no change of state, which would be logged.
        const { reason } = health.snapshot();
        services.log.warn(`Source ${services.installation.id} is DOWN: ${reason}.`, { error });
      }
    }
    this.#hasChecked = true;
    this.#options.onCheck();
  }

  /** Compares what the source offers with what the connector expects, when due. */
  async #checkDrift(opened: OpenedSource): Promise<void> {
    const { services, health, intervals, signal } = this.#options;
    if (!opened.drift || signal.aborted) return;
    const interval = this.#suspected ? Math.min(intervals.drift, DRIFT_RECHECK) : intervals.drift;
    if (this.#comparedAt !== null && services.clock.monotonic() - this.#comparedAt < interval) return;
    this.#comparedAt = services.clock.monotonic();
    this.#suspected = false;
    let found: readonly Drift[];
    try {
      found = await opened.drift(hubCall(intervals.checkTime, signal));
    } catch (error) {
      services.log.debug(`Drift check of source ${services.installation.id} failed.`, { error });
      return;
    }
    const description = describeDrift(found);
    if (description && description !== this.#lastDrift) {
      services.log.warn(`Source ${services.installation.id} has drifted: ${description}.`);
    }
    this.#lastDrift = description;
    this.#suspected ||= description !== null;
    health.recordDrift(description);
  }
}
