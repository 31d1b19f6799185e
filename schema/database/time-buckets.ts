/** SQL expressions for buckets of time. Days, months and years are those of a time zone, the others have a fixed length. */

const WIDTHS: Readonly<Record<string, string>> = {
  QUARTER_HOUR: '15 minutes',
  HOUR: '1 hour',
  DAY: '1 day',
  MONTH: '1 month',
  YEAR: '1 year',
};
const CALENDAR_UNITS: Readonly<Record<string, string>> = { DAY: 'day', MONTH: 'month', YEAR: 'year' };

/** The expressions for a bucket. */
export interface TimeBuckets {
  /** Length, such as `15 minutes`. */
  readonly width: string;
  /** The start of the bucket that contains a time. */
  startOf(time: string): string;
  /** A relation `g` with a row for each bucket from `from` to `to`. */
  series(from: string, to: string): string;
  /** The start of a bucket of `series`. */
  readonly seriesStart: string;
}

/** @param zone the parameter with the time zone, such as `$5` */
export function timeBuckets(bucket: string, zone: string): TimeBuckets {
  const width = WIDTHS[bucket] ?? '1 hour';
  const unit = CALENDAR_UNITS[bucket];
  const startOf = (time: string) =>
    unit
      ? `date_trunc('${unit}', ${time}, ${zone})`
      : `date_bin('${width}', ${time}, timestamptz '2000-01-01 00:00:00+00')`;
  // Calendar buckets are generated in local time, in which days have equal length.
  const local = (time: string) => (unit ? `(${time} AT TIME ZONE ${zone})` : time);
  return {
    width,
    startOf,
    series: (from, to) =>
      `generate_series(${local(startOf(from))}, ${local(to)} - interval '1 microsecond', interval '${width}') AS g (at)`,
    seriesStart: local('g.at'),
  };
}
