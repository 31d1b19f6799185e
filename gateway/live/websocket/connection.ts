/**
 * One WebSocket as the protocol sees it. Thousands stand open at once and mostly wait, so all that is known of a socket hangs here, and
 * what is needed only once (the request that opened it) is let go.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { callerOf, type Principal } from '../../../connectors/kit/auth/principal.ts';
import type { Log } from '../../../connectors/kit/log.ts';
import type { UnreadBytes } from '../../trust/limits/unread-bytes.ts';
import { Wire } from './socket-writer.ts';

/** Close codes: an internal fault (graphql-transport-ws). */
const FAULT = 4500;
/** Who is refused so often in a minute (milliseconds) is let go. */
const MOST_REFUSALS = 100;
const MINUTE = 60_000;

export class Connection {
  readonly socket: WebSocket;
  readonly wire: Wire;
  /** Set until it is known who asks. */
  request: IncomingMessage | null;
  /** Who opened the socket; asked once, at `connection_init`. */
  principal: Principal | null = null;
  /** What runs on it, and ends with it. */
  readonly running = new Set<{ abort(): void }>();
  /** The second in which it was opened, of this process: what all are asked in turn is asked of each at its own. */
  readonly second = Math.floor(performance.now() / 1_000);
  readonly #log: Log;
  readonly #closed = new AbortController();
  #refusals = 0;
  #refusedSince = 0;
  /** When a ping was sent that has not been answered, in milliseconds of `performance.now()`; null: none is under way. */
  #askedAt: number | null = null;

  constructor(socket: WebSocket, raw: Duplex, request: IncomingMessage, log: Log) {
    this.socket = socket;
    this.wire = new Wire(socket, raw);
    this.request = request;
    this.#log = log;
    // A client that breaks off is no fault of anybody's, and ws closes what it cannot read itself.
    socket.on('error', (error) => log.debug('A socket broke off.', { error }));
    socket.on('pong', () => {
      this.#askedAt = null;
    });
    socket.on('ping', () => this.#await());
    socket.once('close', () => {
      this.abort();
      this.#closed.abort();
      this.wire.unread?.close();
    });
  }

  /** Counts what waits here among all that its caller has not read; the principal is known. */
  count(unread: UnreadBytes): void {
    this.wire.count(unread, callerOf(this.principal));
  }

  get protocol(): string {
    return this.socket.protocol;
  }

  /** Resolves when it is written, or when there is nobody left to read it. */
  send(data: string): Promise<void> {
    return new Promise((resolve) => {
      if (this.socket.readyState !== this.socket.OPEN) return resolve();
      this.socket.send(data, () => resolve());
      this.wire.unread?.note();
    });
  }

  close(code: number, reason: string): void {
    this.socket.close(code, reason);
  }

  onMessage(take: (data: string) => Promise<void>): void {
    this.socket.on('message', (data) => {
      this.#await();
      take(String(data)).catch((error: unknown) => {
        if (this.socket.readyState !== this.socket.OPEN) return;
        const errorId = randomUUID();
        this.#log.error('A message on a socket could not be answered.', { errorId, error });
        this.socket.close(FAULT, `Something went wrong in the hub (errorId ${errorId}).`);
      });
    });
  }

  /** Who does not read what it is sent is not listened to either. */
  #await(): void {
    if (this.socket.isPaused || !this.wire.isFull) return;
    this.socket.pause();
    void this.wire.drained(this.#closed.signal).then(() => this.socket.resume());
  }

  /** Pings the client; to be called at intervals. A socket that has answered no ping for a minute is given up. */
  ping(): void {
    // A paused socket is watched by its writer, and its pong cannot be read.
    if (this.socket.isPaused) {
      this.#askedAt = null;
      return;
    }
    const now = performance.now();
    if (this.#askedAt !== null && now - this.#askedAt >= MINUTE) this.socket.terminate();
    else if (this.socket.readyState === this.socket.OPEN) this.socket.ping();
    this.#askedAt ??= now;
  }

  /** Counts a refusal. False: there have been too many of them. */
  refuse(): boolean {
    const now = performance.now();
    if (this.#refusals === 0 || now - this.#refusedSince >= MINUTE) {
      this.#refusals = 0;
      this.#refusedSince = now;
    }
    this.#refusals += 1;
    return this.#refusals <= MOST_REFUSALS;
  }

  /** Ends everything that runs on it. */
  abort(): void {
    for (const one of [...this.running]) one.abort();
    this.running.clear();
  }
}
