/**
 * Writes the status rows of this process's sources: what has changed, of all sources in one transaction. A row that does not change is not
 * written; the heartbeat of the process shows that it is current.
 */

import type { Database } from '../../../schema/database/database.ts';
import {
  disownSources,
  notReportedBy,
  type SavedSource,
  saveSources,
} from '../../../schema/database/hub/source-status.ts';
import { withoutPoolTimeout } from '../../../schema/database/pool/connection-pool.ts';
import type { InstallationConfig } from '../config/config.ts';
import type { Log } from '../log.ts';
import type { HealthSnapshot } from '../monitoring/health.ts';
import type { Services } from '../services.ts';
import { bisectBatch } from '../tasks/group-commit.ts';
import { type ProcessLeases, processLeasesOf } from './process-leases.ts';

/** Rows of one transaction: each change of state adds an event to it. */
const MAX_ROWS = 100;
/** Details (last success, errors, lag) are written once in so many intervals; a change of state at once. */
const DETAIL_INTERVALS = 5;

/** What an installation reports. */
export interface StatusReport {
  readonly snapshot: HealthSnapshot;
  /** Age of the newest record, in milliseconds; null if unknown. */
  readonly lag: number | null;
  /** False: another process reports this source; a row is added only if there is none. */
  readonly isReporter: boolean;
}

/** An installation whose status is written. */
export interface ReportedInstallation {
  readonly config: InstallationConfig;
  readonly services: Pick<Services, 'clock' | 'emit'>;
  /** Milliseconds between two looks at unchanged rows. */
  readonly interval: number;
  /** Null: there is nothing to report yet. */
  report(): StatusReport | null;
}

/** A member of the writer, with what it has written. */
interface Member extends ReportedInstallation {
  /** State, reason and breaker of the last successful write; empty: none. */
  state: string;
  details: string;
}

interface PendingRow {
  readonly member: Member;
  readonly row: SavedSource;
  readonly state: string;
  readonly details: string;
}

const byDatabase = new WeakMap<Database, SourceStatusWriter>();

/** The writer of this process for that database; one instance per opened database. */
export function sourceStatusWriterOf(database: Database, log: Log): SourceStatusWriter {
  let writer = byDatabase.get(database);
  if (!writer) {
    writer = new SourceStatusWriter(database, log, processLeasesOf(database, log));
    byDatabase.set(database, writer);
  }
  return writer;
}

export class SourceStatusWriter {
  readonly #database: Database;
  readonly #log: Log;
  readonly #leases: ProcessLeases;
  readonly #members = new Set<Member>();
  #timer: NodeJS.Timeout | undefined;
  /** Of the timer, in milliseconds; infinite: there is none. */
  #interval = Number.POSITIVE_INFINITY;
  #soon: NodeJS.Immediate | undefined;
  #writing: Promise<void> = Promise.resolve();
  /** Members that may have changed since the last write. */
  readonly #changed = new Set<Member>();
  /** Looks so far. */
  #looks = 0;

  constructor(database: Database, log: Log, leases: ProcessLeases) {
    this.#database = database;
    this.#log = log;
    this.#leases = leases;
  }

  /** Adds an installation. `changed` writes what has changed soon; `close` resolves when no write of it is in progress. */
  add(installation: ReportedInstallation): { changed(): void; close(): Promise<void> } {
    const member: Member = Object.assign(Object.create(installation) as ReportedInstallation, {
      state: '',
      details: '',
    });
    const endHeartbeat = this.#leases.keepAlive();
    this.#members.add(member);
    this.#schedule();
    return {
      changed: () => {
        this.#changed.add(member);
        this.#soon ??= setImmediate(() => {
          this.#soon = undefined;
          this.#enqueue(() => this.#write([...this.#changed], false));
        });
      },
      close: async () => {
        this.#members.delete(member);
        this.#changed.delete(member);
        this.#schedule();
        await this.settled();
        await endHeartbeat();
      },
    };
  }

  /** Resolves when no write is in progress. */
  settled(): Promise<void> {
    return this.#writing;
  }

  #schedule(): void {
    const interval = Math.min(...[...this.#members].map((member) => member.interval));
    if (interval === this.#interval) return;
    this.#interval = interval;
    clearInterval(this.#timer);
    if (this.#members.size === 0) {
      clearImmediate(this.#soon);
      this.#soon = undefined;
    } else this.#timer = setInterval(() => this.#enqueue(() => this.#look()), interval);
  }

  #enqueue(work: () => Promise<void>): void {
    this.#writing = this.#writing
      .then(() => withoutPoolTimeout(work))
      .catch((error) => this.#log.warn('Failed to write the status of sources. Retrying.', { error }));
  }

  /** Writes again what another process has overwritten or deleted, and what has changed. */
  async #look(): Promise<void> {
    const own = new Map<string, Member>();
    for (const member of this.#members)
      if (member.state !== '' && member.report()?.isReporter) own.set(member.config.id, member);
    if (own.size > 0)
      for (const id of await notReportedBy(this.#database.plain, this.#leases.owner, [...own.keys()])) {
        const member = own.get(id);
        if (member) member.state = '';
      }
    // The details of all sources are due together, so that they take one transaction.
    await this.#write([...this.#members], ++this.#looks % DETAIL_INTERVALS === 0);
  }

  async #write(members: readonly Member[], withDetails: boolean): Promise<void> {
    for (const member of members) this.#changed.delete(member);
    const pending = members.flatMap((member) => this.#changeOf(member, withDetails) ?? []);
    for (let i = 0; i < pending.length; i += MAX_ROWS)
      await bisectBatch(
        pending.slice(i, i + MAX_ROWS),
        (part) => this.#commit(part),
        (item, error) => this.#reject(item, error),
      );
  }

  /** The row to write; null if nothing has changed. */
  #changeOf(member: Member, withDetails: boolean): PendingRow | null {
    const report = member.report();
    if (!report) return null;
    const { snapshot, lag, isReporter } = report;
    // A row that exists is the other process's.
    if (!isReporter && member.state !== '') return null;
    const { config, services } = member;
    const now = services.clock.now().getTime();
    const state = [snapshot.state, snapshot.since.toISOString(), snapshot.reason, snapshot.breaker, isReporter].join(
      ' ',
    );
    // A lag that only grows is not a change: it is counted from the time of the row.
    const newest = lag === null ? null : Math.round((now - lag) / 1_000);
    const details = [snapshot.lastSuccess?.toISOString(), snapshot.errors, newest].join(' ');
    if (state === member.state && (!withDetails || details === member.details)) return null;
    const row: SavedSource = {
      id: config.id,
      system: config.connector,
      protocol: config.protocol,
      park: config.park,
      state: snapshot.state,
      since: snapshot.since,
      reason: snapshot.reason,
      lastSuccess: snapshot.lastSuccess,
      lagMs: lag === null ? null : String(Math.round(lag)),
      errors: snapshot.errors,
      breaker: snapshot.breaker,
      reporter: this.#leases.owner,
      onlyIfMissing: !isReporter,
    };
    return { member, row, state, details };
  }

  async #commit(pending: readonly PendingRow[]): Promise<void> {
    await this.#database.transaction(async (tx) => {
      const before = await saveSources(
        tx,
        pending.map(({ row }) => row),
      );
      for (const { member, row } of pending) {
        const from = before.get(row.id);
        if (from === undefined || from === row.state || row.onlyIfMissing) continue;
        await member.services.emit(tx, [
          {
            foreignId: `state ${row.since.toISOString()} ${row.state}`,
            kind: 'SOURCE_STATE_CHANGED',
            time: row.since,
            data: { from, to: row.state, reason: row.reason },
          },
        ]);
      }
    });
    for (const { member, state, details } of pending) Object.assign(member, { state, details });
  }

  /** The row must not be taken for current. */
  async #reject({ row }: PendingRow, error: unknown): Promise<void> {
    this.#log.warn(`Failed to write the status of source ${row.id}.`, { error });
    await disownSources(this.#database.plain, [row.id]);
  }
}
