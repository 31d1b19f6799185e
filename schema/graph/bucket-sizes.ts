/** Lengths of the time buckets of a series, and their number in a range. */

/** Minutes of a bucket, by the values of the enum `BucketSize`. A month has 30 days, a year 365. */
export const BUCKET_MINUTES: Readonly<Record<string, number>> = {
  QUARTER_HOUR: 15,
  HOUR: 60,
  DAY: 1_440,
  MONTH: 43_200,
  YEAR: 525_600,
};

/** Buckets from `from` to `to`, the first and last in part. An unknown size counts as the shortest. */
export function bucketCount(from: Date, to: Date, bucket: string): number {
  const minutes = (to.getTime() - from.getTime()) / 60_000;
  return Math.max(Math.ceil(minutes / (BUCKET_MINUTES[bucket] ?? 15)), 0);
}

const PERIOD = /^(\d{4})(?:-(?:Q([1-4])|(0[1-9]|1[0-2])))?$/;

/** Periods from `from` to `to`, both inclusive, such as 2026-10, 2026-Q4 or 2026; null if they are not two periods of one length. */
export function periodCount(from: string, to: string): number | null {
  const [first, last] = [PERIOD.exec(from), PERIOD.exec(to)];
  if (!first || !last || from.length !== to.length) return null;
  const steps = first[2] ? 4 : first[3] ? 12 : 1;
  if ((last[2] ? 4 : last[3] ? 12 : 1) !== steps) return null;
  const index = (match: RegExpExecArray) => Number(match[1]) * steps + Number(match[2] ?? match[3] ?? 0);
  return Math.max(index(last) - index(first) + 1, 0);
}
