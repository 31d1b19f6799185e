import DataLoader from 'dataloader';
import { PartlyKept } from './guard/guard.ts';

/**
 * A loader for one request: what is asked within one tick becomes one batch. `fetch` gets distinct keys and answers
 * a map; a key that is missing there is null. A rejection of the batch is the rejection of each of its keys.
 */
export function loader<V>(
  fetch: (keys: readonly string[]) => Promise<ReadonlyMap<string, V>>,
  options: { maxBatch?: number } = {},
): { load(key: string): Promise<V | null>; loadMany(keys: readonly string[]): Promise<(V | null)[]> } {
  const inner = new DataLoader<string, V | null>(
    async (keys) => {
      try {
        const found = await fetch(keys);
        return keys.map((key) => found.get(key) ?? null);
      } catch (error) {
        // The dark source has left us some of the keys.
        if (!(error instanceof PartlyKept)) throw error;
        return keys.map((key) => (error.kept.get(key) as V | undefined) ?? error);
      }
    },
    { maxBatchSize: options.maxBatch ?? 500 },
  );
  return {
    load: (key) => inner.load(key),
    loadMany: (keys) => Promise.all(keys.map((key) => inner.load(key))),
  };
}

/** One loader per set of arguments: `byArguments(args => loader(...))`, keyed by the arguments' JSON text. */
export function byArguments<A, L>(make: (args: A) => L): (args: A) => L {
  const made = new Map<string, L>();
  return (args) => {
    const key = JSON.stringify(args ?? null);
    let one = made.get(key);
    if (one === undefined) {
      one = make(args);
      made.set(key, one);
    }
    return one;
  };
}
