/** In-memory replacement of the browser's storage. */
import type { BrowserStorage } from '../page/sign-out.ts';

/** `entries`: everything that was stored. */
export function createMemoryStore(): BrowserStorage & { readonly entries: Map<string, string> } {
  const entries = new Map<string, string>();
  return {
    entries,
    get length() {
      return entries.size;
    },
    key: (index) => [...entries.keys()][index] ?? null,
    getItem: (name) => entries.get(name) ?? null,
    setItem: (name, value) => void entries.set(name, value),
    removeItem: (name) => void entries.delete(name),
  };
}
