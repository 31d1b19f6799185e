/** Days, periods and Beijing time as text. */

/** Whether the text is an existing day such as `2026-03-01`. */
export function isDay(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const day = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
}

const PERIOD = /^(\d{4})(?:-(?:Q([1-4])|(0[1-9]|1[0-2])))?$/;

/** First and last day of a period (`2026`, `2026-Q1`, `2026-03`); null if it is not a period. */
export function daysOfPeriod(period: string): { from: string; to: string } | null {
  const [, year, quarter, month] = PERIOD.exec(period) ?? [];
  if (year === undefined) return null;
  const first = month ? Number(month) - 1 : quarter ? (Number(quarter) - 1) * 3 : 0;
  const months = month ? 1 : quarter ? 3 : 12;
  const day = (at: number) => new Date(at).toISOString().slice(0, 10);
  return { from: day(Date.UTC(Number(year), first, 1)), to: day(Date.UTC(Number(year), first + months, 0)) };
}

/** Parses Beijing time, which the office writes without a zone; null if invalid. */
export function parseBeijingTime(day: string, time: string): Date | null {
  const at = isDay(day) && /^\d{2}:\d{2}:\d{2}$/.test(time) ? new Date(`${day}T${time}+08:00`) : null;
  return at && !Number.isNaN(at.getTime()) ? at : null;
}

/** Formats a time as Beijing time: `2026-03-01 08:00:00`. */
export const formatBeijingTime = (at: Date): string =>
  new Date(at.getTime() + 8 * 3_600_000).toISOString().slice(0, 19).replace('T', ' ');
