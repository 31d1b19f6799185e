/** Where a value comes from and how old it is: made once by the guard or a mirror, read by the graph. */

/** What is known about one reading of one source. */
export interface Facts {
  /** Id of the installation. */
  readonly source: string;
  /** The connector's name. */
  readonly system: string;
  /** When we read it, or it was pushed to us. */
  readonly fetchedAt: Date;
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

/** Facts as the graph shows them. `now` comes from the services' clock; `masked` names fields hidden from this caller. */
export function provenance(
  facts: Facts,
  now: Date,
  options: { authority?: boolean; masked?: readonly string[] } = {},
): ShownProvenance {
  return {
    ...facts,
    age: Math.max(now.getTime() - facts.fetchedAt.getTime(), 0),
    authority: options.authority ?? true,
    masked: options.masked ?? [],
    parts: null,
  };
}

/** Several sources behind one value: the oldest speaks, all stand in `parts`; stale when one is. At least one is needed. */
export function joinedProvenance(
  all: readonly Facts[],
  now: Date,
  options: { authority?: boolean; masked?: readonly string[] } = {},
): ShownProvenance {
  const distinct = [...new Map(all.map((facts) => [facts.source, facts])).values()];
  const oldest = distinct.reduce((a, b) => (b.fetchedAt < a.fetchedAt ? b : a));
  const shown = provenance(oldest, now, options);
  if (distinct.length === 1) return shown;
  return {
    ...shown,
    stale: distinct.some((facts) => facts.stale),
    parts: distinct.map((facts) => provenance(facts, now, options)),
  };
}
