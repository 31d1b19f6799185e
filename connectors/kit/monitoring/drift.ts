/** Drift: differences between what a source offers and what its connector expects. */
import type { Drift } from '../connector.ts';

/** Parts that a description of drift names before it counts the others. */
const MAX_NAMED = 5;

/**
 * The expected parts (columns, elements, registers) that the source does not offer. `expected`: graph fields by the part that they
 * depend on. `describe`: what is wrong with a missing part. Names are compared without regard to case, as databases do.
 */
export function findMissing(
  expected: Readonly<Record<string, readonly string[]>>,
  offered: Iterable<string>,
  describe: (part: string) => string,
): Drift[] {
  const present = new Set([...offered].map((part) => part.toLowerCase()));
  return Object.entries(expected).flatMap(([part, fields]) =>
    present.has(part.toLowerCase()) ? [] : [{ description: describe(part), fields }],
  );
}

/** Paths of all values in JSON records, without list indexes, such as `name.string`. Nulls are left out. */
export function jsonPaths(records: readonly unknown[]): ReadonlySet<string> {
  const paths = new Set<string>();
  const visit = (value: unknown, path: string): void => {
    if (Array.isArray(value)) for (const item of value as unknown[]) visit(item, path);
    else if (typeof value === 'object' && value !== null) {
      for (const [name, member] of Object.entries(value)) {
        if (member === null) continue;
        const memberPath = path === '' ? name : `${path}.${name}`;
        paths.add(memberPath);
        visit(member, memberPath);
      }
    }
  };
  visit(records, '');
  return paths;
}

/** The first five differences with the graph fields that they affect, and the number of the others; null without drift. */
export function describeDrift(drift: readonly Drift[]): string | null {
  if (drift.length === 0) return null;
  const named = drift
    .slice(0, MAX_NAMED)
    .map(({ description, fields }) => `${description} (affects ${fields.join(', ')})`);
  const more = drift.length > MAX_NAMED ? ` and ${drift.length - MAX_NAMED} more` : '';
  return `${named.join('; ')}${more}`;
}
