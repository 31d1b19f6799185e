/** Memory that the collector would leave lying: `isthmus gateway` holds little of it, and a graph that was replaced is given back soon. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * A full collection comes when this much more than the last one left is held; V8 would wait for up to four times of it. At 50 a document of
 * 128 kB cost one each time, twice the processor time of all that was done for it.
 */
const GROWTH_PERCENT = 100;

/**
 * To be called once everything is loaded. From then on the young generation stays as large as loading has made it (some 16 MB instead
 * of 48), and the old one is collected sooner and moved together each time: what a cache lets go lies scattered, and pages with a few
 * objects left on them would be held half empty (under mixed load 78 MB for 45 MB, more each minute). All three are read by V8 at each
 * collection, so they need no flag on the command line; a V8 that does not know them goes on as it is.
 */
export function holdLittle(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
  setFlagsFromString('--compact-on-every-full-gc');
}

/** This long after a change, in milliseconds: several changes in a row are one collection. */
const SETTLED = 1_000;

/**
 * Gives back what a change of the graph has left behind. It is old by then, so only a full collection finds it, and V8 sees no need of
 * one: it would first let as much again pile up, and of the planner, some 2 MB outside the heap for each graph, it knows nothing.
 */
export class Leftovers {
  readonly #collect: ((options: object) => unknown) | null;
  #timer: NodeJS.Timeout | undefined;

  constructor() {
    setFlagsFromString('--expose-gc');
    const gc: unknown = runInNewContext('typeof gc === "function" ? gc : null');
    this.#collect = typeof gc === 'function' ? (gc as (options: object) => unknown) : null;
  }

  /** To be told when the last operation on the old graph has ended; answers at once. */
  soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#collect?.({ type: 'major', execution: 'async' });
    }, SETTLED).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
