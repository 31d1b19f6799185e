/**
 * The memory for what was last read, one for all sources of this process: whatever has not been asked for longest makes room, whichever
 * source it is of. What was put out is not known in memory any more; the table `kept` still has what is durable.
 */
import { LRUCache } from 'lru-cache';
import { DEFAULT_LIMITS } from '../config/sections/limits.ts';
import type { KeptValue } from './read-cache.ts';

/** What lies in the cache. */
export interface CachedEntry extends KeptValue {
  /** Told when it was put out to make room. */
  readonly evicted?: (key: string, one: CachedEntry) => void;
}

/** What still has to be written to the database may take this part of the whole. */
const UNSAVED = 4;
/** No single reading takes more than this part of it. */
const LARGEST = 8;
/** Of an entry besides its key and value, in bytes. */
const ENTRY = 200;

export class ReadCache {
  #entries!: LRUCache<string, CachedEntry>;
  #unsaved!: LRUCache<string, KeptValue>;
  #most = 0;
  #evictions = 0;
  #spaces = 0;

  constructor(most: number) {
    this.limit(most);
  }

  /** Bytes at most, of all together; to be said before anything is kept: it begins empty. */
  limit(most: number): void {
    if (most === this.#most) return;
    this.#most = most;
    const unsaved = Math.max(Math.floor(most / UNSAVED), 1);
    const entries = Math.max(most - unsaved, 1);
    const lost = () => void this.#evictions++;
    this.#entries = new LRUCache<string, CachedEntry>({
      maxSize: entries,
      maxEntrySize: Math.max(Math.floor(entries / LARGEST), 1),
      sizeCalculation: sizeOf,
      dispose: (one, key, reason) => {
        if (reason !== 'evict') return;
        lost();
        one.evicted?.(key, one);
      },
    });
    this.#unsaved = new LRUCache<string, KeptValue>({
      maxSize: unsaved,
      maxEntrySize: Math.max(Math.floor(entries / LARGEST), 1),
      sizeCalculation: sizeOf,
      dispose: (_one, _key, reason) => {
        if (reason === 'evict') lost();
      },
    });
  }

  get most(): number {
    return this.#most;
  }

  /** Bytes that are held, roughly. */
  get held(): number {
    return this.#entries.calculatedSize + this.#unsaved.calculatedSize;
  }

  /** Readings that were put out to make room. */
  get evictions(): number {
    return this.#evictions;
  }

  /** A part of it for one source, with keys of its own. */
  space<T extends CachedEntry>(): CacheSpace<T> {
    const prefix = `${++this.#spaces}\0`;
    const own = (key: string) => prefix + key;
    return {
      get: (key) => this.#entries.get(own(key)) as T | undefined,
      set: (key, one) => void this.#entries.set(own(key), one),
      keyOf: (whole) => whole.slice(prefix.length),
      unsaved: {
        get: (key) => this.#unsaved.get(own(key)),
        set: (key, one) => void this.#unsaved.set(own(key), one),
        delete: (key) => void this.#unsaved.delete(own(key)),
      },
      clear: () => {
        for (const all of [this.#entries, this.#unsaved] as LRUCache<string, KeptValue>[])
          for (const key of [...all.keys()]) if (key.startsWith(prefix)) all.delete(key);
      },
    };
  }
}

/** One source's part of the cache. */
export interface CacheSpace<T extends CachedEntry> {
  get(key: string): T | undefined;
  set(key: string, one: T): void;
  /** The source's own key, from the one that `evicted` is told. */
  keyOf(whole: string): string;
  /** What still has to be written to the database. */
  readonly unsaved: {
    get(key: string): KeptValue | undefined;
    set(key: string, one: KeptValue): void;
    delete(key: string): void;
  };
  /** Forgets all of it. */
  clear(): void;
}

/** The cache of this process. */
export const readCache = new ReadCache(DEFAULT_LIMITS.readCache);

function sizeOf(one: KeptValue, key: string): number {
  return ENTRY + 2 * key.length + bytesOf(one.value, 1);
}

/** Roughly what a value takes in memory. */
function bytesOf(value: unknown, least: number): number {
  if (typeof value === 'string') return 24 + 2 * value.length;
  if (typeof value !== 'object' || value === null) return 8 + least;
  let sum = 48;
  if (value instanceof Map) for (const [key, one] of value) sum += bytesOf(key, 0) + bytesOf(one, 0);
  else if (Array.isArray(value)) for (const one of value) sum += bytesOf(one, 0);
  else if (!(value instanceof Date)) for (const key in value) sum += 16 + bytesOf((value as never)[key], 0);
  return sum;
}
