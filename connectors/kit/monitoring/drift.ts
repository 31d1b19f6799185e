/** What a source offers, compared with what its connector was written for. */
import type { Drift } from '../connector.ts';

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

/** Names of all that JSON records hold, as paths without places in lists, such as `name.string`. */
export function pathsOf(records: readonly unknown[]): ReadonlySet<string> {
  const found = new Set<string>();
  const walk = (value: unknown, path: string): void => {
    if (Array.isArray(value)) for (const one of value as unknown[]) walk(one, path);
    else if (typeof value === 'object' && value !== null) {
      for (const [name, one] of Object.entries(value)) {
        if (one === null) continue;
        const at = path === '' ? name : `${path}.${name}`;
        found.add(at);
        walk(one, at);
      }
    }
  };
  walk(records, '');
  return found;
}

/** One sentence for people; null when nothing has drifted. */
export function driftSentence(all: readonly Drift[]): string | null {
  if (all.length === 0) return null;
  const told = all.slice(0, 5).map(({ what, fields }) => `${what} (concerns ${fields.join(', ')})`);
  const more = all.length > 5 ? ` and ${all.length - 5} more` : '';
  return `offers other than it was set up for: ${told.join('; ')}${more}`;
}
