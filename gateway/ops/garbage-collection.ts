/** Heap limits of `isthmus gateway`, and a garbage collection after the graph was replaced. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Heap growth since the last full collection that triggers the next one; V8's default is up to 300. At 50 each document of 128 kB
 * triggered one, which took twice the processor time of its execution.
 */
const GROWTH_PERCENT = 100;

/**
 * Call once everything is loaded. Keeps the young generation at its size (about 16 MB instead of 48), and collects and compacts the old
 * one more often: evicted cache entries are scattered, so without compaction pages stay half empty (78 MB for 45 MB of objects under
 * mixed load). V8 reads the three flags at each collection; a version without them ignores them.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
  setFlagsFromString('--compact-on-every-full-gc');
}

/** Milliseconds from a change to the collection, so that several changes cause one. */
const DELAY = 1_000;

/**
 * Frees a replaced graph by a full collection. V8 would wait until the heap has doubled, and does not count the planner, about 2 MB outside
 * the heap per graph.
 */
export class GarbageCollection {
  readonly #collect: ((options: object) => unknown) | null;
  #timer: NodeJS.Timeout | undefined;

  constructor() {
    setFlagsFromString('--expose-gc');
    const gc: unknown = runInNewContext('typeof gc === "function" ? gc : null');
    this.#collect = typeof gc === 'function' ? (gc as (options: object) => unknown) : null;
  }

  /** Schedules a collection; call it when the last operation on the old graph has ended. */
  schedule(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#collect?.({ type: 'major', execution: 'async' });
    }, DELAY).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
