/**
 * One WebSocket as the protocol sees it. Thousands stand open at once and mostly wait, so all that is known of a socket hangs here, and
 * what is needed only once (the request that opened it) is let go.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Log } from '../../connectors/kit/log.ts';
import type { Principal } from '../../connectors/kit/principal.ts';
import { Wire } from './wire.ts';

/** Close codes: an internal fault (graphql-transport-ws). */
const FAULT = 4500;
/** Who is refused so often in a minute (milliseconds) is let go. */
const MOST_REFUSALS = 100;
const MINUTE = 60_000;
/** A timer holds 24 days at most. */
const DAY = 86_400_000;

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
  #refusals = 0;
  #refusedSince = 0;
  #asked = false;

  constructor(socket: WebSocket, raw: Duplex, request: IncomingMessage, log: Log) {
    this.socket = socket;
    this.wire = new Wire(socket, raw);
    this.request = request;
    this.#log = log;
    // A client that breaks off is no fault of anybody's, and ws closes what it cannot read itself.
    socket.on('error', (error) => log.debug('A socket broke off.', { error }));
    socket.on('pong', () => {
      this.#asked = false;
    });
    socket.once('close', () => this.abort());
  }

  get protocol(): string {
    return this.socket.protocol;
  }

  /** Resolves when it is written, or when there is nobody left to read it. */
  send(data: string): Promise<void> {
    return new Promise((resolve) => {
      if (this.socket.readyState !== this.socket.OPEN) return resolve();
      this.socket.send(data, () => resolve());
    });
  }

  close(code: number, reason: string): void {
    this.socket.close(code, reason);
  }

  onMessage(take: (data: string) => Promise<void>): void {
    this.socket.on('message', (data) => {
      take(String(data)).catch((error: unknown) => {
        if (this.socket.readyState !== this.socket.OPEN) return;
        const errorId = randomUUID();
        this.#log.error('A message on a socket could not be answered.', { errorId, error });
        this.socket.close(FAULT, `Something went wrong in the hub (errorId ${errorId}).`);
      });
    });
  }

  /** Whether it lives: to be called at intervals, and a socket that has not answered the last time is given up. */
  ask(): void {
    if (this.#asked) this.socket.terminate();
    else if (this.socket.readyState === this.socket.OPEN) this.socket.ping();
    this.#asked = true;
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

  /** Closes the socket at that time (milliseconds since the epoch), whatever runs on it. */
  closeAt(time: number, code: number, reason: string): void {
    const wait = (): void => {
      const left = time - Date.now();
      if (left <= 0) this.socket.close(code, reason);
      else timer = setTimeout(wait, Math.min(left, DAY));
    };
    let timer: NodeJS.Timeout | undefined;
    this.socket.once('close', () => clearTimeout(timer));
    wait();
  }

  /** Ends everything that runs on it. */
  abort(): void {
    for (const one of [...this.running]) one.abort();
    this.running.clear();
  }
}
