/** Times in variables that move with the clock: `@now`, `@now-24h`, `@now-7d`. */

const FORM = /^@now(?:-(\d+)([hd]))?$/;
const UNIT = { h: 3_600_000, d: 86_400_000 } as const;

/** The variables with each such text replaced by its instant; everything else as it is. */
export function withTimes(variables: Readonly<Record<string, unknown>>, now: Date): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => {
      const found = typeof value === 'string' ? FORM.exec(value) : null;
      if (!found) return [name, value];
      const back = found[1] ? Number(found[1]) * UNIT[found[2] as 'h' | 'd'] : 0;
      return [name, new Date(now.getTime() - back).toISOString()];
    }),
  );
}
