/** Upkeep of the event log and of what sources measured, by whichever replica comes first: partitions ahead, retention. */

import type { Retention } from '../../connectors/kit/config/sections/retention.ts';
import type { Clock } from '../../connectors/kit/connector.ts';
import type { Log } from '../../connectors/kit/log.ts';
import { inRounds } from '../../connectors/kit/tasks/periodic-task.ts';
import type { Database, Tx } from '../../schema/database/database.ts';
import {
  claimUpkeep,
  makeDaysAhead,
  pruneAnswers,
  pruneEventKeys,
} from '../../schema/database/events/event-maintenance.ts';
import { pruneQuarantine } from '../../schema/database/events/event-quarantine.ts';
import { dropEventsBefore } from '../../schema/database/events/event-retention.ts';
import {
  dropReadingMonth,
  pruneOccupancy,
  pruneReadingHistory,
} from '../../schema/database/retention/measurement-retention.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Rows that one transaction takes away. */
const MOST = 10_000;

interface Parts {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly retention: Retention;
}

/** One round. Answers the days that were dropped, null when another replica is at it. Rejects with the database's error. */
export async function keepEventsOnce({ database, clock, retention }: Omit<Parts, 'log'>): Promise<string[] | null> {
  const now = clock.now();
  // By whole days (UTC), as the log is dropped: no key goes before its event.
  const before = (age: number) => dayBefore(now, age);
  const { events, keys, answers } = retention;
  const dropped = await database.transaction(async (tx) => {
    if (!(await claimUpkeep(tx))) return null;
    await makeDaysAhead(tx, now);
    return events === null ? [] : dropEventsBefore(tx, before(events));
  });
  if (dropped === null) return null;
  const allOf = async (age: number | null, prune: typeof pruneEventKeys) => {
    if (age === null) return;
    while ((await database.transaction((tx) => prune(tx, before(age), MOST))) === MOST);
  };
  await allOf(keys, pruneEventKeys);
  await allOf(answers, pruneAnswers);
  await allOf(events, pruneQuarantine);
  return dropped;
}

/** What a round has dropped of measured values. */
export interface DroppedValues {
  /** Months of readings, such as 2026-01. */
  readonly readings: readonly string[];
  /** Values that corrections had superseded in these months. */
  readonly superseded: number;
  /** Observations of occupancy. */
  readonly occupancy: number;
}

/** Drops readings month by month and occupancy in batches, each in a transaction of its own. Rejects with the database's error. */
export async function dropValuesOnce({ database, clock, retention }: Omit<Parts, 'log'>): Promise<DroppedValues> {
  const { readings, occupancy } = retention;
  const now = clock.now();
  const months: string[] = [];
  while (readings !== null) {
    const month = await database.transaction(async (tx) =>
      (await claimUpkeep(tx)) ? dropReadingMonth(tx, dayBefore(now, readings)) : null,
    );
    if (month === null) break;
    months.push(month);
  }
  const all = async (prune: (tx: Tx) => Promise<number>): Promise<number> => {
    for (let sum = 0; ; ) {
      const count = await database.transaction(prune);
      sum += count;
      if (count < MOST) return sum;
    }
  };
  return {
    readings: months,
    superseded: readings === null ? 0 : await all((tx) => pruneReadingHistory(tx, MOST)),
    occupancy: occupancy === null ? 0 : await all((tx) => pruneOccupancy(tx, dayBefore(now, occupancy), MOST)),
  };
}

/** Begin of the day (UTC) in which it was so long ago. */
const dayBefore = (now: Date, age: number): Date => new Date(Math.floor((now.getTime() - age) / DAY) * DAY);

/** A round now and every hour. Faults are logged and tried again in the next. */
export function keepEvents(parts: Parts): { close(): Promise<void> } {
  const { log } = parts;
  return inRounds(
    HOUR,
    async () => {
      const dropped = await keepEventsOnce(parts);
      if (dropped === null) return;
      if (dropped.length > 0) log.info('Days of the event log are past retention and dropped.', { dropped });
      const values = await dropValuesOnce(parts);
      if (values.readings.length > 0 || values.superseded > 0)
        log.info('Months of readings are past retention and dropped.', {
          ...{ months: values.readings, superseded: values.superseded },
        });
      if (values.occupancy > 0)
        log.info('Occupancy is past retention and dropped.', { observations: values.occupancy });
    },
    (error) => log.warn('What is past retention could not be dropped; tried again in an hour.', { error }),
  );
}
