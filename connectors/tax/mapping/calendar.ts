/** Days and periods as texts. */

export function isDay(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const day = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
}

const PERIOD = /^(\d{4})(?:-(?:Q([1-4])|(0[1-9]|1[0-2])))?$/;

/** First and last day of `2026`, `2026-Q1` or `2026-03`; null for anything else. */
export function daysOf(period: string): { from: string; to: string } | null {
  const [, year, quarter, month] = PERIOD.exec(period) ?? [];
  if (year === undefined) return null;
  const first = month ? Number(month) - 1 : quarter ? (Number(quarter) - 1) * 3 : 0;
  const months = month ? 1 : quarter ? 3 : 12;
  const day = (at: number) => new Date(at).toISOString().slice(0, 10);
  return { from: day(Date.UTC(Number(year), first, 1)), to: day(Date.UTC(Number(year), first + months, 0)) };
}

/** Beijing time, which the office writes without a zone, to an instant; null when it is none. */
export function beijing(day: string, time: string): Date | null {
  const at = isDay(day) && /^\d{2}:\d{2}:\d{2}$/.test(time) ? new Date(`${day}T${time}+08:00`) : null;
  return at && !Number.isNaN(at.getTime()) ? at : null;
}

/** An instant as Beijing time: `2026-03-01 08:00:00`. */
export const inBeijing = (at: Date): string =>
  new Date(at.getTime() + 8 * 3_600_000).toISOString().slice(0, 19).replace('T', ' ');
