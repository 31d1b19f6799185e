/** In-memory replacement of the browser's storage. */
import type { KeyValueStore } from '../page/examples.ts';

/** `entries`: everything that was stored. */
export function createMemoryStore(): KeyValueStore & { readonly entries: Map<string, string> } {
  const entries = new Map<string, string>();
  return {
    entries,
    getItem: (name) => entries.get(name) ?? null,
    setItem: (name, value) => void entries.set(name, value),
    removeItem: (name) => void entries.delete(name),
  };
}
