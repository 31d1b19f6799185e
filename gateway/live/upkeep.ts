/** The event log's upkeep, by whichever replica comes first: partitions ahead, retention. */
import type { Clock } from '../../connectors/kit/connector.ts';
import type { Log } from '../../connectors/kit/log.ts';
import type { Retention } from '../../connectors/kit/retention.ts';
import { inRounds } from '../../connectors/kit/rounds.ts';
import { pruneQuarantine } from '../../schema/database/event-quarantine.ts';
import { dropEventsBefore } from '../../schema/database/event-retention.ts';
import { claimUpkeep, makeDaysAhead, pruneAnswers, pruneEventKeys } from '../../schema/database/events-keep.ts';
import type { Database } from '../../schema/database/open.ts';

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
  const before = (age: number) => new Date(Math.floor((now.getTime() - age) / DAY) * DAY);
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

/** A round now and every hour. Faults are logged and tried again in the next. */
export function keepEvents(parts: Parts): { close(): Promise<void> } {
  const { log } = parts;
  return inRounds(
    HOUR,
    async () => {
      const dropped = await keepEventsOnce(parts);
      if (dropped && dropped.length > 0) log.info('Days of the event log are past retention and dropped.', { dropped });
    },
    (error) => log.warn('The event log could not be kept in order; tried again in an hour.', { error }),
  );
}
