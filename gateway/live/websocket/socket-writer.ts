/**
 * Writes frames to one socket below graphql-ws, and closes the socket of a client that does not read. The JSON of a delivery is shared by
 * a group; only the frame header and the client's message id differ. Server frames are not masked (RFC 6455 section 5.1), and without
 * permessage-deflate ws writes whole frames, so the two do not interleave.
 */
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { UnreadBytes, UnreadConnection } from '../../trust/limits/unread-bytes.ts';

/** Unsent bytes from which on a client is slow. */
export const MAX_BUFFERED = 256 * 1024;
/** Milliseconds after which a client that reads nothing is disconnected. */
const READ_TIMEOUT = 60_000;
/** Bytes. A frame up to this size is copied into one buffer: one small write costs less than two gathered ones. */
const MAX_COPIED = 2_048;

/** The part of a message before its payload: `{"id":…,"type":"next","payload":`. */
export const messageHead = (id: string): Buffer => Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":`);

const EMPTY = Buffer.alloc(0);

export class SocketWriter {
  readonly #socket: WebSocket;
  readonly #raw: Duplex;
  readonly #readTimeout: number;
  /** Counts the unsent bytes of this socket for its caller; null until the caller is known. */
  unread: UnreadConnection | null = null;

  constructor(socket: WebSocket, raw: Duplex, readTimeout = READ_TIMEOUT) {
    this.#socket = socket;
    this.#raw = raw;
    this.#readTimeout = readTimeout;
  }

  /** Counts the unsent bytes of this socket among the caller's unread bytes. */
  trackUnread(unread: UnreadBytes, caller: string): void {
    this.unread = unread.addConnection(caller, () => this.#raw.writableLength);
  }

  /** True when so many bytes are unsent that nothing is read from the client. */
  get isFull(): boolean {
    return this.#raw.writableLength >= MAX_BUFFERED;
  }

  /**
   * Writes a message in two parts, the second of which many sockets share. Returns false when too many bytes are unsent, on this socket or
   * on all connections of its caller.
   */
  write(head: Buffer, body: Buffer): boolean {
    const raw = this.#raw;
    if (this.#socket.readyState !== this.#socket.OPEN) return true;
    const length = head.length + body.length;
    if (length <= MAX_COPIED) {
      raw.write(copiedFrame(head, body));
      // A frame that is not sent completely must not be reused for the next socket.
      if (raw.writableLength > 0) lastFrame = null;
    } else {
      raw.cork();
      raw.write(frameWith(head, length, head.length));
      raw.write(body);
      raw.uncork();
    }
    return !this.unread?.isBehind() && !this.isFull;
  }

  /** Resolves when everything unsent has been sent, or the signal aborts. Closes a client that reads nothing with 1013 (try again later). */
  drained(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (this.#raw.writableLength === 0 || signal.aborted) return resolve();
      let unsent = this.#raw.writableLength;
      const check = setInterval(() => {
        if (this.#raw.writableLength < unsent) unsent = this.#raw.writableLength;
        else {
          this.#socket.close(1013, 'Client is not reading.');
          this.#socket.terminate();
          finish();
        }
      }, this.#readTimeout);
      const finish = () => {
        clearInterval(check);
        signal.removeEventListener('abort', finish);
        this.unread?.measure();
        resolve();
      };
      // Called back after everything before it; `drain` is emitted only above the high-water mark.
      this.#raw.write(EMPTY, finish);
      signal.addEventListener('abort', finish, { once: true });
    });
  }
}

/** The latest copied frame: the next socket of a group has the same payload and mostly an id of equal length, so only the id is replaced. */
let lastFrame: { readonly body: Buffer; readonly headLength: number; readonly frame: Buffer } | null = null;

function copiedFrame(head: Buffer, body: Buffer): Buffer {
  if (lastFrame?.body !== body || lastFrame.headLength !== head.length) {
    const length = head.length + body.length;
    const frame = frameWith(head, length, length);
    frame.set(body, frame.length - body.length);
    lastFrame = { body, headLength: head.length, frame };
  } else lastFrame.frame.set(head, lastFrame.frame.length - body.length - head.length);
  return lastFrame.frame;
}

/** A frame (text, final, unmasked) for `length` bytes of payload that starts with `head`, with space for `capacity` bytes of payload. */
function frameWith(head: Buffer, length: number, capacity: number): Buffer {
  const headerSize = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(headerSize + capacity);
  frame[0] = 0x81;
  if (headerSize === 2) frame[1] = length;
  else if (headerSize === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.set(head, headerSize);
  return frame;
}
