/** A limit on concurrent tasks. */

/** Runs `work` when fewer tasks than the limit are running; settles with its result. */
export type ConcurrencyLimit = <T>(work: () => Promise<T>) => Promise<T>;

/** At most `maxConcurrent` tasks run at once; the others wait in order. */
export function limitConcurrency(maxConcurrent: number): ConcurrencyLimit {
  const waiting: (() => void)[] = [];
  let free = maxConcurrent;
  return async (work) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  };
}
