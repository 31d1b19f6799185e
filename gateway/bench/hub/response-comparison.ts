/** Compares two responses structurally, before anything is measured: candidates that answer differently are not comparable. */

/** Fields whose values differ between two equal reads. */
const AGES: ReadonlySet<string> = new Set(['age', 'fetchedAt']);

/** The paths at which two JSON values differ; of ages only their types are compared. Empty: equal. */
export function differences(left: unknown, right: unknown, path = ''): string[] {
  if (Array.isArray(left) && Array.isArray(right)) {
    if (left.length !== right.length) return [`${path}: ${left.length} and ${right.length} items`];
    return left.flatMap((value, i) => differences(value, right[i], `${path}[${i}]`));
  }
  if (isObject(left) && isObject(right)) {
    const names = [...new Set([...Object.keys(left), ...Object.keys(right)])];
    return names.flatMap((name) => {
      const at = path === '' ? name : `${path}.${name}`;
      if (!(name in left) || !(name in right)) return [`${at}: only in the ${name in left ? 'first' : 'second'}`];
      if (AGES.has(name) && typeof left[name] === typeof right[name]) return [];
      return differences(left[name], right[name], at);
    });
  }
  return Object.is(left, right) ? [] : [`${path}: ${JSON.stringify(left)} and ${JSON.stringify(right)}`];
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Attempts to see both candidates at the same state of the sources, which change all the time. */
const ATTEMPTS = 10;

/**
 * Asks both until they give equal responses. Resolves with the differences of the last attempt: empty if they are equal. `pause`
 * resolves before each further attempt.
 */
export async function compareResponses(
  ask: { first(): Promise<unknown>; second(): Promise<unknown> },
  pause: () => Promise<unknown>,
): Promise<string[]> {
  let found: string[] = [];
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (attempt > 0) await pause();
    const [first, second] = await Promise.all([ask.first(), ask.second()]);
    found = differences(first, second);
    if (found.length === 0) return [];
  }
  return found;
}
