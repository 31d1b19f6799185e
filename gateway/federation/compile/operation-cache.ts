/** Compiled operations by text, limited in bytes. Texts used once do not evict texts that are used repeatedly. */
import { LRUCache } from 'lru-cache';

interface Sized {
  /** Approximate bytes. */
  readonly size: number;
}

/** What distinguishes operations that are compiled from the same text; see `Federation.compile`. */
export interface VariantKey {
  readonly operationName: string | undefined;
  readonly accessKey: string;
  readonly internal: boolean;
  readonly provenance: boolean;
}

/** The operations compiled from one text. */
interface Entry<T> {
  readonly variants: Map<string, { readonly key: VariantKey; readonly compiled: T }>;
  /** The latest one that was requested: mostly the next request is for it, and then no text is built for `variants`. */
  latest: { readonly key: VariantKey; readonly compiled: T } | null;
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

  get(text: string, key: VariantKey): T | undefined {
    const reused = this.#reused.get(text);
    if (reused) return findVariant(reused, key);
    const entry = this.#seenOnce.get(text);
    if (!entry) return undefined;
    // The second use.
    this.#seenOnce.delete(text);
    this.#reused.set(text, entry);
    return findVariant(entry, key);
  }

  set(text: string, key: VariantKey, compiled: T): void {
    const existing = this.#reused.get(text) ?? this.#seenOnce.get(text);
    const cache = existing && this.#reused.has(text) ? this.#reused : this.#seenOnce;
    const entry: Entry<T> = existing ?? { variants: new Map(), latest: null, bytes: text.length };
    entry.bytes += compiled.size;
    entry.latest = { key, compiled };
    entry.variants.set(textOf(key), entry.latest);
    cache.delete(text);
    cache.set(text, entry);
  }

  /** Text and variant of all operations: first those used once, last the most recently used. */
  entries(): [string, VariantKey][] {
    const entriesOf = (cache: LRUCache<string, Entry<T>>): [string, VariantKey][] =>
      [...(cache.rentries() as Iterable<[string, Entry<T>]>)].flatMap(([text, entry]) =>
        [...entry.variants.values()].map(({ key }): [string, VariantKey] => [text, key]),
      );
    return [...entriesOf(this.#seenOnce), ...entriesOf(this.#reused)];
  }
}

const textOf = ({ internal, provenance, accessKey, operationName }: VariantKey): string =>
  `${internal ? 'i' : 'o'}${provenance ? 'p' : ''}\0${accessKey}\0${operationName ?? ''}`;

function findVariant<T>(entry: Entry<T>, key: VariantKey): T | undefined {
  const { latest } = entry;
  if (latest && isSame(latest.key, key)) return latest.compiled;
  const found = entry.variants.get(textOf(key));
  if (found) entry.latest = found;
  return found?.compiled;
}

const isSame = (a: VariantKey, b: VariantKey): boolean =>
  a.accessKey === b.accessKey &&
  (a.operationName || undefined) === (b.operationName || undefined) &&
  a.internal === b.internal &&
  a.provenance === b.provenance;
