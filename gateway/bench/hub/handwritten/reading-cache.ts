/** Readings of one source by key, as old as the hub may return them too. Equal reads in progress share one call. */

/** A value and when it was read, in milliseconds since the epoch. */
export interface Reading<T> {
  readonly value: T;
  readonly at: number;
}

/** Entries of one cache; the oldest is dropped first. */
const MAX_ENTRIES = 20_000;

export class ReadingCache<T> {
  readonly #fresh: number;
  readonly #readings = new Map<string, Reading<T>>();
  readonly #pending = new Map<string, Promise<Reading<T>>>();

  /** `fresh`: milliseconds during which a reading is returned without a call. */
  constructor(fresh: number) {
    this.#fresh = fresh;
  }

  /** The fresh reading of the key, or undefined. */
  get(key: string): Reading<T> | undefined {
    const found = this.#readings.get(key);
    return found !== undefined && Date.now() - found.at < this.#fresh ? found : undefined;
  }

  /** Stores a value that was read now. */
  set(key: string, value: T): Reading<T> {
    const reading = { value, at: Date.now() };
    this.#readings.delete(key);
    this.#readings.set(key, reading);
    if (this.#readings.size > MAX_ENTRIES) this.#readings.delete(this.#readings.keys().next().value as string);
    return reading;
  }

  /** The fresh reading, that of a call in progress, or a new one. */
  read(key: string, call: () => Promise<T>): Reading<T> | Promise<Reading<T>> {
    const fresh = this.get(key);
    if (fresh) return fresh;
    let pending = this.#pending.get(key);
    if (!pending) {
      pending = call()
        .then((value) => this.set(key, value))
        .finally(() => this.#pending.delete(key));
      this.#pending.set(key, pending);
    }
    return pending;
  }
}
