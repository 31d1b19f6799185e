/**
 * The body of one webhook while it is received: read into one buffer for which memory is reserved, or forwarded to another process piece
 * by piece.
 */
import type { IncomingMessage } from 'node:http';
import type { Writable } from 'node:stream';

/** The response to a webhook that is not accepted. `message` is for the operator of the legacy system. */
export interface WebhookRejection {
  readonly status: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** 503 with Retry-After: the sender repeats the delivery. */
export const busyRejection = (message: string): WebhookRejection => ({
  status: 503,
  message,
  headers: { 'retry-after': '2' },
});
export const INTAKE_FULL = busyRejection('Too many webhooks are being received. Send it again later.');

/** Bytes. Bodies up to this size count as small. */
export const SMALL_BODY = 64 * 1024;

/** Bytes reserved at first for a body of unknown length (doubled as it grows), and for a forwarded body. */
const INITIAL_SIZE = 16 * 1024;
/** Bytes. A body makes progress when so many have arrived. */
const PROGRESS_SIZE = 16 * 1024;

export interface WebhookBodyOptions {
  readonly installation: string;
  readonly maxBytes: number;
  /** The Content-Length; null if there is none. */
  readonly length: number | null;
  /** Whether the body is forwarded to another process. */
  readonly forwarded: boolean;
  /** Reserves more bytes for the body; returns false if there are none. */
  reserve(body: WebhookBody, amount: number): boolean;
  /** Called when the body becomes large; returns false if there is no slot for a large body. */
  requestLargeSlot(body: WebhookBody): boolean;
  /** `take` returns a buffer of at least so many bytes; `give` returns one that nothing else references. */
  readonly buffers: { take(bytes: number): Buffer; give(buffer: Buffer): void };
  onRelease(body: WebhookBody): void;
}

export class WebhookBody {
  readonly startedAt = performance.now();
  /** When it last made progress. */
  progressedAt = this.startedAt;
  /** Bytes reserved for it. */
  reserved: number;
  /** Whether it counts as large: by its Content-Length, or by the bytes received. */
  isLarge: boolean;
  readonly #options: WebhookBodyOptions;
  #received = 0;
  /** `#received` when it last made progress. */
  #progress = 0;
  #rejection: WebhookRejection | null = null;
  #onAbort: () => void = () => undefined;

  constructor(options: WebhookBodyOptions) {
    this.#options = options;
    const { length, maxBytes, forwarded } = options;
    this.reserved = Math.min(forwarded ? INITIAL_SIZE : (length ?? INITIAL_SIZE), maxBytes);
    this.isLarge = (length ?? 0) > SMALL_BODY;
  }

  get installation(): string {
    return this.#options.installation;
  }

  /** Stops receiving the body, which is answered with this rejection. */
  abort(rejection: WebhookRejection): void {
    this.#rejection ??= rejection;
    this.release();
    this.#onAbort();
  }

  /** Releases its slot and bytes. May be called more than once. */
  release(): void {
    this.#options.onRelease(this);
  }

  /**
   * Resolves with the whole body, or with the rejection if it was aborted; releases its slot. Rejects with `WebhookClientDisconnected`
   * if the client disconnects.
   */
  async read(request: IncomingMessage): Promise<Buffer | WebhookRejection> {
    const { buffers } = this.#options;
    let buffer: Buffer | null = null;
    let size = 0;
    const rejection = await this.#receive(request, (part) => {
      // Most bodies arrive in one part, which needs no copy.
      if (size === 0 && part.length === this.#options.length) buffer = part;
      else {
        buffer ??= buffers.take(this.reserved);
        if (buffer.length < size + part.length) {
          const larger = this.#grow(size + part.length);
          if (!larger) return;
          buffer.copy(larger, 0, 0, size);
          buffers.give(buffer);
          buffer = larger;
        }
        part.copy(buffer, size);
      }
      size += part.length;
    });
    this.release();
    if (rejection === null) return (buffer ?? Buffer.alloc(0)).subarray(0, size);
    if (buffer) buffers.give(buffer);
    return rejection;
  }

  /**
   * Writes the body to `target`. Resolves with null at its end, or with the rejection if it was aborted; `target` is destroyed then.
   * Rejects with `WebhookClientDisconnected` if the client disconnects.
   */
  async forward(request: IncomingMessage, target: Writable): Promise<WebhookRejection | null> {
    const resume = () => request.resume();
    target.on('drain', resume);
    try {
      const rejection = await this.#receive(request, (part) => {
        if (!target.destroyed && !target.write(part)) request.pause();
      });
      if (rejection) target.destroy();
      else target.end();
      return rejection;
    } catch (error) {
      target.destroy(error as Error);
      throw error;
    } finally {
      target.off('drain', resume);
      this.release();
    }
  }

  /** A buffer of at least so many bytes; null, and the body is aborted, if they cannot be reserved. */
  #grow(minimum: number): Buffer | null {
    const size = Math.min(Math.max(2 * this.reserved, minimum), this.#options.maxBytes);
    if (!this.#options.reserve(this, size - this.reserved)) {
      this.abort(INTAKE_FULL);
      return null;
    }
    this.reserved = size;
    return this.#options.buffers.take(size);
  }

  /** Calls `onPart` with each part. Resolves with null at the end of the body, or with the rejection. */
  #receive(request: IncomingMessage, onPart: (part: Buffer) => void): Promise<WebhookRejection | null> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        request.off('data', onData);
        request.off('end', onEnd);
        request.off('close', onClose);
        request.pause();
      };
      const onEnd = (): void => {
        stop();
        resolve(this.#rejection);
      };
      const onData = (part: Buffer): void => {
        this.#received += part.length;
        if (this.#received > this.#options.maxBytes) {
          this.abort({ status: 413, message: `Body is too large: at most ${this.#options.maxBytes} bytes.` });
          return;
        }
        if (this.#received - this.#progress >= PROGRESS_SIZE) {
          this.#progress = this.#received;
          this.progressedAt = performance.now();
        }
        if (this.#received > SMALL_BODY && !this.isLarge) {
          this.isLarge = true;
          if (!this.#options.requestLargeSlot(this)) this.abort(INTAKE_FULL);
        }
        if (!this.#rejection) onPart(part);
      };
      const onClose = (): void => {
        if (request.complete) return;
        stop();
        this.release();
        reject(new WebhookClientDisconnected('The client disconnected before the end of the body.'));
      };
      this.#onAbort = onEnd;
      if (this.#rejection) return onEnd();
      if (request.destroyed) return onClose();
      request.on('data', onData);
      request.on('end', onEnd);
      request.on('close', onClose);
      request.on('error', () => undefined);
    });
  }
}

/** The client has disconnected: no response can be sent. */
export class WebhookClientDisconnected extends Error {
  override name = 'WebhookClientDisconnected';
}
