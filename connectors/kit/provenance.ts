/** Where a value comes from and how old it is: made once by the guard or a mirror, read by the graph. */

import type { Clock } from './connector.ts';
import { momentsOf } from './stored-age.ts';

/**
 * When this process read a value, by its clock's `monotonic()`. A symbol, so that it is copied along with the facts in this process and
 * left out of everything that is written down or sent: it says nothing to another process.
 */
export const READ_AT = Symbol('read at');

/** What is known about one reading of one source. */
export interface Facts {
  /** Id of the installation. */
  readonly source: string;
  /** The connector's name. */
  readonly system: string;
  /** When we read it, or it was pushed to us. */
  readonly fetchedAt: Date;
  /** Absent: only the wall clock's `fetchedAt` is known. */
  readonly [READ_AT]?: number;
  /** When the source recorded it; null if it does not say. */
  readonly recordedAt: Date | null;
  /** Older than it should be, or the source's last reading failed. */
  readonly stale: boolean;
}

/** A value with its facts. */
export interface Known<T> {
  readonly value: T;
  readonly facts: Facts;
}

/** The same facts around another value. */
export const withFacts = <T>(value: T, facts: Facts): Known<T> => ({ value, facts });

/** What the graph type `Provenance` shows. */
export interface ShownProvenance extends Facts {
  readonly age: number;
  readonly authority: boolean;
  readonly masked: readonly string[];
  readonly parts: readonly ShownProvenance[] | null;
}

/** Whole milliseconds since the value was read, never negative: by what has passed, whatever the wall clock was set to meanwhile. */
export const ageOf = (facts: Pick<Facts, 'fetchedAt' | typeof READ_AT>, clock: Clock): number =>
  Math.round(
    facts[READ_AT] === undefined
      ? momentsOf(clock).age(facts.fetchedAt)
      : Math.max(clock.monotonic() - facts[READ_AT], 0),
  );

/** Facts as the graph shows them. `clock`: the services'; `masked` names fields hidden from this caller. */
export function provenance(
  facts: Facts,
  clock: Clock,
  options: { authority?: boolean; masked?: readonly string[] } = {},
): ShownProvenance {
  return {
    ...facts,
    age: ageOf(facts, clock),
    authority: options.authority ?? true,
    masked: options.masked ?? [],
    parts: null,
  };
}

/** Several sources behind one value: the oldest speaks, all stand in `parts`; stale when one is. At least one is needed. */
export function joinedProvenance(
  all: readonly Facts[],
  clock: Clock,
  options: { authority?: boolean; masked?: readonly string[] } = {},
): ShownProvenance {
  const distinct = [...new Map(all.map((facts) => [facts.source, facts])).values()];
  const oldest = distinct.reduce((a, b) => (ageOf(b, clock) > ageOf(a, clock) ? b : a));
  const shown = provenance(oldest, clock, options);
  if (distinct.length === 1) return shown;
  return {
    ...shown,
    stale: distinct.some((facts) => facts.stale),
    parts: distinct.map((facts) => provenance(facts, clock, options)),
  };
}
