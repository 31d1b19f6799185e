/** What comes in piece by piece, for one reader that may be slower. */

/** Bytes that wait before it is full. */
const FULL = 1024 * 1024;

export class Pieces implements AsyncIterable<Buffer> {
  readonly #taken: () => void;
  #waiting: Buffer[] = [];
  #bytes = 0;
  #ended = false;
  #fault: Error | null = null;
  #wake: () => void = () => undefined;

  /** @param taken called when pieces were taken, so that more may come */
  constructor(taken: () => void) {
    this.#taken = taken;
  }

  /** Whether the sender should wait. */
  get full(): boolean {
    return this.#bytes >= FULL;
  }

  push(piece: Buffer): void {
    this.#waiting.push(piece);
    this.#bytes += piece.length;
    this.#wake();
    if (this.full) this.#taken();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** The rest will not come: the reader gets the error. Does nothing after `end`. */
  fail(error: Error): void {
    if (this.#ended) return;
    this.#fault = error;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Buffer> {
    for (;;) {
      if (this.#fault) throw this.#fault;
      const all = this.#waiting;
      if (all.length > 0) {
        this.#waiting = [];
        this.#bytes = 0;
        this.#taken();
        yield* all;
      } else if (this.#ended) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}
