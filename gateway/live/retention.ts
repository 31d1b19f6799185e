/** Keeps the event log no longer than isthmus.yaml says: looked after at start and every hour. */
import type { Log } from '../../connectors/kit/log.ts';
import { dropEventsBefore } from '../../schema/database/event-retention.ts';
import type { Database } from '../../schema/database/open.ts';

const HOUR = 3_600_000;

/** `retention` in milliseconds; null: for ever. Faults are logged and tried again an hour later. */
export function keepEvents(parts: {
  readonly database: Database;
  readonly clock: { now(): Date };
  readonly log: Log;
  readonly retention: number | null;
}): { close(): Promise<void> } {
  const { database, clock, log, retention } = parts;
  if (retention === null) return { close: async () => undefined };
  let closed = false;
  const work = async (): Promise<void> => {
    try {
      const days = await database.transaction((tx) =>
        dropEventsBefore(tx, new Date(clock.now().getTime() - retention)),
      );
      if (days.length > 0) log.info('Days of the event log were dropped.', { days: days.join(' ') });
    } catch (error) {
      if (!closed) log.warn('Old days of the event log could not be dropped; tried again in an hour.', { error });
    }
  };
  let running = work();
  const timer = setInterval(() => {
    running = running.then(work);
  }, HOUR);
  timer.unref();
  return {
    close: async () => {
      closed = true;
      clearInterval(timer);
      await running;
    },
  };
}
