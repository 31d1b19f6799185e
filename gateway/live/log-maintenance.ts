/** Hourly maintenance of the event log and of measurements, by one replica at a time: partitions for coming days, retention. */

import type { Clock } from '../../connectors/kit/clock.ts';
import type { Retention } from '../../connectors/kit/config/sections/retention.ts';
import type { Log } from '../../connectors/kit/log.ts';
import { startPeriodicTask } from '../../connectors/kit/tasks/periodic-task.ts';
import type { Database, Tx } from '../../schema/database/database.ts';
import {
  claimMaintenance,
  createDaysAhead,
  pruneEventKeys,
  pruneMutations,
} from '../../schema/database/events/event-maintenance.ts';
import { pruneQuarantine } from '../../schema/database/events/event-quarantine.ts';
import { dropEventsBefore } from '../../schema/database/events/event-retention.ts';
import {
  dropReadingMonth,
  pruneOccupancy,
  pruneOccupancyHours,
  pruneReadingHistory,
} from '../../schema/database/retention/measurement-retention.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Rows that one transaction deletes. */
const BATCH_ROWS = 10_000;

interface MaintenanceOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly retention: Retention;
}

/** One round. Resolves with the dropped days, or null when another replica does the maintenance. Rejects with the database's error. */
export async function maintainEventLogOnce({
  database,
  clock,
  retention,
}: Omit<MaintenanceOptions, 'log'>): Promise<string[] | null> {
  const now = clock.now();
  // Whole days (UTC), as the log is dropped, so that no key is deleted before its event.
  const cutoff = (ageMs: number) => dayStart(now, ageMs);
  const { events, keys, answers } = retention;
  const dropped = await database.transaction(async (tx) => {
    if (!(await claimMaintenance(tx))) return null;
    await createDaysAhead(tx, now);
    return events === null ? [] : dropEventsBefore(tx, cutoff(events));
  });
  if (dropped === null) return null;
  const pruneAll = async (ageMs: number | null, prune: typeof pruneEventKeys) => {
    if (ageMs === null) return;
    while ((await database.transaction((tx) => prune(tx, cutoff(ageMs), BATCH_ROWS))) === BATCH_ROWS);
  };
  await pruneAll(keys, pruneEventKeys);
  await pruneAll(answers, pruneMutations);
  await pruneAll(events, pruneQuarantine);
  return dropped;
}

/** Measurements that a round has dropped. */
export interface DroppedMeasurements {
  /** Months of readings, such as 2026-01. */
  readonly readings: readonly string[];
  /** Values that corrections had superseded in these months. */
  readonly superseded: number;
  /** Observations of occupancy. */
  readonly occupancy: number;
}

/** Drops readings month by month and occupancy in batches, each in a transaction of its own. Rejects with the database's error. */
export async function dropMeasurementsOnce({
  database,
  clock,
  retention,
}: Omit<MaintenanceOptions, 'log'>): Promise<DroppedMeasurements> {
  const { readings, occupancy } = retention;
  const now = clock.now();
  const months: string[] = [];
  while (readings !== null) {
    const month = await database.transaction(async (tx) =>
      (await claimMaintenance(tx)) ? dropReadingMonth(tx, dayStart(now, readings)) : null,
    );
    if (month === null) break;
    months.push(month);
  }
  const pruneBatches = async (prune: (tx: Tx) => Promise<number>): Promise<number> => {
    for (let sum = 0; ; ) {
      const count = await database.transaction(prune);
      sum += count;
      if (count < BATCH_ROWS) return sum;
    }
  };
  if (occupancy !== null) await pruneBatches((tx) => pruneOccupancyHours(tx, BATCH_ROWS));
  return {
    readings: months,
    superseded: readings === null ? 0 : await pruneBatches((tx) => pruneReadingHistory(tx, BATCH_ROWS)),
    occupancy:
      occupancy === null ? 0 : await pruneBatches((tx) => pruneOccupancy(tx, dayStart(now, occupancy), BATCH_ROWS)),
  };
}

/** The start of the day (UTC) of the time `ageMs` before `now`. */
const dayStart = (now: Date, ageMs: number): Date => new Date(Math.floor((now.getTime() - ageMs) / DAY) * DAY);

/** Runs a round now and every hour. Logs errors and retries in the next round. */
export function startLogMaintenance(options: MaintenanceOptions): { close(): Promise<void> } {
  const { log } = options;
  return startPeriodicTask(
    HOUR,
    async () => {
      const dropped = await maintainEventLogOnce(options);
      if (dropped === null) return;
      if (dropped.length > 0) log.info('Dropped days of the event log that are past retention.', { dropped });
      const values = await dropMeasurementsOnce(options);
      if (values.readings.length > 0 || values.superseded > 0)
        log.info('Dropped months of readings that are past retention.', {
          ...{ months: values.readings, superseded: values.superseded },
        });
      if (values.occupancy > 0)
        log.info('Dropped occupancy that is past retention.', { observations: values.occupancy });
    },
    (error) => log.warn('Event log maintenance failed. Retrying in 1 h.', { error }),
  );
}
