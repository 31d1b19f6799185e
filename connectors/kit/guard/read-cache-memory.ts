/**
 * The memory of the read cache: one for all sources of this process, limited in bytes. The least recently used readings are evicted,
 * whichever source they belong to; the database table `kept` still has the durable ones.
 */
import { LRUCache } from 'lru-cache';
import { DEFAULT_LIMITS } from '../config/sections/limits.ts';
import type { READ_AT } from '../provenance.ts';

/** One reading of a source. */
export interface CachedReading {
  readonly value: unknown;
  readonly fetchedAt: Date;
  readonly recordedAt: Date | null;
  /** Absent: another process read it, or this one before a restart. */
  readonly [READ_AT]?: number;
}

export interface MemoryEntry extends CachedReading {
  /** Called when the entry is evicted; not when it is replaced or removed. */
  readonly onEvicted?: (memoryKey: string, entry: MemoryEntry) => void;
}

/** Readings that wait to be written to the database use at most 1/4 of the memory. */
const UNSAVED_PART = 4;
/** One reading uses at most 1/8 of it. */
const LARGEST_PART = 8;
/** Bytes of an entry besides its key and value. */
const ENTRY_OVERHEAD = 200;

export class ReadCacheMemory {
  #entries!: LRUCache<string, MemoryEntry>;
  #unsaved!: LRUCache<string, CachedReading>;
  #maxBytes = 0;
  #evictions = 0;
  #partitions = 0;

  constructor(maxBytes: number) {
    this.setMaxBytes(maxBytes);
  }

  /** Sets the limit. To be called before anything is cached: a new limit empties the memory. */
  setMaxBytes(maxBytes: number): void {
    if (maxBytes === this.#maxBytes) return;
    this.#maxBytes = maxBytes;
    const unsavedBytes = Math.max(Math.floor(maxBytes / UNSAVED_PART), 1);
    const entryBytes = Math.max(maxBytes - unsavedBytes, 1);
    const maxEntrySize = Math.max(Math.floor(entryBytes / LARGEST_PART), 1);
    this.#entries = new LRUCache<string, MemoryEntry>({
      maxSize: entryBytes,
      maxEntrySize,
      sizeCalculation: sizeOf,
      dispose: (entry, memoryKey, reason) => {
        if (reason !== 'evict') return;
        this.#evictions++;
        entry.onEvicted?.(memoryKey, entry);
      },
    });
    this.#unsaved = new LRUCache<string, CachedReading>({
      maxSize: unsavedBytes,
      maxEntrySize,
      sizeCalculation: sizeOf,
      dispose: (_reading, _memoryKey, reason) => {
        if (reason === 'evict') this.#evictions++;
      },
    });
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** Bytes in use, estimated. */
  get usedBytes(): number {
    return this.#entries.calculatedSize + this.#unsaved.calculatedSize;
  }

  /** Readings evicted since the process started. */
  get evictions(): number {
    return this.#evictions;
  }

  /** A part of the memory for one source, with keys of its own. */
  partition<T extends MemoryEntry>(): CachePartition<T> {
    const prefix = `${++this.#partitions}\0`;
    const memoryKey = (key: string) => prefix + key;
    return {
      get: (key) => this.#entries.get(memoryKey(key)) as T | undefined,
      set: (key, entry) => void this.#entries.set(memoryKey(key), entry),
      ownKey: (key) => key.slice(prefix.length),
      unsaved: {
        get: (key) => this.#unsaved.get(memoryKey(key)),
        set: (key, reading) => void this.#unsaved.set(memoryKey(key), reading),
        delete: (key) => void this.#unsaved.delete(memoryKey(key)),
      },
      clear: () => {
        for (const cache of [this.#entries, this.#unsaved] as LRUCache<string, CachedReading>[])
          for (const key of [...cache.keys()]) if (key.startsWith(prefix)) cache.delete(key);
      },
    };
  }
}

/** The part of the memory that one source uses. */
export interface CachePartition<T extends MemoryEntry> {
  get(key: string): T | undefined;
  set(key: string, entry: T): void;
  /** The source's own key for the `memoryKey` that `onEvicted` receives. */
  ownKey(memoryKey: string): string;
  /** Readings that are not written to the database yet. */
  readonly unsaved: {
    get(key: string): CachedReading | undefined;
    set(key: string, reading: CachedReading): void;
    delete(key: string): void;
  };
  /** Removes everything of this source. */
  clear(): void;
}

/** The memory of this process. */
export const processReadCache = new ReadCacheMemory(DEFAULT_LIMITS.readCache);

function sizeOf(reading: CachedReading, key: string): number {
  return ENTRY_OVERHEAD + 2 * key.length + bytesOf(reading.value, 1);
}

/** Estimated bytes of a value in memory. */
function bytesOf(value: unknown, minimum: number): number {
  if (typeof value === 'string') return 24 + 2 * value.length;
  if (typeof value !== 'object' || value === null) return 8 + minimum;
  let sum = 48;
  if (value instanceof Map) for (const [key, item] of value) sum += bytesOf(key, 0) + bytesOf(item, 0);
  else if (Array.isArray(value)) for (const item of value) sum += bytesOf(item, 0);
  else if (!(value instanceof Date)) for (const key in value) sum += 16 + bytesOf((value as never)[key], 0);
  return sum;
}
