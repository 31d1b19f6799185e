/** What a source offers, compared with what its connector was written for. */
import type { Drift } from './connector.ts';

/**
 * The parts (columns, elements, registers) that are expected and not offered, each with the graph fields that live on it. Names are
 * compared without regard to case, as databases do.
 */
export function missing(
  expected: Readonly<Record<string, readonly string[]>>,
  offered: Iterable<string>,
  say: (part: string) => string,
): Drift[] {
  const there = new Set([...offered].map((one) => one.toLowerCase()));
  return Object.entries(expected).flatMap(([part, fields]) =>
    there.has(part.toLowerCase()) ? [] : [{ what: say(part), fields }],
  );
}

/** One sentence for people; null when nothing has drifted. */
export function driftSentence(all: readonly Drift[]): string | null {
  if (all.length === 0) return null;
  const told = all.slice(0, 5).map(({ what, fields }) => `${what} (concerns ${fields.join(', ')})`);
  const more = all.length > 5 ? ` and ${all.length - 5} more` : '';
  return `offers other than it was set up for: ${told.join('; ')}${more}`;
}
