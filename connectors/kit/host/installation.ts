/** Runs one installation: opens its source with guard, read cache and health, then its jobs, checks and status row. */
import { LRUCache } from 'lru-cache';
import type { Database } from '../../../schema/database/database.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { InstallationConfig, ParkConfig } from '../config/config.ts';
import { type CheckIntervals, checkIntervalsOf, DEFAULT_CHECK_INTERVALS } from '../config/sections/check-intervals.ts';
import { cacheAgesOf, DEFAULT_GUARD_POLICY, type GuardPolicy, guardPolicyOf } from '../config/sections/guard.ts';
import { DEFAULT_ZONE } from '../config/time-zone.ts';
import type { AnyConnector, OpenedSource } from '../connector.ts';
import type { SourceCallEvent } from '../guard/guard-types.ts';
import type { ReadCache } from '../guard/read-cache.ts';
import { createReadCache } from '../guard/read-cache-store.ts';
import { createSourceGuard } from '../guard/source-guard.ts';
import type { Log } from '../log.ts';
import { sourceCallChannel, sourceReadChannel, sourceStateChannel } from '../monitoring/diagnostics-channels.ts';
import { Health, type HealthSnapshot } from '../monitoring/health.ts';
import type { Services } from '../services.ts';
import { HealthMonitor } from './health-monitor.ts';
import { JobRunner } from './job-runner.ts';
import { processLeasesOf } from './process-leases.ts';
import { createServices, type Keys } from './services.ts';
import { type StatusReport, sourceStatusWriterOf } from './source-status-writer.ts';

/** Shared by all installations of a host. */
export interface InstallationOptions {
  readonly connector: AnyConnector;
  readonly parks: readonly ParkConfig[];
  readonly database: Database;
  readonly keys: Keys;
  readonly log: Log;
  readonly intervals?: Partial<CheckIntervals>;
  readonly policy?: Partial<GuardPolicy>;
  /** False: no read cache, every read calls the source; for tests. */
  readonly cacheReads?: boolean;
  /** False: no jobs and no lease; for tests. */
  readonly runJobs?: boolean;
}

/** Status of one installation, as in `/readyz`. */
export interface SourceStatus extends HealthSnapshot {
  readonly id: string;
  readonly system: string;
  readonly protocol: string;
  readonly park: string;
  /** Calls in the guard's queue. */
  readonly waiting: number;
  /** When the source is checked next unless somebody uses it before; null if it is not down, is being checked, or it is not known. */
  readonly nextCheck: Date | null;
}

export class Installation {
  readonly config: InstallationConfig;
  readonly services: Services;
  /** Null: not opened yet, or failed to open. */
  opened: OpenedSource | null = null;
  readonly #options: InstallationOptions;
  readonly #log: Log;
  readonly #health: Health;
  readonly #abortController = new AbortController();
  readonly #cache: ReadCache;
  readonly #monitor: HealthMonitor;
  /** Null: closed, not opened, or not a source in the graph. */
  #statusRow: ReturnType<ReturnType<typeof sourceStatusWriterOf>['add']> | null = null;
  #jobRunner: JobRunner | null = null;
  readonly #intervals: CheckIntervals;

  constructor(config: InstallationConfig, options: InstallationOptions, clock: Clock) {
    const { connector, database, keys, parks } = options;
    const { signal } = this.#abortController;
    const zone = parks.find(({ id }) => id === config.park)?.zone ?? DEFAULT_ZONE;
    const info = { id: config.id, connector: config.connector, park: config.park, zone };
    const log = options.log.child({ source: config.id });
    const health = new Health(clock);
    const intervals = {
      ...DEFAULT_CHECK_INTERVALS,
      ...(config.guard ? checkIntervalsOf(config.guard) : {}),
      ...options.intervals,
    };
    this.config = config;
    this.#intervals = intervals;
    this.#options = options;
    this.#log = log;
    this.#health = health;
    this.#cache = createReadCache({
      ages: options.cacheReads === false ? {} : cacheAgesOf(connector.cacheAges?.(config.settings) ?? {}, config.guard),
      database,
      installation: config.id,
      clock,
      log,
    });
    const suspectDrift = () => this.#monitor.compareSoon();
    const guard = createSourceGuard(
      {
        installation: info,
        clock,
        health,
        publishCall: (event) => {
          if (event.code === 'SOURCE_MALFORMED') suspectDrift();
          publishCall(event, log);
        },
        publishRead: (event) => sourceReadChannel.publish(event),
        onDemand: () => this.#monitor.checkOnDemand(),
        cache: this.#cache,
        signal,
      },
      policyOf(config, options.policy),
    );
    const buildings = buildingIdsByCode(parks, config.park);
    this.services = createServices({ info, database, keys, guard, log, clock, signal, buildings, suspectDrift });
    this.#monitor = new HealthMonitor({
      services: this.services,
      health,
      intervals: intervals,
      signal,
      source: () => this.opened,
      onCheck: () => this.#statusRow?.changed(),
    });
    health.onChange = (from, to, reason) => {
      sourceStateChannel.publish({ source: config.id, system: config.connector, from, to, reason });
      if (to === 'UP') log.info(`Source ${config.id} is UP.`);
      else log.warn(`Source ${config.id} is ${to}: ${reason}.`);
      if (from === 'DOWN') this.#jobRunner?.resume();
      this.#statusRow?.changed();
    };
    health.onRetryableFailure = () => this.#monitor.checkSoon();
  }

  /** Opens the source and starts its jobs and checks, without waiting for it to respond. A failure to open is logged; the source stays DOWN. */
  async open(): Promise<void> {
    const { config } = this;
    const { connector, database } = this.#options;
    const health = this.#health;
    try {
      this.opened = await connector.open(config.settings, this.services);
    } catch (error) {
      health.recordCheck(error);
      this.#log.error(`Failed to open installation ${config.id}. Other installations are not affected.`, { error });
      return;
    }
    const { jobs } = this.opened;
    if (this.#options.runJobs !== false && jobs && jobs.length > 0) {
      this.#jobRunner = new JobRunner({
        name: config.id,
        jobs,
        leases: processLeasesOf(database, this.#options.log),
        log: this.#log,
        signal: this.#abortController.signal,
        isDown: () => health.state === 'DOWN',
        responses: () => health.responseCount,
        onLease: () => this.#statusRow?.changed(),
        onOutcome: (job, error) =>
          error === null ? health.recordSuccess(`job ${job}`) : health.recordFailure(`job ${job}`, error),
      });
      this.#jobRunner.start();
    }
    // The hub's own installation has no park and is not a source in the graph.
    if (config.park !== '') {
      this.#statusRow = sourceStatusWriterOf(database, this.#options.log).add({
        config,
        services: this.services,
        interval: this.#intervals.heartbeat,
        report: () => this.#report(),
      });
    }
    this.#monitor.start();
  }

  /** Whether the source is known to be down. */
  get isDown(): boolean {
    return this.#health.state === 'DOWN';
  }

  status(): SourceStatus {
    return {
      id: this.config.id,
      system: this.config.connector,
      protocol: this.config.protocol,
      park: this.config.park,
      waiting: this.services.guard.load().queued,
      nextCheck: this.#nextCheck(),
      ...this.#health.snapshot(),
    };
  }

  #nextCheck(): Date | null {
    const left = this.#health.state === 'DOWN' ? this.#monitor.nextCheck : null;
    return left === null ? null : new Date(this.services.clock.now().getTime() + left);
  }

  /** Checks the source now. Resolves when the outcome is recorded. */
  async check(): Promise<HealthSnapshot> {
    await this.#monitor.check();
    return this.#health.snapshot();
  }

  /** Runs a job once, now, under the lease; for tests. */
  async runJob(job: string): Promise<void> {
    if (!this.#jobRunner) throw new Error(`Installation ${this.config.id} has no jobs in this process.`);
    await this.#jobRunner.runNow(job);
  }

  /** Aborts calls, jobs and checks, and completes writes in progress. Call once. */
  async close(): Promise<void> {
    this.#monitor.stop();
    this.#abortController.abort();
    await this.#jobRunner?.stop();
    await this.#monitor.settled();
    await this.opened?.close();
    await this.#cache.flush();
    this.#cache.close();
    await this.#statusRow?.close();
  }

  /** The status to write; null before the first check and after the end. */
  #report(): StatusReport | null {
    if (!this.#monitor.hasChecked || this.#abortController.signal.aborted) return null;
    return {
      snapshot: this.#health.snapshot(),
      lag: this.opened?.lag?.() ?? null,
      // Of several processes with this installation, the lease holder writes the row.
      isReporter: this.#jobRunner?.holdsLease ?? true,
    };
  }
}

/** The guard's policy. Later parts override: defaults, the setting `timeout`, the section `guard`, a test's values. */
function policyOf(config: InstallationConfig, overrides: Partial<GuardPolicy> | undefined): GuardPolicy {
  const timeout = (config.settings as { timeout?: unknown } | null)?.timeout;
  return {
    ...DEFAULT_GUARD_POLICY,
    ...(typeof timeout === 'number' ? { timeout } : {}),
    ...(config.guard ? guardPolicyOf(config.guard) : {}),
    ...overrides,
  };
}

/** Ids of a park's buildings, by id and by the codes of the legacy systems. */
function buildingIdsByCode(parks: readonly ParkConfig[], park: string): ReadonlyMap<string, string> {
  const buildings = new Map<string, string>();
  for (const building of parks.find(({ id }) => id === park)?.buildings ?? []) {
    buildings.set(building.id, building.id);
    for (const code of building.known) buildings.set(code, building.id);
  }
  return buildings;
}

/** When an invalid response was last logged, by source, operation and code; of sources that were removed, too. */
const loggedAt = new LRUCache<string, number>({ max: 10_000 });

/** Publishes the event. Logs an invalid response once a minute per operation, because it need not change the health. */
function publishCall(event: SourceCallEvent, log: Log): void {
  sourceCallChannel.publish(event);
  const { queuedMs, ...rest } = event;
  const { source, operation, code } = rest;
  if (code === null) return;
  const fields = { ...rest, waited: queuedMs };
  const key = `${source} ${operation} ${code}`;
  const isInvalid = code === 'SOURCE_MALFORMED' || code === 'INTERNAL';
  const now = systemClock.monotonic();
  if (isInvalid && now - (loggedAt.get(key) ?? Number.NEGATIVE_INFINITY) > 60_000) {
    loggedAt.set(key, now);
    log.warn(`Source ${source} returned an invalid response to ${operation}.`, fields);
  } else log.debug(`Call to source ${source} failed.`, fields);
}
