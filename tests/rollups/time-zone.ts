/** Starts of days, months and years in a time zone, computed without the database. */

const formats = new Map<string, Intl.DateTimeFormat>();

/** Milliseconds by which the clocks of a zone are ahead of UTC at an instant. */
function offsetAt(instant: number, zone: string): number {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en', {
      ...{ timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric' },
      ...{ hour: 'numeric', minute: 'numeric', second: 'numeric' },
    });
    formats.set(zone, format);
  }
  const part = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(instant / 1000) * 1000;
}

/** The first instant at which the clocks show this local time or a later one. */
function instantOf(local: number, zone: string): number {
  // The offset is that of one of the days around; the earlier instant is the right one.
  const found = [local - 86_400_000, local, local + 86_400_000]
    .map((near) => local - offsetAt(near, zone))
    .sort((a, b) => a - b);
  for (const instant of found) if (instant + offsetAt(instant, zone) === local) return instant;
  // Skipped: the instant at which the clocks were put forward, found by bisection.
  let [low, high] = [local - 2 * 86_400_000, local + 2 * 86_400_000];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (middle + offsetAt(middle, zone) >= local) high = middle;
    else low = middle;
  }
  return high;
}

const UNITS: Readonly<Record<string, (year: number, month: number, day: number, n: number) => number>> = {
  DAY: (year, month, day, n) => Date.UTC(year, month, day + n),
  MONTH: (year, month, _day, n) => Date.UTC(year, month + n, 1),
  YEAR: (year, _month, _day, n) => Date.UTC(year + n, 0, 1),
};
const WIDTHS: Readonly<Record<string, number>> = { QUARTER_HOUR: 900_000, HOUR: 3_600_000 };

/** The buckets that overlap a range: start and the start of the next. */
export function bucketsOf(bucket: string, from: number, to: number, zone: string): { start: number; stop: number }[] {
  const found: { start: number; stop: number }[] = [];
  const width = WIDTHS[bucket];
  if (width) {
    for (let start = Math.floor(from / width) * width; start < to; start += width)
      found.push({ start, stop: start + width });
    return found;
  }
  const local = new Date(from + offsetAt(from, zone));
  const at = (n: number) =>
    instantOf(
      (UNITS[bucket] as (typeof UNITS)[string])(local.getUTCFullYear(), local.getUTCMonth(), local.getUTCDate(), n),
      zone,
    );
  for (let n = -1; at(n) < to; n++)
    if (at(n + 1) > from && at(n) < at(n + 1)) found.push({ start: at(n), stop: at(n + 1) });
  return found;
}
