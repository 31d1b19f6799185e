/** A stream of chunks from one writer to one reader that may be slower. */

/** Bytes. From here on the writer should pause. */
const HIGH_WATER_MARK = 1024 * 1024;

export class ChunkStream implements AsyncIterable<Buffer> {
  readonly #onFlowChange: () => void;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #ended = false;
  #error: Error | null = null;
  #wake: () => void = () => undefined;

  /** @param onFlowChange called when the stream is full, and when the reader has taken chunks; read `isFull` then */
  constructor(onFlowChange: () => void) {
    this.#onFlowChange = onFlowChange;
  }

  /** Whether the writer should pause. */
  get isFull(): boolean {
    return this.#bytes >= HIGH_WATER_MARK;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.#wake();
    if (this.isFull) this.#onFlowChange();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** Ends the stream with an error that the reader receives. Does nothing after `end`. */
  fail(error: Error): void {
    if (this.#ended) return;
    this.#error = error;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Buffer> {
    for (;;) {
      if (this.#error) throw this.#error;
      const chunks = this.#chunks;
      if (chunks.length > 0) {
        this.#chunks = [];
        this.#bytes = 0;
        this.#onFlowChange();
        yield* chunks;
      } else if (this.#ended) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}
