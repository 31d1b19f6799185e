/** Batches the reads of one request. */
import DataLoader from 'dataloader';
import { PartialCacheError } from './guard/guard-types.ts';

/**
 * A loader for one request: keys that are loaded within one tick become one batch of at most `maxBatch` (default 500). `fetch` receives
 * distinct keys and resolves with a map; a key that is not in it is null. If `fetch` rejects, every key rejects, except those that a
 * `PartialCacheError` holds.
 */
export function loader<V>(
  fetch: (keys: readonly string[]) => Promise<ReadonlyMap<string, V>>,
  options: { maxBatch?: number } = {},
): {
  load(key: string): Promise<V | null>;
  loadMany(keys: readonly string[]): Promise<(V | null)[]>;
  /** Sets the value of a key that was read elsewhere; a key that was loaded before keeps its value. */
  prime(key: string, value: V): void;
} {
  const inner = new DataLoader<string, V | null>(
    async (keys) => {
      try {
        const found = await fetch(keys);
        return keys.map((key) => found.get(key) ?? null);
      } catch (error) {
        if (!(error instanceof PartialCacheError)) throw error;
        return keys.map((key) => (error.cached.get(key) as V | undefined) ?? error);
      }
    },
    { maxBatchSize: options.maxBatch ?? 500 },
  );
  return {
    load: (key) => inner.load(key),
    loadMany: (keys) => Promise.all(keys.map((key) => inner.load(key))),
    prime: (key, value) => void inner.prime(key, value),
  };
}

/** One loader per set of arguments: `memoizeByArguments((args) => loader(...))`. The key is the JSON text of the arguments. */
export function memoizeByArguments<A, L>(create: (args: A) => L): (args: A) => L {
  const loaders = new Map<string, L>();
  return (args) => {
    const key = JSON.stringify(args ?? null);
    let created = loaders.get(key);
    if (created === undefined) {
      created = create(args);
      loaders.set(key, created);
    }
    return created;
  };
}
