/** So many at once: the rest waits in order. */

export type Limited = <T>(work: () => Promise<T>) => Promise<T>;

/** Answers a function that runs at most `most` pieces of work at a time, first come, first served. */
export function limited(most: number): Limited {
  const waiting: (() => void)[] = [];
  let free = most;
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
