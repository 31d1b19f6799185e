/** Section `retention` of isthmus.yaml: how long the hub keeps what it writes itself, and what sources measured. Milliseconds; null: for ever. */
import { readMilliseconds } from '../settings.ts';

export interface Retention {
  /** Days of the event log; whole days (UTC) are dropped. */
  readonly events: number | null;
  /** Foreign ids by which an event that is sent again is known; as long as the events where nothing is said. */
  readonly keys: number | null;
  /** Answers of mutations, given again to a client that asks again under the same id. */
  readonly answers: number | null;
  /** Registers of meters and what corrections have superseded; whole months (UTC) are dropped. */
  readonly readings: number | null;
  /** Observations of the occupancy of car parks. */
  readonly occupancy: number | null;
}

/** Where the section is absent. */
export const NO_RETENTION: Retention = { events: null, keys: null, answers: null, readings: null, occupancy: null };
export const RETENTION_NAMES = ['events', 'keys', 'answers', 'readings', 'occupancy'] as const;

/** Reads the plain value; `fault` gets a sentence for each thing that is wrong. */
export function readRetention(raw: unknown, fault: (sentence: string) => void): Retention {
  if (raw === null || raw === undefined) return NO_RETENTION;
  if (typeof raw !== 'object' || Array.isArray(raw)) {
    fault('retention must be a mapping; example: retention: { events: 90d }');
    return NO_RETENTION;
  }
  const given = raw as Record<string, unknown>;
  for (const name of Object.keys(given)) {
    if (!(RETENTION_NAMES as readonly string[]).includes(name))
      fault(`retention: ${name} is not known; known are ${RETENTION_NAMES.join(', ')}`);
  }
  const read = (name: (typeof RETENTION_NAMES)[number]): number | null => {
    try {
      return given[name] === undefined ? null : readMilliseconds(given[name]);
    } catch (error) {
      fault(`retention: ${name} ${(error as Error).message}; example: retention: { ${name}: 90d }`);
      return null;
    }
  };
  const [events, keys] = [read('events'), read('keys')];
  if (events !== null && keys !== null && keys < events) {
    fault('retention: keys must not be shorter than events; an event that is sent again would be in the log twice');
  }
  return {
    events,
    keys: keys ?? events,
    answers: read('answers'),
    readings: read('readings'),
    occupancy: read('occupancy'),
  };
}
