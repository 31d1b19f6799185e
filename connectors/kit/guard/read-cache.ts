/**
 * What one installation has been read last: the short fresh cache and the last known good in one. It lies below the graph,
 * unmasked; rights and masks are applied at every reading of it. Keyed by operation and all arguments of the source call.
 */
import type { Clock, EventKind } from '../connector.ts';
import { ageOf, READ_AT } from '../provenance.ts';
import { type CachedEntry, type CacheSpace, type ReadCache, readCache } from './read-cache-memory.ts';

/** How a connector declares the readings of one type. */
export interface Keeping {
  /** A reading this young is answered without asking again, in milliseconds; 0: always ask. */
  readonly fresh: number;
  /** A reading up to this age is answered, marked stale, while the source does not answer; 0: never. */
  readonly usable: number;
  /** Whether it is needed after a restart: then it is also written to the database, in batches. */
  readonly durable?: boolean;
  /** Events of this installation after which a reading is not fresh any more. */
  readonly changedBy?: readonly EventKind[];
}

/** An event, as far as it says what it is about. */
export interface ToldEvent {
  readonly kind: string;
  readonly company?: string | null | undefined;
  readonly vehicle?: string | null | undefined;
  readonly door?: string | null | undefined;
  readonly badge?: string | null | undefined;
  readonly lot?: string | null | undefined;
  readonly meter?: string | null | undefined;
  readonly case?: string | null | undefined;
}

/** One kept reading. */
export interface KeptValue {
  readonly value: unknown;
  readonly fetchedAt: Date;
  readonly recordedAt: Date | null;
  /** Absent: it was read by another process, or in an earlier life of this one. */
  readonly [READ_AT]?: number;
}

/** Where durable readings go. The host gives the hub's database. */
export interface KeptStore {
  find(key: string): Promise<KeptValue | null>;
  save(all: ReadonlyMap<string, KeptValue & { readonly until: Date }>): Promise<void>;
}

interface Entry extends KeptValue {
  readonly type: string;
  /** Global ids and codes that the reading is about; null: any event of its kinds concerns it. */
  readonly about: readonly string[] | null;
  fresh: boolean;
  readonly evicted: CachedEntry['evicted'] & {};
}

export interface KeptOptions {
  readonly policies: Readonly<Record<string, Keeping>>;
  readonly clock: Clock;
  /** Where readings lie in memory; absent: the cache of this process. */
  readonly cache?: ReadCache;
  /** Absent: nothing outlives the process. */
  readonly store?: KeptStore;
  /** Pause between two writings, in milliseconds. */
  readonly pause?: number;
  /** Told when the store cannot be written or read. */
  readonly onFault?: (error: unknown) => void;
}

const PAUSE = 1_000;
const NEVER: Keeping = { fresh: 0, usable: 0 };

export class Kept {
  readonly #options: KeptOptions;
  readonly #entries: CacheSpace<Entry>;
  /** Keys of what still has to be written; the readings lie in the cache, and one that was put out is not written. */
  readonly #unsaved = new Map<string, Date>();
  #timer: NodeJS.Timeout | undefined;
  #saving: Promise<void> = Promise.resolve();
  /** By type: grows with each event and change. A reading that began before it is not fresh. */
  readonly #epochs = new Map<string, number>();
  /** By type: the readings that may still be fresh. */
  readonly #young = new Map<string, Map<string, Entry>>();

  /** What the cache has put out is held nowhere else. */
  readonly #evicted = (whole: string, one: CachedEntry): void => {
    const young = this.#young.get((one as Entry).type);
    const key = this.#entries.keyOf(whole);
    if (young?.get(key) === one) young.delete(key);
  };

  constructor(options: KeptOptions) {
    this.#options = options;
    this.#entries = (options.cache ?? readCache).space();
  }

  /** Marks the beginning of a reading, for `put`. */
  epoch(type: string): number {
    return this.#epochs.get(type) ?? 0;
  }

  keeping(type: string): Keeping {
    return this.#options.policies[type] ?? NEVER;
  }

  /** A reading that is young enough not to ask again. */
  fresh(type: string, key: string): KeptValue | null {
    const { fresh } = this.keeping(type);
    if (fresh === 0) return null;
    const one = this.#entries.get(key);
    return one?.fresh && this.#age(one) < fresh ? one : null;
  }

  /** The last reading that may still be shown while the source is dark; looked for in the database, too. */
  async usable(type: string, key: string): Promise<KeptValue | null> {
    const { usable, durable } = this.keeping(type);
    if (usable === 0) return null;
    let one: KeptValue | null = this.#entries.get(key) ?? null;
    if (one === null && durable && this.#options.store) {
      try {
        one = this.#entries.unsaved.get(key) ?? this.#dated(await this.#options.store.find(key));
      } catch (error) {
        this.#options.onFault?.(error);
      }
      // Meanwhile another caller may have read it anew.
      const newer = this.#entries.get(key);
      if (newer) one = newer;
      else if (one) this.#entries.set(key, { ...one, type, about: null, fresh: false, evicted: this.#evicted });
    }
    return one !== null && this.#age(one) < usable ? one : null;
  }

  /** Keeps a reading that began at `epoch`. */
  put(type: string, key: string, one: KeptValue, about: readonly string[] | null, epoch: number): void {
    const { fresh, usable, durable } = this.keeping(type);
    if (fresh === 0 && usable === 0) return;
    const entry: Entry = {
      ...one,
      type,
      about,
      fresh: fresh > 0 && epoch === this.epoch(type),
      evicted: this.#evicted,
    };
    this.#young.get(type)?.delete(key);
    this.#entries.set(key, entry);
    // One that is too large for the cache is not held elsewhere either.
    if (entry.fresh && this.#entries.get(key) === entry) {
      const young = this.#young.get(type) ?? new Map<string, Entry>();
      this.#young.set(type, young.set(key, entry));
      for (const [old, one] of young) {
        if (this.#age(one) < fresh) break;
        young.delete(old);
      }
    }
    if (!durable || usable === 0 || !this.#options.store) return;
    this.#entries.unsaved.set(key, one);
    this.#unsaved.set(key, new Date(one.fetchedAt.getTime() + usable));
    this.#timer ??= setTimeout(() => void this.flush(), this.#options.pause ?? PAUSE).unref();
  }

  /** What the installation itself has told: readings that it concerns are asked anew. Answers the types concerned. */
  changed(events: readonly ToldEvent[]): ReadonlySet<string> {
    const types = new Set<string>();
    for (const [type, { changedBy }] of Object.entries(this.#options.policies)) {
      const concerning = events.filter((event) => changedBy?.some((kind) => kind === event.kind));
      if (concerning.length === 0) continue;
      types.add(type);
      const ids = new Set(concerning.flatMap(idsOf));
      this.#expire(type, ({ about }) => about === null || about.some((id) => ids.has(id)));
    }
    return types;
  }

  /** Something was changed over there by us: nothing is fresh any more. */
  acted(): void {
    for (const type of Object.keys(this.#options.policies)) this.#expire(type, () => true);
  }

  #expire(type: string, which: (one: Entry) => boolean): void {
    this.#epochs.set(type, this.epoch(type) + 1);
    const { fresh } = this.keeping(type);
    const young = this.#young.get(type);
    for (const [key, one] of young ?? []) {
      const over = which(one);
      if (over) one.fresh = false;
      if (over || this.#age(one) >= fresh) young?.delete(key);
    }
  }

  /** Writes what is to outlive the process; resolves when it is written, and never rejects. One writing at a time. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#saving = this.#saving.then(() => this.#save());
    return this.#saving;
  }

  async #save(): Promise<void> {
    const { store, onFault } = this.#options;
    const batch = new Map<string, KeptValue & { until: Date }>();
    for (const [key, until] of this.#unsaved) {
      const one = this.#entries.unsaved.get(key);
      if (one) batch.set(key, { value: one.value, fetchedAt: one.fetchedAt, recordedAt: one.recordedAt, until });
      else this.#unsaved.delete(key);
    }
    if (!store || batch.size === 0) return;
    try {
      await store.save(batch);
    } catch (error) {
      onFault?.(error);
      return;
    }
    for (const [key, { until }] of batch) {
      if (this.#unsaved.get(key) !== until) continue;
      this.#unsaved.delete(key);
      this.#entries.unsaved.delete(key);
    }
  }

  /** Forgets everything; what is to outlive the process has been flushed before. */
  close(): void {
    clearTimeout(this.#timer);
    this.#entries.clear();
    this.#young.clear();
    this.#unsaved.clear();
  }

  #age(one: KeptValue): number {
    return ageOf(one, this.#options.clock);
  }

  /** What was stored is as old as the wall clock says now; from now on it ages by what passes. */
  #dated(one: KeptValue | null): KeptValue | null {
    return one && { ...one, [READ_AT]: this.#options.clock.monotonic() - this.#age(one) };
  }
}

const idsOf = (event: ToldEvent): string[] =>
  [event.company, event.vehicle, event.door, event.badge, event.lot, event.meter, event.case].filter(
    (id): id is string => typeof id === 'string',
  );
