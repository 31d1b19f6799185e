/**
 * The wire of one socket below graphql-ws: a delivery's JSON is the same for a whole group, so only the frame's head with the client's
 * own id is made for each client, and the shared bytes are written behind it without a copy. Frames of a server are not masked
 * (RFC 6455 section 5.1), and with permessage-deflate off ws writes whole frames at once, so ours never fall between.
 */
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';

/** Bytes that may wait for a client before it counts as slow. */
const ROOM = 256 * 1024;
/** A client that takes nothing for this long is let go, in milliseconds. */
const PATIENCE = 60_000;
const CLOSE = Buffer.from('}');

export class Wire {
  readonly #socket: WebSocket;
  readonly #raw: Duplex;
  readonly #patience: number;

  constructor(socket: WebSocket, raw: Duplex, patience = PATIENCE) {
    this.#socket = socket;
    this.#raw = raw;
    this.#patience = patience;
  }

  /** Writes `{"id":…,"type":"next","payload":…}`. False: more waits for the client than it should. */
  next(id: string, payload: Buffer): boolean {
    if (this.#socket.readyState !== this.#socket.OPEN) return true;
    const head = Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":`);
    this.#raw.cork();
    this.#raw.write(frameHead(head, head.length + payload.length + CLOSE.length));
    this.#raw.write(payload);
    this.#raw.write(CLOSE);
    this.#raw.uncork();
    return this.#raw.writableLength < ROOM;
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
        this.#raw.off('drain', done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#raw.once('drain', done);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}

/** The frame's head (text, final, unmasked) and the beginning of its payload in one piece. */
function frameHead(begin: Buffer, length: number): Buffer {
  const size = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const head = Buffer.allocUnsafe(size + begin.length);
  head[0] = 0x81;
  if (size === 2) head[1] = length;
  else if (size === 4) {
    head[1] = 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  begin.copy(head, size);
  return head;
}
