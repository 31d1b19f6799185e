/**
 * The readings of one installation: fresh ones are returned without a call, older ones while the source does not respond. Holds
 * values before masking; rights and masks are applied whenever one is used. The key is the operation with all arguments of the source
 * call.
 */
import type { Clock } from '../clock.ts';
import type { CacheAges } from '../config/sections/guard.ts';
import { ageOf, READ_AT } from '../provenance.ts';
import {
  type CachedReading,
  type CachePartition,
  type MemoryEntry,
  processReadCache,
  type ReadCacheMemory,
} from './read-cache-memory.ts';

/** The parts of an event that say what it concerns. Ids are global. */
export interface InvalidationEvent {
  readonly kind: string;
  readonly company?: string | null | undefined;
  readonly vehicle?: string | null | undefined;
  readonly door?: string | null | undefined;
  readonly badge?: string | null | undefined;
  readonly lot?: string | null | undefined;
  readonly meter?: string | null | undefined;
  readonly case?: string | null | undefined;
}

/** Where durable readings are stored. */
export interface ReadCacheStore {
  /** Resolves with null when there is none. */
  find(key: string): Promise<CachedReading | null>;
  /** `until`: when the reading is too old to be used. */
  save(readings: ReadonlyMap<string, CachedReading & { readonly until: Date }>): Promise<void>;
}

interface Entry extends CachedReading {
  readonly type: string;
  /** Global ids and codes that the reading is about; null: any event of its kinds concerns it. */
  readonly about: readonly string[] | null;
  fresh: boolean;
  readonly onEvicted: MemoryEntry['onEvicted'] & {};
}

export interface ReadCacheOptions {
  /** Cache ages by type; other types are not cached. */
  readonly ages: Readonly<Record<string, CacheAges>>;
  readonly clock: Clock;
  /** Absent: the memory of this process. */
  readonly memory?: ReadCacheMemory;
  /** Absent: nothing survives a restart. */
  readonly store?: ReadCacheStore;
  /** Milliseconds between two batches that are written to the store. */
  readonly saveDelay?: number;
  /** Called when the store cannot be read or written. */
  readonly onError?: (error: unknown) => void;
}

const SAVE_DELAY = 1_000;
const NOT_CACHED: CacheAges = { fresh: 0, usable: 0 };

export class ReadCache {
  readonly #options: ReadCacheOptions;
  readonly #entries: CachePartition<Entry>;
  /** Until when each reading that is not written yet can be used; by key. The readings are in the memory; evicted ones are not written. */
  readonly #unsaved = new Map<string, Date>();
  #timer: NodeJS.Timeout | undefined;
  #saving: Promise<void> = Promise.resolve();
  /** By type: incremented by each event and each write. A reading that started in an earlier epoch is not fresh. */
  readonly #epochs = new Map<string, number>();
  /** By type: the readings that may be fresh. */
  readonly #fresh = new Map<string, Map<string, Entry>>();

  /** Without it, evicted readings would stay reachable. */
  readonly #onEvicted = (memoryKey: string, entry: MemoryEntry): void => {
    const fresh = this.#fresh.get((entry as Entry).type);
    const key = this.#entries.ownKey(memoryKey);
    if (fresh?.get(key) === entry) fresh.delete(key);
  };

  constructor(options: ReadCacheOptions) {
    this.#options = options;
    this.#entries = (options.memory ?? processReadCache).partition();
  }

  /** The current epoch of the type. To be read before a reading starts, for `set`. */
  epoch(type: string): number {
    return this.#epochs.get(type) ?? 0;
  }

  /** The ages of a type; both 0 if it is not cached. */
  agesOf(type: string): CacheAges {
    return this.#options.ages[type] ?? NOT_CACHED;
  }

  /** A reading that can be returned without a call, or null. */
  getFresh(type: string, key: string): CachedReading | null {
    const { fresh } = this.agesOf(type);
    if (fresh === 0) return null;
    const entry = this.#entries.get(key);
    return entry?.fresh && this.#age(entry) < fresh ? entry : null;
  }

  /** The last reading that can be used while the source does not respond, from memory or from the store; null if there is none. */
  async getStale(type: string, key: string): Promise<CachedReading | null> {
    const { usable, durable } = this.agesOf(type);
    if (usable === 0) return null;
    let reading: CachedReading | null = this.#entries.get(key) ?? null;
    if (reading === null && durable && this.#options.store) {
      try {
        reading = this.#entries.unsaved.get(key) ?? this.#dated(await this.#options.store.find(key));
      } catch (error) {
        this.#options.onError?.(error);
      }
      // Another caller may have read a newer value during the wait.
      const newer = this.#entries.get(key);
      if (newer) reading = newer;
      else if (reading) {
        this.#entries.set(key, { ...reading, type, about: null, fresh: false, onEvicted: this.#onEvicted });
      }
    }
    return reading !== null && this.#age(reading) < usable ? reading : null;
  }

  /** Stores a reading that started in `epoch`. */
  set(type: string, key: string, reading: CachedReading, about: readonly string[] | null, epoch: number): void {
    const { fresh, usable, durable } = this.agesOf(type);
    if (fresh === 0 && usable === 0) return;
    const entry: Entry = {
      ...reading,
      type,
      about,
      fresh: fresh > 0 && epoch === this.epoch(type),
      onEvicted: this.#onEvicted,
    };
    this.#fresh.get(type)?.delete(key);
    this.#entries.set(key, entry);
    // An entry that is too large for the memory must not be referenced here either.
    if (entry.fresh && this.#entries.get(key) === entry) {
      const ofType = this.#fresh.get(type) ?? new Map<string, Entry>();
      this.#fresh.set(type, ofType.set(key, entry));
      for (const [oldKey, old] of ofType) {
        if (this.#age(old) < fresh) break;
        ofType.delete(oldKey);
      }
    }
    if (!durable || usable === 0 || !this.#options.store) return;
    this.#entries.unsaved.set(key, reading);
    this.#unsaved.set(key, new Date(reading.fetchedAt.getTime() + usable));
    this.#timer ??= setTimeout(() => void this.flush(), this.#options.saveDelay ?? SAVE_DELAY).unref();
  }

  /** Readings that these events concern are no longer fresh. Returns the types concerned. */
  invalidate(events: readonly InvalidationEvent[]): ReadonlySet<string> {
    const types = new Set<string>();
    for (const [type, { changedBy }] of Object.entries(this.#options.ages)) {
      const concerning = events.filter((event) => changedBy?.some((kind) => kind === event.kind));
      if (concerning.length === 0) continue;
      types.add(type);
      const ids = new Set(concerning.flatMap(idsOf));
      this.#expire(type, ({ about }) => about === null || about.some((id) => ids.has(id)));
    }
    return types;
  }

  /** No reading is fresh any more. To be called after a write to the source. */
  clearFresh(): void {
    for (const type of Object.keys(this.#options.ages)) this.#expire(type, () => true);
  }

  #expire(type: string, isConcerned: (entry: Entry) => boolean): void {
    this.#epochs.set(type, this.epoch(type) + 1);
    const { fresh } = this.agesOf(type);
    const ofType = this.#fresh.get(type);
    for (const [key, entry] of ofType ?? []) {
      const expires = isConcerned(entry);
      if (expires) entry.fresh = false;
      if (expires || this.#age(entry) >= fresh) ofType?.delete(key);
    }
  }

  /** Writes durable readings to the store, one batch at a time. Resolves when they are written, or the store has failed; never rejects. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#saving = this.#saving.then(() => this.#save());
    return this.#saving;
  }

  async #save(): Promise<void> {
    const { store, onError } = this.#options;
    const batch = new Map<string, CachedReading & { until: Date }>();
    for (const [key, until] of this.#unsaved) {
      const reading = this.#entries.unsaved.get(key);
      if (!reading) {
        this.#unsaved.delete(key);
        continue;
      }
      const { value, fetchedAt, recordedAt } = reading;
      batch.set(key, { value, fetchedAt, recordedAt, until });
    }
    if (!store || batch.size === 0) return;
    try {
      await store.save(batch);
    } catch (error) {
      onError?.(error);
      return;
    }
    for (const [key, { until }] of batch) {
      if (this.#unsaved.get(key) !== until) continue;
      this.#unsaved.delete(key);
      this.#entries.unsaved.delete(key);
    }
  }

  /** Removes all readings from memory. To be called after `flush`. */
  close(): void {
    clearTimeout(this.#timer);
    this.#entries.clear();
    this.#fresh.clear();
    this.#unsaved.clear();
  }

  #age(reading: CachedReading): number {
    return ageOf(reading, this.#options.clock);
  }

  /** Fixes the age of a stored reading: by the wall clock now, by the monotonic clock from now on. */
  #dated(reading: CachedReading | null): CachedReading | null {
    return reading && { ...reading, [READ_AT]: this.#options.clock.monotonic() - this.#age(reading) };
  }
}

const idsOf = (event: InvalidationEvent): string[] =>
  [event.company, event.vehicle, event.door, event.badge, event.lot, event.meter, event.case].filter(
    (id): id is string => typeof id === 'string',
  );
