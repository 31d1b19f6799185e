/** Which of several values of one meter and time stands. Pure. */

/** One value as it was said. */
export interface Given {
  readonly meter: string;
  readonly time: Date;
  readonly value: string;
  readonly quality: string;
  /** Number that the payload gives to a correction; 0 where it gives none. */
  readonly revision: number;
}

export interface Standing extends Given {
  /** Null: not known, it came before this was noted. */
  readonly receivedAt: Date | null;
  readonly origin: string | null;
}

export interface Judged {
  /** For the history: values that stood, and values that came behind a higher revision. */
  readonly superseded: readonly Standing[];
  readonly replaced: readonly { readonly before: Standing; readonly now: Standing }[];
}

const keyOf = (one: Given): string => `${one.meter} ${one.time.toISOString()}`;
const saidOf = (one: Given): string => `${one.value} ${one.quality} ${one.revision}`;

/** 007.50 and 7.5 are the same value. */
export function canonical(value: string): string {
  const whole = value.replace(/^0+(?=\d)/, '');
  return whole.includes('.') ? whole.replace(/0+$/, '').replace(/\.$/, '') : whole;
}

/**
 * Judges values in the order in which they came. A higher revision wins over a lower one, whenever it comes. Of the same revision, the one
 * received last stands; what was said before with that revision is a repeat, and changes nothing: a broker or gateway that sends an old
 * value again does not undo its correction.
 */
export function judge(standing: readonly Standing[], history: readonly Given[], given: readonly Standing[]): Judged {
  const now = new Map(standing.map((one) => [keyOf(one), one]));
  const said = new Map<string, Set<string>>();
  for (const one of [...history, ...standing]) {
    const key = keyOf(one);
    said.set(key, (said.get(key) ?? new Set()).add(saidOf(one)));
  }
  const superseded: Standing[] = [];
  for (const raw of given) {
    const one = { ...raw, value: canonical(raw.value) };
    const key = keyOf(one);
    const stands = now.get(key);
    if (stands === undefined || said.get(key)?.has(saidOf(one))) continue;
    said.get(key)?.add(saidOf(one));
    if (one.revision < stands.revision) {
      superseded.push(one);
      continue;
    }
    const same = stands.value === one.value && stands.quality === one.quality;
    // The same value under a higher revision: only the number is new.
    if (!same) superseded.push(stands);
    now.set(key, same ? { ...stands, revision: one.revision } : one);
  }
  const replaced = standing.flatMap((before) => {
    const after = now.get(keyOf(before));
    return after === undefined || after === before ? [] : [{ before, now: after }];
  });
  return { superseded, replaced };
}
