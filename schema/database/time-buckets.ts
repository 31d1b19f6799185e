/** SQL expressions for buckets of time. Days, months and years are those of a time zone, the others have a fixed length. */

const WIDTHS: Readonly<Record<string, string>> = {
  QUARTER_HOUR: '15 minutes',
  HOUR: '1 hour',
  DAY: '1 day',
  MONTH: '1 month',
  YEAR: '1 year',
};
const CALENDAR_UNITS: Readonly<Record<string, 'day' | 'month' | 'year'>> = { DAY: 'day', MONTH: 'month', YEAR: 'year' };

/** SQL: the start of the whole hour (UTC) that contains a time. */
export const hourOf = (time: string): string => `date_bin('1 hour', ${time}, timestamptz '2000-01-01 00:00:00+00')`;

/** SQL: the start of the first whole hour at or after a time. */
export const nextHourOf = (time: string): string => hourOf(`${time} + interval '1 hour' - interval '1 microsecond'`);

/**
 * SQL: the first instant at which the clocks of a zone show this local time or a later one. PostgreSQL takes the second instant of an hour that
 * is repeated when daylight saving ends, which in some zones is the hour after midnight.
 */
const instantOf = (local: string, zone: string): string =>
  `(SELECT CASE WHEN (c.at - interval '1 hour') AT TIME ZONE ${zone} = c.local THEN c.at - interval '1 hour' ELSE c.at END
    FROM (SELECT ${local} AS local, (${local}) AT TIME ZONE ${zone} AS at) c)`;

/** SQL: the start of the calendar unit of a zone that contains a time. */
export const startOfUnit = (unit: 'day' | 'month' | 'year', time: string, zone: string): string =>
  instantOf(`date_trunc('${unit}', ${time} AT TIME ZONE ${zone})`, zone);

/** SQL: the first start of such a unit at or after a time. */
export const nextStartOfUnit = (unit: 'day' | 'month' | 'year', time: string, zone: string): string =>
  instantOf(
    `date_trunc('${unit}', (${time} - interval '1 microsecond') AT TIME ZONE ${zone}) + interval '1 ${unit}'`,
    zone,
  );

/**
 * SQL: the buckets that overlap a range, as a relation with their `start` and the `stop` after them. A day on which the clocks change has 23 or 25
 * hours.
 *
 * @param from parameter such as `$3`; also `to` and `zone`
 */
export function bucketsSql(bucket: string, from: string, to: string, zone: string): string {
  const width = `interval '${WIDTHS[bucket] ?? '1 hour'}'`;
  const unit = CALENDAR_UNITS[bucket];
  if (!unit) {
    const first = `date_bin(${width}, ${from}::timestamptz, timestamptz '2000-01-01 00:00:00+00')`;
    return `SELECT at AS start, at + ${width} AS stop FROM generate_series(${first}, ${to}::timestamptz - interval '1 microsecond', ${width}) AS g (at)`;
  }
  const local = (time: string) => `(${time}::timestamptz AT TIME ZONE ${zone})`;
  // A day that a zone has skipped begins when the next one does, and is none.
  return `SELECT start, stop FROM (
      SELECT start, lead(start) OVER (ORDER BY start) AS stop FROM (
        SELECT DISTINCT ${instantOf('g.at', zone)} AS start
        FROM generate_series(date_trunc('${unit}', ${local(from)}), ${local(to)} + 2 * ${width}, ${width}) AS g (at)) d
    ) b WHERE start < ${to} AND stop > ${from}`;
}
