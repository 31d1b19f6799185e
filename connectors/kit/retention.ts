/** Section `retention` of isthmus.yaml: how long the hub keeps what it writes itself. Milliseconds; null: for ever. */
import { readMilliseconds } from './settings.ts';

export interface Retention {
  /** Days of the event log; whole days (UTC) are dropped. */
  readonly events: number | null;
  /** Foreign ids by which an event that is sent again is known; as long as the events where nothing is said. */
  readonly keys: number | null;
  /** Answers of mutations, given again to a client that asks again under the same id. */
  readonly answers: number | null;
}

/** Where the section is absent. */
export const NO_RETENTION: Retention = { events: null, keys: null, answers: null };
const NAMES = ['events', 'keys', 'answers'] as const;

/** Reads the plain value; `fault` gets a sentence for each thing that is wrong. */
export function readRetention(raw: unknown, fault: (sentence: string) => void): Retention {
  if (raw === null || raw === undefined) return NO_RETENTION;
  if (typeof raw !== 'object' || Array.isArray(raw)) {
    fault('retention must be a mapping; example: retention: { events: 90d }');
    return NO_RETENTION;
  }
  const given = raw as Record<string, unknown>;
  for (const name of Object.keys(given)) {
    if (!(NAMES as readonly string[]).includes(name))
      fault(`retention: ${name} is not known; known are ${NAMES.join(', ')}`);
  }
  const [events = null, keys = null, answers = null] = NAMES.map((name) => {
    try {
      return given[name] === undefined ? null : readMilliseconds(given[name]);
    } catch (error) {
      fault(`retention: ${name} ${(error as Error).message}; example: retention: { ${name}: 90d }`);
      return null;
    }
  });
  if (events !== null && keys !== null && keys < events) {
    fault('retention: keys must not be shorter than events; an event that is sent again would be in the log twice');
  }
  return { events, keys: keys ?? events, answers };
}
