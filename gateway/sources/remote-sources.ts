/**
 * How the sources of connectors are doing that run in processes of their own. Each process is asked every second whether it answers; how
 * its sources are, its own rows in the database say, written by the process that holds the installation's lease (where there are
 * no jobs: by whichever wrote last). A process that does not answer is noted in the database, so that `sources` in the graph
 * says the same as `/readyz` and `/metrics` of every gateway.
 */
import { systemClock } from '../../connectors/kit/clock.ts';
import type { Config } from '../../connectors/kit/config/config.ts';
import { DEFAULT_PACE, type HostPace } from '../../connectors/kit/config/sections/check-intervals.ts';
import type { Clock } from '../../connectors/kit/connector.ts';
import type { SourceStatus } from '../../connectors/kit/host/installation.ts';
import { newOwner } from '../../connectors/kit/host/lease-owner.ts';
import type { Log } from '../../connectors/kit/log.ts';
import { type ReportedSource, SourceReports } from '../../connectors/kit/monitoring/source-status.ts';
import type { Database } from '../../schema/database/database.ts';
import { allSources, meetSources } from '../../schema/database/hub/source-status.ts';
import { endOutages, noteOutage } from '../../schema/database/processes/connector-outages.ts';

export interface RemoteSourcesParts {
  readonly database: Database;
  /** The configuration that runs now. */
  readonly config: () => Config;
  readonly log: Log;
  readonly pace?: Partial<HostPace> | undefined;
  readonly clock?: Clock | undefined;
}

/** What a connector's process said when it was asked last. */
interface Process {
  /** Calls that wait for a place, by installation. */
  readonly waiting: ReadonlyMap<string, number>;
  /** Why its sources are DOWN, as a predicate; null: it answers. */
  readonly fault: string | null;
  readonly since: Date;
}

const UNASKED = 'has not been asked yet';
const SILENT = 'cannot be asked: the process of its connector does not answer';
const ANOTHER = 'cannot be asked: another process answers at the address of its connector';

export class RemoteSources {
  readonly #parts: RemoteSourcesParts;
  readonly #pace: HostPace;
  readonly #clock: Clock;
  readonly #reports: SourceReports;
  /** This gateway's name in the table of outages. */
  readonly #name = newOwner();
  readonly #processes = new Map<string, Process>();
  #rows: ReadonlyMap<string, ReportedSource> = new Map();
  /** Connectors of which the database may still hold a note of ours. */
  readonly #noted = new Set<string>();
  readonly #began: Date;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  readonly #end = new AbortController();

  constructor(parts: RemoteSourcesParts) {
    this.#parts = parts;
    this.#pace = { ...DEFAULT_PACE, ...parts.pace };
    this.#clock = parts.clock ?? systemClock;
    this.#reports = new SourceReports(this.#clock);
    this.#began = this.#clock.now();
  }

  /** Looks at once, and from then on every `pace.remote` milliseconds. */
  start(): void {
    this.#looking = this.#look().finally(() => {
      if (!this.#end.signal.aborted) this.#timer = setTimeout(() => this.start(), this.#pace.remote);
    });
  }

  /** All installations of connectors in processes of their own, as they were at the last look. */
  statuses(): SourceStatus[] {
    const { installations } = this.#parts.config();
    return installations.flatMap((one) => {
      if (!this.#remote().has(one.connector)) return [];
      const process = this.#processes.get(one.connector);
      const { id, connector: system, protocol, park } = one;
      const row = this.#rows.get(id);
      const known: SourceStatus = {
        ...{ id, system, protocol, park, waiting: process?.waiting.get(id) ?? 0 },
        ...{ state: row?.state ?? 'DOWN', since: row?.since ?? process?.since ?? this.#began },
        reason: row ? row.reason : UNASKED,
        ...{ lastSuccess: row?.lastSuccess ?? null, errors: row?.errors ?? 0, breaker: row?.breaker ?? 'CLOSED' },
      };
      return process?.fault
        ? [{ ...known, state: 'DOWN' as const, reason: process.fault, since: process.since }]
        : [known];
    });
  }

  /** No further look; takes back what this gateway has noted. */
  async close(): Promise<void> {
    this.#end.abort();
    clearTimeout(this.#timer);
    await this.#looking;
    await endOutages(this.#parts.database.plain, [...this.#noted], this.#name).catch(() => undefined);
  }

  /** Addresses of the connectors with sources. */
  #remote(): ReadonlyMap<string, string> {
    const { subgraphs, installations } = this.#parts.config();
    const names = new Set(installations.map((one) => one.connector));
    return new Map(
      Object.entries(subgraphs).flatMap(([name, { url }]) => (url && names.has(name) ? [[name, url] as const] : [])),
    );
  }

  async #look(): Promise<void> {
    const remote = this.#remote();
    for (const name of this.#processes.keys()) if (!remote.has(name)) this.#processes.delete(name);
    await Promise.all([...remote].map(([name, url]) => this.#ask(name, url)));
    if (this.#end.signal.aborted || (remote.size === 0 && this.#noted.size === 0)) return;
    const { database, log } = this.#parts;
    try {
      await this.#note();
      this.#rows = new Map((await allSources(database.plain)).map((row) => [row.id, this.#reports.shown(row)]));
    } catch (error) {
      log.debug('How the connectors in other processes are doing could not be read or written.', { error });
    }
  }

  /** What this gateway sees, in the database. */
  async #note(): Promise<void> {
    const { plain } = this.#parts.database;
    for (const [name, { fault }] of this.#processes) {
      if (fault === null) continue;
      if (!this.#noted.has(name)) {
        const { installations } = this.#parts.config();
        const own = installations.filter((one) => one.connector === name);
        await meetSources(
          plain,
          own.map(({ id, connector: system, protocol, park }) => ({ id, system, protocol, park, reason: UNASKED })),
        );
      }
      this.#noted.add(name);
      await noteOutage(plain, name, this.#name, fault);
    }
    const over = [...this.#noted].filter((name) => (this.#processes.get(name)?.fault ?? null) === null);
    if (over.length === 0) return;
    await endOutages(plain, over, this.#name);
    for (const name of over) this.#noted.delete(name);
  }

  async #ask(name: string, url: string): Promise<void> {
    const before = this.#processes.get(name);
    const fault = before?.fault ?? null;
    let found: { fault: string | null; waiting: ReadonlyMap<string, number> };
    try {
      found = await this.#readyz(name, url);
    } catch {
      found = { fault: SILENT, waiting: new Map() };
    }
    if (this.#end.signal.aborted) return;
    const since = before && fault === found.fault ? before.since : this.#clock.now();
    this.#processes.set(name, { ...found, since });
    const { log } = this.#parts;
    if (found.fault !== null && fault !== found.fault)
      log.warn(`The connector ${name} at ${url}: each of its sources ${found.fault}.`);
    else if (found.fault === null && fault !== null) log.info(`The process of the connector ${name} answers again.`);
  }

  /** Rejects when nobody answers in time, or nothing that can be understood. */
  async #readyz(name: string, url: string) {
    const signal = AbortSignal.any([this.#end.signal, AbortSignal.timeout(this.#pace.checkTime)]);
    const answer = await fetch(new URL('/readyz', url), { signal, redirect: 'error' });
    const said = (await answer.json()) as { connector?: unknown; sources?: { id: string; waiting?: number }[] };
    if (!Array.isArray(said.sources) || said.connector !== name)
      return { fault: ANOTHER, waiting: new Map<string, number>() };
    return { fault: null, waiting: new Map(said.sources.map((one) => [one.id, one.waiting ?? 0])) };
  }
}
