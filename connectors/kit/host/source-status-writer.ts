/** Writes the status row of one source, and an event when its state has changed. */

import type { Database } from '../../../schema/database/database.ts';
import type { SourceRow } from '../../../schema/database/entities/sources.ts';
import { saveSource } from '../../../schema/database/hub/source-status.ts';
import { withoutPoolTimeout } from '../../../schema/database/pool/connection-pool.ts';
import type { Clock } from '../clock.ts';
import type { InstallationConfig } from '../config/config.ts';
import type { HealthSnapshot } from '../monitoring/health.ts';
import type { Services } from '../services.ts';

export interface SourceStatusWriterOptions {
  readonly config: InstallationConfig;
  readonly database: Database;
  readonly clock: Clock;
  readonly services: Services;
  /** Milliseconds between writes of an unchanged row. */
  readonly heartbeat: number;
}

export class SourceStatusWriter {
  readonly #options: SourceStatusWriterOptions;
  #saving: Promise<void> = Promise.resolve();
  /** Time of the last write, by the clock's `monotonic()`. */
  #savedAt = Number.NEGATIVE_INFINITY;
  /** State, reason and breaker of the last successful write; empty: none. */
  #savedState = '';

  constructor(options: SourceStatusWriterOptions) {
    this.#options = options;
  }

  /** Whether the last write of this process succeeded. */
  get hasWritten(): boolean {
    return this.#savedState !== '';
  }

  /** Writes the row if it has changed or half a heartbeat has passed, after any write in progress. `lag` is called when the write starts. */
  save(snapshot: HealthSnapshot, lag: () => number | null): void {
    const state = `${snapshot.state} ${snapshot.reason} ${snapshot.breaker}`;
    const now = this.#options.clock.monotonic();
    const isDue = now - this.#savedAt >= this.#options.heartbeat / 2;
    if (state === this.#savedState && !isDue) return;
    this.#savedState = state;
    this.#savedAt = now;
    this.#saving = this.#saving
      .then(() => withoutPoolTimeout(() => this.#write(snapshot, lag())))
      .catch((error) => {
        this.#savedState = '';
        this.#options.services.log.warn(`Failed to write the status of source ${this.#options.config.id}.`, { error });
      });
  }

  /** Resolves when all writes have ended. */
  settled(): Promise<void> {
    return this.#saving;
  }

  async #write(snapshot: HealthSnapshot, lag: number | null): Promise<void> {
    const { config, database, services } = this.#options;
    await database.transaction(async (tx) => {
      const rows: Pick<SourceRow, 'state'>[] = await tx.query('SELECT state FROM source WHERE id = $1 FOR UPDATE', [
        config.id,
      ]);
      const before = rows[0]?.state;
      await saveSource(tx, {
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
      });
      if (before !== undefined && before !== snapshot.state) {
        await services.emit(tx, [
          {
            foreignId: `state ${snapshot.since.toISOString()} ${snapshot.state}`,
            kind: 'SOURCE_STATE_CHANGED',
            time: snapshot.since,
            data: { from: before, to: snapshot.state, reason: snapshot.reason },
          },
        ]);
      }
    });
  }
}
