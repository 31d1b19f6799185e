/**
 * States of the sources whose connectors run in their own processes. Each process is checked every second; the states come from its rows
 * in the database, written by the process that holds the installation's lease (without jobs: by the last writer). An outage of a process
 * is recorded in the database, so that `sources` in the graph agrees with `/readyz` and `/metrics` of every gateway.
 */
import { type Clock, systemClock } from '../../connectors/kit/clock.ts';
import type { Config } from '../../connectors/kit/config/config.ts';
import { type CheckIntervals, DEFAULT_CHECK_INTERVALS } from '../../connectors/kit/config/sections/check-intervals.ts';
import type { SourceStatus } from '../../connectors/kit/host/installation.ts';
import { createLeaseOwner } from '../../connectors/kit/host/lease-owner.ts';
import type { Log } from '../../connectors/kit/log.ts';
import { type ReportedSource, SourceReporter } from '../../connectors/kit/monitoring/source-status.ts';
import type { Database } from '../../schema/database/database.ts';
import { addMissingSources, allSources } from '../../schema/database/hub/source-status.ts';
import { endOutages, recordOutage } from '../../schema/database/processes/connector-outages.ts';

export interface RemoteSourcesOptions {
  readonly database: Database;
  /** Returns the current configuration. */
  readonly config: () => Config;
  readonly log: Log;
  readonly intervals?: Partial<CheckIntervals> | undefined;
  readonly clock?: Clock | undefined;
}

/** Calls in the queue of an installation, and when its source is checked next. */
type LocalStatus = Pick<SourceStatus, 'waiting' | 'nextCheck'>;
const UNKNOWN: LocalStatus = { waiting: 0, nextCheck: null };

/** The latest check of a connector's process. */
interface ConnectorProcess {
  /** What only the process itself knows of its installations. */
  readonly local: ReadonlyMap<string, LocalStatus>;
  /** Why its sources are DOWN, for `reason`; null: it responds. */
  readonly error: string | null;
  readonly since: Date;
}

const NOT_CHECKED = 'has not been checked yet';
const NOT_RESPONDING = 'the connector process is not responding';
const WRONG_CONNECTOR = 'another process responds at the address of the connector';

export class RemoteSources {
  readonly #options: RemoteSourcesOptions;
  readonly #intervals: CheckIntervals;
  readonly #clock: Clock;
  readonly #reporter: SourceReporter;
  /** Identifies this gateway in the table of outages. */
  readonly #gatewayId = createLeaseOwner();
  readonly #processes = new Map<string, ConnectorProcess>();
  #rows: ReadonlyMap<string, ReportedSource> = new Map();
  /** Connectors whose outage this gateway has recorded in the database. */
  readonly #reportedOutages = new Set<string>();
  readonly #startedAt: Date;
  #timer: NodeJS.Timeout | undefined;
  #checking: Promise<void> = Promise.resolve();
  readonly #end = new AbortController();

  constructor(options: RemoteSourcesOptions) {
    this.#options = options;
    this.#intervals = { ...DEFAULT_CHECK_INTERVALS, ...options.intervals };
    this.#clock = options.clock ?? systemClock;
    this.#reporter = new SourceReporter(this.#clock);
    this.#startedAt = this.#clock.now();
  }

  /** Checks at once, and again `remote` milliseconds after each check. */
  start(): void {
    this.#checking = this.#check().finally(() => {
      if (!this.#end.signal.aborted) this.#timer = setTimeout(() => this.start(), this.#intervals.remote);
    });
  }

  /** The sources of all connectors that run in their own processes, as of the latest check. */
  statuses(): SourceStatus[] {
    const { installations } = this.#options.config();
    return installations.flatMap((installation) => {
      if (!this.#remoteUrls().has(installation.connector)) return [];
      const process = this.#processes.get(installation.connector);
      const { id, connector: system, protocol, park } = installation;
      const row = this.#rows.get(id);
      const known: SourceStatus = {
        ...{ id, system, protocol, park, ...(process?.local.get(id) ?? UNKNOWN) },
        ...{ state: row?.state ?? 'DOWN', since: row?.since ?? process?.since ?? this.#startedAt },
        reason: row ? row.reason : NOT_CHECKED,
        ...{ lastSuccess: row?.lastSuccess ?? null, errors: row?.errors ?? 0, breaker: row?.breaker ?? 'CLOSED' },
      };
      return process?.error
        ? [{ ...known, state: 'DOWN' as const, reason: process.error, since: process.since }]
        : [known];
    });
  }

  /** The given statuses and the remote ones. A source in both is a pending connector's, which its local host reports. */
  mergeInto(local: readonly SourceStatus[]): SourceStatus[] {
    const known = new Set(local.map(({ id }) => id));
    return [...local, ...this.statuses().filter(({ id }) => !known.has(id))];
  }

  /** Stops checking and ends the outages that this gateway has recorded. */
  async close(): Promise<void> {
    this.#end.abort();
    clearTimeout(this.#timer);
    await this.#checking;
    await endOutages(this.#options.database.plain, [...this.#reportedOutages], this.#gatewayId).catch(() => undefined);
  }

  /** URLs of the connectors that have installations, by name. */
  #remoteUrls(): ReadonlyMap<string, string> {
    const { subgraphs, installations } = this.#options.config();
    const names = new Set(installations.map((installation) => installation.connector));
    return new Map(
      Object.entries(subgraphs).flatMap(([name, { url }]) => (url && names.has(name) ? [[name, url] as const] : [])),
    );
  }

  async #check(): Promise<void> {
    const remote = this.#remoteUrls();
    for (const name of this.#processes.keys()) if (!remote.has(name)) this.#processes.delete(name);
    await Promise.all([...remote].map(([name, url]) => this.#checkProcess(name, url)));
    if (this.#end.signal.aborted || (remote.size === 0 && this.#reportedOutages.size === 0)) return;
    const { database, log } = this.#options;
    try {
      await this.#recordOutages();
      this.#rows = new Map((await allSources(database.plain)).map((row) => [row.id, this.#reporter.report(row)]));
    } catch (error) {
      log.debug('Failed to read or record the states of remote sources.', { error });
    }
  }

  /** Records new outages and ends those that are over. */
  async #recordOutages(): Promise<void> {
    const { plain } = this.#options.database;
    for (const [name, { error }] of this.#processes) {
      if (error === null) continue;
      if (!this.#reportedOutages.has(name)) {
        const { installations } = this.#options.config();
        const own = installations.filter((installation) => installation.connector === name);
        await addMissingSources(
          plain,
          own.map(({ id, connector: system, protocol, park }) => ({ id, system, protocol, park, reason: NOT_CHECKED })),
        );
      }
      this.#reportedOutages.add(name);
      await recordOutage(plain, name, this.#gatewayId, error);
    }
    const recovered = [...this.#reportedOutages].filter((name) => (this.#processes.get(name)?.error ?? null) === null);
    if (recovered.length === 0) return;
    await endOutages(plain, recovered, this.#gatewayId);
    for (const name of recovered) this.#reportedOutages.delete(name);
  }

  async #checkProcess(name: string, url: string): Promise<void> {
    const previous = this.#processes.get(name);
    const error = previous?.error ?? null;
    let status: { error: string | null; local: ReadonlyMap<string, LocalStatus> };
    try {
      status = await this.#readyz(name, url);
    } catch {
      status = { error: NOT_RESPONDING, local: new Map() };
    }
    if (this.#end.signal.aborted) return;
    const since = previous && error === status.error ? previous.since : this.#clock.now();
    this.#processes.set(name, { ...status, since });
    const { log } = this.#options;
    if (status.error !== null && error !== status.error)
      log.warn(`Connector ${name} at ${url} is DOWN: ${status.error}. All its sources are DOWN.`);
    else if (status.error === null && error !== null) log.info(`Connector ${name} at ${url} is responding again.`);
  }

  /** Rejects when the process does not respond in time, or not with JSON. */
  async #readyz(name: string, url: string) {
    const signal = AbortSignal.any([this.#end.signal, AbortSignal.timeout(this.#intervals.checkTime)]);
    const response = await fetch(new URL('/readyz', url), { signal, redirect: 'error' });
    const body = (await response.json()) as {
      connector?: unknown;
      sources?: { id: string; waiting?: number; nextCheck?: string | null }[];
    };
    if (!Array.isArray(body.sources) || body.connector !== name)
      return { error: WRONG_CONNECTOR, local: new Map<string, LocalStatus>() };
    const local = body.sources.map(({ id, waiting = 0, nextCheck }): [string, LocalStatus] => [
      id,
      { waiting, nextCheck: nextCheck ? new Date(nextCheck) : null },
    ]);
    return { error: null, local: new Map(local) };
  }
}
