/** The section `retention` of isthmus.yaml: how long the hub keeps its own records and measurements. */
import { readMilliseconds } from '../settings.ts';

/** Milliseconds; null: forever. */
export interface Retention {
  /** Events; dropped by whole days (UTC). */
  readonly events: number | null;
  /** Foreign ids that identify repeated events; null is replaced by `events`. */
  readonly keys: number | null;
  /** Responses of mutations, returned again for the same clientMutationId. */
  readonly answers: number | null;
  /** Meter registers and the values that corrections replaced; dropped by whole months (UTC). */
  readonly readings: number | null;
  /** Occupancy observations of car parks. */
  readonly occupancy: number | null;
}

/** Defaults. */
export const NO_RETENTION: Retention = { events: null, keys: null, answers: null, readings: null, occupancy: null };
export const RETENTION_NAMES = ['events', 'keys', 'answers', 'readings', 'occupancy'] as const;

/** Reads the section. Reports every error to `addError` and returns null for that setting. */
export function readRetention(raw: unknown, addError: (message: string) => void): Retention {
  if (raw === null || raw === undefined) return NO_RETENTION;
  if (typeof raw !== 'object' || Array.isArray(raw)) {
    addError('retention must be a mapping; example: retention: { events: 90d }');
    return NO_RETENTION;
  }
  const given = raw as Record<string, unknown>;
  for (const name of Object.keys(given)) {
    if (!(RETENTION_NAMES as readonly string[]).includes(name))
      addError(`retention: unknown setting ${name}; settings: ${RETENTION_NAMES.join(', ')}`);
  }
  const read = (name: (typeof RETENTION_NAMES)[number]): number | null => {
    try {
      return given[name] === undefined ? null : readMilliseconds(given[name]);
    } catch (error) {
      addError(`retention: ${name} ${(error as Error).message}; example: retention: { ${name}: 90d }`);
      return null;
    }
  };
  const [events, keys] = [read('events'), read('keys')];
  if (events !== null && keys !== null && keys < events) {
    addError(
      'retention: keys must not be shorter than events, or a repeated event is logged twice; example: retention: { events: 90d, keys: 180d }',
    );
  }
  return {
    events,
    keys: keys ?? events,
    answers: read('answers'),
    readings: read('readings'),
    occupancy: read('occupancy'),
  };
}
