/** Decides which of several values of one meter and time is valid. Pure functions. */
import type { MeterReadingRow } from '../entities/energy.ts';

/** A valid value in the database, or a received one. */
export type StoredReading = Readonly<Omit<MeterReadingRow, 'correctedAt'>>;

/** A received value. */
export type ReadingVersion = Omit<StoredReading, 'receivedAt' | 'origin'>;

/** The changes to store. */
export interface CorrectionResult {
  /** For the history: replaced values, and values with a lower revision than the valid one. */
  readonly superseded: readonly StoredReading[];
  readonly replaced: readonly { readonly before: StoredReading; readonly now: StoredReading }[];
}

const readingKey = (reading: ReadingVersion): string => `${reading.meter} ${reading.time.toISOString()}`;
const versionKey = (reading: ReadingVersion): string => `${reading.value} ${reading.quality} ${reading.revision}`;

/** A decimal without leading and trailing zeros: 007.50 and 7.5 are equal. */
export function canonicalDecimal(value: string): string {
  const whole = value.replace(/^0+(?=\d)/, '');
  return whole.includes('.') ? whole.replace(/0+$/, '').replace(/\.$/, '') : whole;
}

/**
 * Applies values in the order of receipt. A higher revision wins over a lower one. Within a revision, the last received value is valid; a
 * value received before with that revision is a repetition and changes nothing, so that a broker that resends old values does not undo
 * corrections.
 */
export function resolveCorrections(
  standing: readonly StoredReading[],
  history: readonly ReadingVersion[],
  given: readonly StoredReading[],
): CorrectionResult {
  const now = new Map(standing.map((reading) => [readingKey(reading), reading]));
  const seen = new Map<string, Set<string>>();
  for (const reading of [...history, ...standing]) {
    const key = readingKey(reading);
    seen.set(key, (seen.get(key) ?? new Set()).add(versionKey(reading)));
  }
  const superseded: StoredReading[] = [];
  for (const raw of given) {
    const reading = { ...raw, value: canonicalDecimal(raw.value) };
    const key = readingKey(reading);
    const stored = now.get(key);
    if (stored === undefined || seen.get(key)?.has(versionKey(reading))) continue;
    seen.get(key)?.add(versionKey(reading));
    if (reading.revision < stored.revision) {
      superseded.push(reading);
      continue;
    }
    const same = stored.value === reading.value && stored.quality === reading.quality;
    // The same value with a higher revision: only the revision changes.
    if (!same) superseded.push(stored);
    now.set(key, same ? { ...stored, revision: reading.revision } : reading);
  }
  const replaced = standing.flatMap((before) => {
    const after = now.get(readingKey(before));
    return after === undefined || after === before ? [] : [{ before, now: after }];
  });
  return { superseded, replaced };
}
