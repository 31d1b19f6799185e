/**
 * The state of one WebSocket: principal, running operations, pings and rejections. Thousands are open and idle, so the request that
 * opened the socket is not kept.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { callerKey, type Principal } from '../../../connectors/kit/auth/principal.ts';
import type { Log } from '../../../connectors/kit/log.ts';
import type { UnreadBytes } from '../../trust/limits/unread-bytes.ts';
import { SocketWriter } from './socket-writer.ts';

/** Close code of graphql-transport-ws for an internal error. */
const INTERNAL_ERROR_CLOSE = 4500;
/** Rejections in a minute, after which a socket is closed. */
const MAX_REJECTIONS = 100;
/** Milliseconds. */
const MINUTE = 60_000;

export class Connection {
  readonly socket: WebSocket;
  readonly writer: SocketWriter;
  /** The request that opened the socket; null once the principal is known. */
  request: IncomingMessage | null;
  /** Set once, at `connection_init`. */
  principal: Principal | null = null;
  /** Operations that end with the socket. */
  readonly running = new Set<{ abort(): void }>();
  /** The second of this process in which it was opened, which spreads the pings of all sockets over time. */
  readonly openedSecond = Math.floor(performance.now() / 1_000);
  readonly #log: Log;
  readonly #closed = new AbortController();
  #rejections = 0;
  #rejectedSince = 0;
  /** When the oldest unanswered ping was sent, by `performance.now()`; null: every ping was answered. */
  #pingedAt: number | null = null;

  constructor(socket: WebSocket, raw: Duplex, request: IncomingMessage, log: Log) {
    this.socket = socket;
    this.writer = new SocketWriter(socket, raw);
    this.request = request;
    this.#log = log;
    // Not an error of the server; ws closes the socket itself.
    socket.on('error', (error) => log.debug('WebSocket closed by an error.', { error }));
    socket.on('pong', () => {
      this.#pingedAt = null;
    });
    socket.on('ping', () => this.#pauseIfFull());
    socket.once('close', () => {
      this.abort();
      this.#closed.abort();
      this.writer.unread?.close();
    });
  }

  /** Counts the unsent bytes of this socket among its caller's unread bytes. The principal must be set. */
  trackUnread(unread: UnreadBytes): void {
    this.writer.trackUnread(unread, callerKey(this.principal));
  }

  get protocol(): string {
    return this.socket.protocol;
  }

  /** Resolves when the message is written, or at once when the socket is closed. */
  send(data: string): Promise<void> {
    return new Promise((resolve) => {
      if (this.socket.readyState !== this.socket.OPEN) return resolve();
      this.socket.send(data, () => resolve());
      this.writer.unread?.measure();
    });
  }

  close(code: number, reason: string): void {
    this.socket.close(code, reason);
  }

  onMessage(handle: (data: string) => Promise<void>): void {
    this.socket.on('message', (data) => {
      this.#pauseIfFull();
      handle(String(data)).catch((error: unknown) => {
        if (this.socket.readyState !== this.socket.OPEN) return;
        const errorId = randomUUID();
        this.#log.error('Failed to process a WebSocket message.', { errorId, error });
        this.socket.close(INTERNAL_ERROR_CLOSE, `Internal error. Report errorId ${errorId} to the operator.`);
      });
    });
  }

  /** Stops to read from a client that does not read what it is sent. */
  #pauseIfFull(): void {
    if (this.socket.isPaused || !this.writer.isFull) return;
    this.socket.pause();
    void this.writer.drained(this.#closed.signal).then(() => this.socket.resume());
  }

  /** Pings the client; called at intervals. Terminates a socket that has answered no ping for a minute. */
  ping(): void {
    // A pong cannot be read from a paused socket; its writer closes it if it does not read.
    if (this.socket.isPaused) {
      this.#pingedAt = null;
      return;
    }
    const now = performance.now();
    if (this.#pingedAt !== null && now - this.#pingedAt >= MINUTE) this.socket.terminate();
    else if (this.socket.readyState === this.socket.OPEN) this.socket.ping();
    this.#pingedAt ??= now;
  }

  /** Counts a rejected operation. Returns false when there were too many in a minute. */
  countRejection(): boolean {
    const now = performance.now();
    if (this.#rejections === 0 || now - this.#rejectedSince >= MINUTE) {
      this.#rejections = 0;
      this.#rejectedSince = now;
    }
    this.#rejections += 1;
    return this.#rejections <= MAX_REJECTIONS;
  }

  /** Ends all operations of the socket. */
  abort(): void {
    for (const operation of [...this.running]) operation.abort();
    this.running.clear();
  }
}
