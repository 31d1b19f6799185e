/** Compiled operations by text, limited in bytes. Texts used once do not evict texts that are used repeatedly. */
import { LRUCache } from 'lru-cache';

interface Sized {
  /** Approximate bytes. */
  readonly size: number;
}

/** The operations compiled from one text. */
interface Entry<T> {
  readonly variants: Map<string, T>;
  bytes: number;
}

/** Share of the cache for texts that were used once. */
const SEEN_ONCE_SHARE = 1 / 4;

export class OperationCache<T extends Sized> {
  readonly #seenOnce: LRUCache<string, Entry<T>>;
  readonly #reused: LRUCache<string, Entry<T>>;

  constructor(bytes: number) {
    const sizeCalculation = (entry: Entry<T>): number => entry.bytes;
    this.#seenOnce = new LRUCache({ maxSize: Math.max(1, Math.floor(bytes * SEEN_ONCE_SHARE)), sizeCalculation });
    this.#reused = new LRUCache({ maxSize: Math.max(1, Math.floor(bytes * (1 - SEEN_ONCE_SHARE))), sizeCalculation });
  }

  /** `variantKey` distinguishes operations compiled from the same text. */
  get(text: string, variantKey: string): T | undefined {
    const reused = this.#reused.get(text);
    if (reused) return reused.variants.get(variantKey);
    const entry = this.#seenOnce.get(text);
    if (!entry) return undefined;
    // The second use.
    this.#seenOnce.delete(text);
    this.#reused.set(text, entry);
    return entry.variants.get(variantKey);
  }

  set(text: string, variantKey: string, compiled: T): void {
    const existing = this.#reused.get(text) ?? this.#seenOnce.get(text);
    const cache = existing && this.#reused.has(text) ? this.#reused : this.#seenOnce;
    const entry: Entry<T> = existing ?? { variants: new Map(), bytes: text.length };
    entry.bytes += compiled.size;
    entry.variants.set(variantKey, compiled);
    cache.delete(text);
    cache.set(text, entry);
  }

  /** Text and variant key of all operations: first those used once, last the most recently used. */
  entries(): [string, string][] {
    const entriesOf = (cache: LRUCache<string, Entry<T>>): [string, string][] =>
      [...(cache.rentries() as Iterable<[string, Entry<T>]>)].flatMap(([text, entry]) =>
        [...entry.variants.keys()].map((variantKey): [string, string] => [text, variantKey]),
      );
    return [...entriesOf(this.#seenOnce), ...entriesOf(this.#reused)];
  }
}
