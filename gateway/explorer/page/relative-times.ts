/** Relative times in variables: `@now`, `@now-24h`, `@now-7d`. */

const PATTERN = /^@now(?:-(\d+)([hd]))?$/;
const UNIT = { h: 3_600_000, d: 86_400_000 } as const;

/** The variables with each relative time replaced by its instant; other values are unchanged. */
export function withTimes(variables: Readonly<Record<string, unknown>>, now: Date): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => {
      const found = typeof value === 'string' ? PATTERN.exec(value) : null;
      if (!found) return [name, value];
      const offset = found[1] ? Number(found[1]) * UNIT[found[2] as 'h' | 'd'] : 0;
      return [name, new Date(now.getTime() - offset).toISOString()];
    }),
  );
}
