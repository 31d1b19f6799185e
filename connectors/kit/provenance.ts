/** Source, fetch time, age and staleness of a value: recorded by the guard or a mirror, read by resolvers. */
import type { Clock } from './clock.ts';
import { storedAgesOf } from './monitoring/stored-age.ts';

/**
 * Time at which this process read a value, by its clock's `monotonic()`. A symbol, so that spreads copy it and JSON omits it: the number
 * means nothing in another process.
 */
export const READ_AT = Symbol('read at');

/** Provenance of one reading of one source. */
export interface ProvenanceFacts {
  /** Id of the installation. */
  readonly source: string;
  /** The connector's name. */
  readonly system: string;
  /** When the hub read it, or received it. */
  readonly fetchedAt: Date;
  /** Absent for a reading of another process or an earlier run. */
  readonly [READ_AT]?: number;
  /** When the source recorded it; null if the source does not provide it. */
  readonly recordedAt: Date | null;
  /** Returned from the cache because the source did not respond, or older than its maximum age. */
  readonly stale: boolean;
}

/** A value with its provenance. */
export interface Sourced<T> {
  readonly value: T;
  readonly facts: ProvenanceFacts;
}

/** Combines a value with its provenance. */
export const sourced = <T>(value: T, facts: ProvenanceFacts): Sourced<T> => ({ value, facts });

/** The object of the GraphQL type `Provenance`. */
export interface ProvenanceObject extends ProvenanceFacts {
  readonly age: number;
  readonly authority: boolean;
  readonly masked: readonly string[];
  readonly parts: readonly ProvenanceObject[] | null;
}

/** Whole milliseconds since the value was read, at least 0. Not affected by changes of the wall clock. */
export const ageOf = (facts: Pick<ProvenanceFacts, 'fetchedAt' | typeof READ_AT>, clock: Clock): number =>
  Math.round(
    facts[READ_AT] === undefined
      ? storedAgesOf(clock).ageOf(facts.fetchedAt)
      : Math.max(clock.monotonic() - facts[READ_AT], 0),
  );

/** The GraphQL object. `authority` is true by default; `masked`: fields that are masked for the caller. */
export function provenance(
  facts: ProvenanceFacts,
  clock: Clock,
  options: { authority?: boolean; masked?: readonly string[] } = {},
): ProvenanceObject {
  return {
    ...facts,
    age: ageOf(facts, clock),
    authority: options.authority ?? true,
    masked: options.masked ?? [],
    parts: null,
  };
}

/** The GraphQL object of a value from several sources: that of the oldest reading, with all in `parts`; stale if one is. `all` must not be empty. */
export function joinedProvenance(
  all: readonly ProvenanceFacts[],
  clock: Clock,
  options: { authority?: boolean; masked?: readonly string[] } = {},
): ProvenanceObject {
  const distinct = [...new Map(all.map((facts) => [facts.source, facts])).values()];
  const oldest = distinct.reduce((a, b) => (ageOf(b, clock) > ageOf(a, clock) ? b : a));
  const object = provenance(oldest, clock, options);
  if (distinct.length === 1) return object;
  return {
    ...object,
    stale: distinct.some((facts) => facts.stale),
    parts: distinct.map((facts) => provenance(facts, clock, options)),
  };
}
