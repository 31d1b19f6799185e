/** Writes how one source is doing into the hub's table, and the event when it is another state than the one written there. */

import { patiently } from '../../../schema/database/connection-pool.ts';
import type { Database } from '../../../schema/database/database.ts';
import { saveSource } from '../../../schema/database/hub/source-status.ts';
import type { InstallationConfig } from '../config/config.ts';
import type { Clock, Services } from '../connector.ts';
import type { HealthSnapshot } from '../health.ts';

export interface SourceWriterParts {
  readonly config: InstallationConfig;
  readonly database: Database;
  readonly clock: Clock;
  readonly services: Services;
  /** Pause between writings when nothing changed, in milliseconds. */
  readonly heartbeat: number;
}

export class SourceWriter {
  readonly #parts: SourceWriterParts;
  #saving: Promise<void> = Promise.resolve();
  /** When it was written last, by the clock's `monotonic()`. */
  #savedAt = Number.NEGATIVE_INFINITY;
  #saved = '';

  constructor(parts: SourceWriterParts) {
    this.#parts = parts;
  }

  /** Whether this process has written the row before, and well. */
  get written(): boolean {
    return this.#saved !== '';
  }

  /** Writes the row when something has changed or half a heartbeat has passed. One writing at a time; `lag` is asked when it begins. */
  save(snapshot: HealthSnapshot, lag: () => number | null): void {
    const mark = `${snapshot.state} ${snapshot.reason} ${snapshot.breaker}`;
    const now = this.#parts.clock.monotonic();
    const due = now - this.#savedAt >= this.#parts.heartbeat / 2;
    if (mark === this.#saved && !due) return;
    this.#saved = mark;
    this.#savedAt = now;
    this.#saving = this.#saving
      .then(() => patiently(() => this.#write(snapshot, lag())))
      .catch((error) => {
        this.#saved = '';
        this.#parts.services.log.warn('The state of the source could not be written.', { error });
      });
  }

  /** Resolves when all that was to be written is written, or has failed. */
  ended(): Promise<void> {
    return this.#saving;
  }

  async #write(snapshot: HealthSnapshot, lag: number | null): Promise<void> {
    const { config, database, services } = this.#parts;
    await database.transaction(async (tx) => {
      const rows: { state: string }[] = await tx.query('SELECT state FROM source WHERE id = $1 FOR UPDATE', [
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
