/** The body of one webhook while it is read: into one buffer that its length was reserved for, or on to another process piece by piece. */
import type { IncomingMessage } from 'node:http';
import type { Writable } from 'node:stream';

/** Why a call is not taken. `message` is for the people who run the legacy system. */
export interface WebhookRefusal {
  readonly status: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The vendor repeats the delivery after a 503. */
export const busyRefusal = (message: string): WebhookRefusal => ({
  status: 503,
  message,
  headers: { 'retry-after': '2' },
});
export const FULL = busyRefusal('Too many calls are being read; send it again.');

/** Bodies up to this size (bytes) count as small. */
export const SMALL = 64 * 1024;

/** A body of unknown length begins with room for so many bytes, and doubles it; one that is passed on holds no more than that. */
const FIRST = 16 * 1024;
/** So many bytes must come again and again for a body to count as moving. */
const PIECE = 16 * 1024;

export interface WebhookBodyParts {
  readonly installation: string;
  /** Bytes at most. */
  readonly most: number;
  /** As the head says it; null: it does not. */
  readonly length: number | null;
  readonly passing: boolean;
  /** Takes more bytes for it; false: there are none. */
  reserve(body: WebhookBody, amount: number): boolean;
  /** It counts as large from now on; false: there is no place for it then. */
  outgrown(body: WebhookBody): boolean;
  /** A buffer of at least that many bytes; whole ones that nobody else has seen come back. */
  readonly buffers: { take(bytes: number): Buffer; give(buffer: Buffer): void };
  left(body: WebhookBody): void;
}

export class WebhookBody {
  readonly begunAt = performance.now();
  /** When it last moved on by a piece. */
  movedAt = this.begunAt;
  /** Bytes that are kept free for it. */
  reserved: number;
  /** Whether it counts as large: by its length, or by what has come. */
  large: boolean;
  readonly #parts: WebhookBodyParts;
  #received = 0;
  #moved = 0;
  #refusal: WebhookRefusal | null = null;
  #onCut: () => void = () => undefined;

  constructor(parts: WebhookBodyParts) {
    this.#parts = parts;
    const { length, most, passing } = parts;
    this.reserved = Math.min(passing ? FIRST : (length ?? FIRST), most);
    this.large = (length ?? 0) > SMALL;
  }

  get installation(): string {
    return this.#parts.installation;
  }

  /** Ends the reading with this refusal. */
  cut(refusal: WebhookRefusal): void {
    this.#refusal ??= refusal;
    this.leave();
    this.#onCut();
  }

  /** Gives its place back; once or more often. */
  leave(): void {
    this.#parts.left(this);
  }

  /** The whole body, or why it is not taken. Rejects when the client goes away. Its place is given back then. */
  async read(request: IncomingMessage): Promise<Buffer | WebhookRefusal> {
    const { buffers } = this.#parts;
    let whole: Buffer | null = null;
    let size = 0;
    const refusal = await this.#follow(request, (part) => {
      // Most calls are one piece.
      if (size === 0 && part.length === this.#parts.length) whole = part;
      else {
        whole ??= buffers.take(this.reserved);
        if (whole.length < size + part.length) {
          const larger = this.#grown(size + part.length);
          if (!larger) return;
          whole.copy(larger, 0, 0, size);
          buffers.give(whole);
          whole = larger;
        }
        part.copy(whole, size);
      }
      size += part.length;
    });
    this.leave();
    if (refusal === null) return (whole ?? Buffer.alloc(0)).subarray(0, size);
    if (whole) buffers.give(whole);
    return refusal;
  }

  /** Hands the body on; resolves at its end, or with why it is not taken (`into` is destroyed then). Rejects when the client goes away. */
  async pass(request: IncomingMessage, into: Writable): Promise<WebhookRefusal | null> {
    const onward = () => request.resume();
    into.on('drain', onward);
    try {
      const refusal = await this.#follow(request, (part) => {
        if (!into.destroyed && !into.write(part)) request.pause();
      });
      if (refusal) into.destroy();
      else into.end();
      return refusal;
    } catch (error) {
      into.destroy(error as Error);
      throw error;
    } finally {
      into.off('drain', onward);
      this.leave();
    }
  }

  #grown(least: number): Buffer | null {
    const size = Math.min(Math.max(2 * this.reserved, least), this.#parts.most);
    if (!this.#parts.reserve(this, size - this.reserved)) {
      this.cut(FULL);
      return null;
    }
    this.reserved = size;
    return this.#parts.buffers.take(size);
  }

  /** Gives each part to `take` until the end; resolves with the refusal, if there is one. */
  #follow(request: IncomingMessage, take: (part: Buffer) => void): Promise<WebhookRefusal | null> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        request.off('data', onData);
        request.off('end', onEnd);
        request.off('close', onGone);
        request.pause();
      };
      const end = (): void => {
        stop();
        resolve(this.#refusal);
      };
      const onData = (part: Buffer): void => {
        this.#received += part.length;
        if (this.#received > this.#parts.most) {
          this.cut({ status: 413, message: `A call may hold ${this.#parts.most} bytes.` });
          return;
        }
        if (this.#received - this.#moved >= PIECE) {
          this.#moved = this.#received;
          this.movedAt = performance.now();
        }
        if (this.#received > SMALL && !this.large) {
          this.large = true;
          if (!this.#parts.outgrown(this)) this.cut(FULL);
        }
        if (!this.#refusal) take(part);
      };
      const onEnd = (): void => end();
      const onGone = (): void => {
        if (request.complete) return;
        stop();
        this.leave();
        reject(new WebhookGone('The client went away while it was sending.'));
      };
      this.#onCut = end;
      if (this.#refusal) return end();
      if (request.destroyed) return onGone();
      request.on('data', onData);
      request.on('end', onEnd);
      request.on('close', onGone);
      request.on('error', () => undefined);
    });
  }
}

/** Nobody is left to be answered. */
export class WebhookGone extends Error {
  override name = 'WebhookGone';
}
