/** A browser's storage, for tests. */
import type { Store } from './page/examples.ts';

/** Holds what a page stores; `held` is all of it. */
export function memoryStore(): Store & { readonly held: Map<string, string> } {
  const held = new Map<string, string>();
  return {
    held,
    getItem: (name) => held.get(name) ?? null,
    setItem: (name, value) => void held.set(name, value),
    removeItem: (name) => void held.delete(name),
  };
}
