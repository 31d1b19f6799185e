/** Compiled operations by their text, bounded by bytes. A text that was seen once does not push out those that come again. */
import { LRUCache } from 'lru-cache';

interface Sized {
  /** Bytes, about. */
  readonly size: number;
}

/** What was compiled of one text. */
interface Entry<T> {
  readonly of: Map<string, T>;
  bytes: number;
}

/** As much of the room is for texts that were asked for once. */
const FRESH = 1 / 4;

export class OperationCache<T extends Sized> {
  readonly #fresh: LRUCache<string, Entry<T>>;
  readonly #kept: LRUCache<string, Entry<T>>;

  constructor(bytes: number) {
    const sizeCalculation = (entry: Entry<T>): number => entry.bytes;
    this.#fresh = new LRUCache({ maxSize: Math.max(1, Math.floor(bytes * FRESH)), sizeCalculation });
    this.#kept = new LRUCache({ maxSize: Math.max(1, Math.floor(bytes * (1 - FRESH))), sizeCalculation });
  }

  /** `mark` tells apart what was compiled of the same text. */
  get(text: string, mark: string): T | undefined {
    const kept = this.#kept.get(text);
    if (kept) return kept.of.get(mark);
    const entry = this.#fresh.get(text);
    if (!entry) return undefined;
    // It came again.
    this.#fresh.delete(text);
    this.#kept.set(text, entry);
    return entry.of.get(mark);
  }

  set(text: string, mark: string, one: T): void {
    const before = this.#kept.get(text) ?? this.#fresh.get(text);
    const home = before && this.#kept.has(text) ? this.#kept : this.#fresh;
    const entry: Entry<T> = before ?? { of: new Map(), bytes: text.length };
    entry.bytes += one.size;
    entry.of.set(mark, one);
    home.delete(text);
    home.set(text, entry);
  }

  /** Text and mark of all that is held: first what was asked for once, last what was asked for last. */
  entries(): [string, string][] {
    const of = (cache: LRUCache<string, Entry<T>>): [string, string][] =>
      [...(cache.rentries() as Iterable<[string, Entry<T>]>)].flatMap(([text, entry]) =>
        [...entry.of.keys()].map((mark): [string, string] => [text, mark]),
      );
    return [...of(this.#fresh), ...of(this.#kept)];
  }
}
