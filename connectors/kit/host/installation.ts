/** One installation at work: what stands around it (guard, health, what is kept), its jobs, its checks and its row. */
import type { Database } from '../../../schema/database/database.ts';
import { systemClock } from '../clock.ts';
import type { InstallationConfig, ParkConfig } from '../config/config.ts';
import { DEFAULT_PACE, type HostPace } from '../config/sections/check-intervals.ts';
import { keepingOf, paceOf, policyOf } from '../config/sections/guard.ts';
import type { AnyConnector, Clock, Opened, Services } from '../connector.ts';
import { DEFAULT_POLICY, type GuardPolicy, type SourceCallFact } from '../guard/guard.ts';
import type { Kept } from '../guard/read-cache.ts';
import { makeKept } from '../guard/read-cache-store.ts';
import { makeGuard } from '../guard/source-guard.ts';
import { Health, type HealthSnapshot } from '../health.ts';
import type { Log } from '../log.ts';
import { sourceAnswers, sourceCalls, sourceStates } from '../monitoring/diagnostics-channels.ts';
import { Lookout } from './health-monitor.ts';
import { JobRunner } from './job-runner.ts';
import { newOwner } from './lease-owner.ts';
import { type Keys, makeServices } from './services.ts';
import { SourceWriter } from './source-status-writer.ts';

/** What the host lends to each of its installations. */
export interface Lent {
  readonly connector: AnyConnector;
  readonly parks: readonly ParkConfig[];
  readonly database: Database;
  readonly keys: Keys;
  readonly log: Log;
  readonly pace?: Partial<HostPace>;
  readonly policy?: Partial<GuardPolicy>;
  /** False: nothing that was read is kept, every question goes to the source (a test that counts or breaks them). */
  readonly keep?: boolean;
  /** False: no jobs and no lease (a test that only asks). */
  readonly jobs?: boolean;
}

/** How one installation is doing, for `/readyz`. */
export interface SourceStatus extends HealthSnapshot {
  readonly id: string;
  readonly system: string;
  readonly protocol: string;
  readonly park: string;
  /** Calls that wait for a place. */
  readonly waiting: number;
}

export class Installation {
  readonly config: InstallationConfig;
  readonly services: Services;
  /** Null: not open yet, or it could not be opened. */
  opened: Opened | null = null;
  readonly #lent: Lent;
  readonly #log: Log;
  readonly #health: Health;
  readonly #control = new AbortController();
  readonly #kept: Kept;
  readonly #lookout: Lookout;
  readonly #row: SourceWriter;
  #runner: JobRunner | null = null;
  #heartbeat: NodeJS.Timeout | undefined;
  readonly #pace: HostPace;

  constructor(config: InstallationConfig, lent: Lent, clock: Clock) {
    const { connector, database, keys, parks } = lent;
    const { signal } = this.#control;
    const info = { id: config.id, connector: config.connector, park: config.park };
    const log = lent.log.child({ source: config.id });
    const health = new Health(clock);
    const pace = { ...DEFAULT_PACE, ...(config.guard ? paceOf(config.guard) : {}), ...lent.pace };
    this.config = config;
    this.#pace = pace;
    this.#lent = lent;
    this.#log = log;
    this.#health = health;
    this.#kept = makeKept({
      policies: lent.keep === false ? {} : keepingOf(connector.keeps?.(config.settings) ?? {}, config.guard),
      database,
      installation: config.id,
      clock,
      log,
    });
    const suspect = () => this.#lookout.suspect();
    const guard = makeGuard(
      {
        installation: info,
        clock,
        health,
        tell: (fact) => {
          if (fact.code === 'SOURCE_MALFORMED') suspect();
          tellCall(fact, log);
        },
        answered: (fact) => sourceAnswers.publish(fact),
        kept: this.#kept,
        signal,
      },
      limitsOf(config, lent.policy),
    );
    const buildings = buildingsOf(parks, config.park);
    this.services = makeServices({ info, database, keys, guard, log, clock, signal, buildings, suspect });
    const { services } = this;
    this.#row = new SourceWriter({ config, database, clock, services, heartbeat: pace.heartbeat });
    this.#lookout = new Lookout({
      services,
      health,
      pace,
      signal,
      opened: () => this.opened,
      looked: () => this.#save(),
    });
    health.onChange = (from, to, reason) => {
      sourceStates.publish({ source: config.id, system: config.connector, from, to, reason });
      if (to === 'DOWN') log.warn(`The source ${config.id} is down: it ${reason}.`);
      else if (to === 'DEGRADED') log.warn(`The source ${config.id} is degraded: ${reason}.`);
      else log.info(`The source ${config.id} is up.`);
      this.#save();
    };
    health.onTrouble = () => this.#lookout.soon();
  }

  /** Opens it and begins its jobs and checks; waits for no source. What cannot be opened is logged and stays down. */
  async open(): Promise<void> {
    const { config } = this;
    const { connector, database } = this.#lent;
    const health = this.#health;
    try {
      this.opened = await connector.open(config.settings, this.services);
    } catch (error) {
      health.checked(error);
      this.#log.error(`The installation ${config.id} cannot be opened; the others go on.`, { error });
      return;
    }
    const { jobs } = this.opened;
    if (this.#lent.jobs !== false && jobs && jobs.length > 0) {
      this.#runner = new JobRunner({
        name: config.id,
        jobs,
        database,
        log: this.#log,
        owner: newOwner(),
        clock: this.services.clock,
        signal: this.#control.signal,
        outcome: (job, error) => (error === null ? health.succeeded(`job ${job}`) : health.failed(`job ${job}`, error)),
      });
      this.#runner.start();
    }
    this.#lookout.start();
    // Its row says that this process is alive, however seldom the source is looked at.
    this.#heartbeat = setInterval(() => this.#save(), this.#pace.heartbeat);
  }

  status(): SourceStatus {
    return {
      id: this.config.id,
      system: this.config.connector,
      protocol: this.config.protocol,
      park: this.config.park,
      waiting: this.services.guard.load().waiting,
      ...this.#health.snapshot(),
    };
  }

  /** Checks it now and answers when the outcome is known. */
  async check(): Promise<HealthSnapshot> {
    await this.#lookout.check();
    return this.#health.snapshot();
  }

  /** Runs the job of that name once, now, under its lease; for tests. */
  async runJob(job: string): Promise<void> {
    if (!this.#runner) throw new Error(`${this.config.id} runs no jobs here.`);
    await this.#runner.once(job);
  }

  /** Ends its calls, jobs and checks; what is being written is written. Once only. */
  async close(): Promise<void> {
    clearInterval(this.#heartbeat);
    this.#lookout.stop();
    this.#control.abort();
    await this.#runner?.stop();
    await this.#lookout.ended();
    await this.opened?.close();
    await this.#kept.flush();
    this.#kept.close();
    await this.#row.ended();
  }

  #save(): void {
    // The hub's own installation belongs to no park: it is no legacy system, and no source in the graph.
    if (this.config.park === '') return;
    if (!this.#lookout.announced || this.#control.signal.aborted) return;
    // Who works for the installation writes its row; the others only where it has never been written here.
    if (this.#runner && !this.#runner.holding && this.#row.written) return;
    this.#row.save(this.#health.snapshot(), () => this.opened?.lag?.() ?? null);
  }
}

/** The guard's limits: defaults, then what the installation's settings and the file say, then a test's. */
function limitsOf(config: InstallationConfig, own: Partial<GuardPolicy> | undefined): GuardPolicy {
  const timeout = (config.settings as { timeout?: unknown } | null)?.timeout;
  return {
    ...DEFAULT_POLICY,
    ...(typeof timeout === 'number' ? { timeout } : {}),
    ...(config.guard ? policyOf(config.guard) : {}),
    ...own,
  };
}

/** Ids of a park's buildings by what legacy systems call them. */
function buildingsOf(parks: readonly ParkConfig[], park: string): ReadonlyMap<string, string> {
  const buildings = new Map<string, string>();
  for (const building of parks.find((one) => one.id === park)?.buildings ?? []) {
    buildings.set(building.id, building.id);
    for (const code of building.known) buildings.set(code, building.id);
  }
  return buildings;
}

const complained = new Map<string, number>();

/** Tells the fact; nonsense of a source is logged once a minute per operation, since health alone would not show it. */
function tellCall(fact: SourceCallFact, log: Log): void {
  sourceCalls.publish(fact);
  if (fact.code === null) return;
  const key = `${fact.source} ${fact.operation} ${fact.code}`;
  const loud = fact.code === 'SOURCE_MALFORMED' || fact.code === 'INTERNAL';
  const now = systemClock.monotonic();
  if (loud && now - (complained.get(key) ?? Number.NEGATIVE_INFINITY) > 60_000) {
    complained.set(key, now);
    log.warn(`An answer of ${fact.source} cannot be used.`, { ...fact });
  } else log.debug('A call to the source failed.', { ...fact });
}
