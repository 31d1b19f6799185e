/**
 * The wire of one socket below graphql-ws: a delivery's JSON is the same for a whole group, so only the frame's head with the client's
 * own id is made for each client. Frames of a server are not masked (RFC 6455 section 5.1), and with permessage-deflate off ws writes
 * whole frames at once, so ours never fall between.
 */
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Unread, UnreadBytes } from '../../trust/limits/unread-bytes.ts';

/** Bytes that may wait for a client before it counts as slow. */
export const ROOM = 256 * 1024;
/** A client that takes nothing for this long is let go, in milliseconds. */
const PATIENCE = 60_000;
/** Up to so many bytes a frame is copied into one piece: one small write costs less than two that are gathered. */
const SMALL = 2_048;

/** What stands before every payload of one subscription: `{"id":…,"type":"next","payload":`. */
export const beginning = (id: string): Buffer => Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":`);

const NOTHING = Buffer.alloc(0);

export class Wire {
  readonly #socket: WebSocket;
  readonly #raw: Duplex;
  readonly #patience: number;
  /** Counts what waits here for the caller; null until it is known who that is. */
  unread: Unread | null = null;

  constructor(socket: WebSocket, raw: Duplex, patience = PATIENCE) {
    this.#socket = socket;
    this.#raw = raw;
    this.#patience = patience;
  }

  /** Counts what waits here among all that this caller has not read. */
  count(unread: UnreadBytes, caller: string): void {
    this.unread = unread.open(caller, () => this.#raw.writableLength);
  }

  /** Whether so much waits for the client that nothing further is taken from it. */
  get isFull(): boolean {
    return this.#raw.writableLength >= ROOM;
  }

  /**
   * Writes a message in two parts, the second shared by many sockets. False: more waits for the client than it should, here or on all
   * connections of its caller.
   */
  write(begin: Buffer, rest: Buffer): boolean {
    const raw = this.#raw;
    if (this.#socket.readyState !== this.#socket.OPEN) return true;
    const length = begin.length + rest.length;
    if (length <= SMALL) {
      raw.write(smallFrame(begin, rest));
      // What the kernel has not taken whole is still needed, and must not become the next one's.
      if (raw.writableLength > 0) small = null;
    } else {
      raw.cork();
      raw.write(frameOf(begin, length, begin.length));
      raw.write(rest);
      raw.uncork();
    }
    return !this.unread?.behind() && !this.isFull;
  }

  /** Resolves when the client has taken what waited, or has gone. One that takes nothing is closed with 1013 (try again later). */
  drained(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (this.#raw.writableLength === 0 || signal.aborted) return resolve();
      let waiting = this.#raw.writableLength;
      const look = setInterval(() => {
        if (this.#raw.writableLength < waiting) waiting = this.#raw.writableLength;
        else {
          this.#socket.close(1013, 'The client takes nothing.');
          this.#socket.terminate();
          done();
        }
      }, this.#patience);
      const done = () => {
        clearInterval(look);
        signal.removeEventListener('abort', done);
        this.unread?.note();
        resolve();
      };
      // Comes behind all that waits; `drain` is told only where much waited.
      this.#raw.write(NOTHING, done);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}

/** The frame last written: the next of the group has the same payload, and mostly an id as long, so that only the id is exchanged. */
let small: { readonly rest: Buffer; readonly begins: number; readonly frame: Buffer } | null = null;

function smallFrame(begin: Buffer, rest: Buffer): Buffer {
  if (small?.rest !== rest || small.begins !== begin.length) {
    const length = begin.length + rest.length;
    const frame = frameOf(begin, length, length);
    frame.set(rest, frame.length - rest.length);
    small = { rest, begins: begin.length, frame };
  } else small.frame.set(begin, small.frame.length - rest.length - begin.length);
  return small.frame;
}

/** The head of a frame (text, final, unmasked) for `length` bytes, the first of them behind it, and room for `held` bytes in all. */
function frameOf(begin: Buffer, length: number, held: number): Buffer {
  const size = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(size + held);
  frame[0] = 0x81;
  if (size === 2) frame[1] = length;
  else if (size === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.set(begin, size);
  return frame;
}
