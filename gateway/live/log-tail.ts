/**
 * Follows the event log by NOTIFY, and by polling every second in case a notification was lost. Both stop while NATS reports the log's
 * positions, so that this replica needs no connection for it.
 */

import type { Database } from '../../schema/database/database.ts';
import { EVENT_CHANNEL, headPosition } from '../../schema/database/events/event-log.ts';

/** Milliseconds. */
const POLL_INTERVAL = 1_000;

export class LogTail {
  readonly #database: Database;
  #head = 0n;
  #waiters = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;
  #listening = false;
  #listener: { close(): Promise<void> } | undefined;
  /** Opening and closing the listener, in order. */
  #switching: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Reads the newest position and starts to listen. Rejects with the database's error. */
  async open(): Promise<void> {
    this.#head = await headPosition(this.#database.plain);
    await this.startListening();
  }

  /** The newest position known to this replica. */
  get head(): bigint {
    return this.#head;
  }

  /** Resolves with the newest position once it is beyond `position`, or when the signal aborts or the tail closes. */
  async waitBeyond(position: bigint, signal: AbortSignal): Promise<bigint> {
    while (this.#head <= position && !signal.aborted && !this.#closed) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiters.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#waiters.add(wake);
        signal.addEventListener('abort', wake, { once: true });
      });
    }
    return this.#head;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Listens to the database and polls it. Resolves once it listens; polling continues while the database is down. */
  startListening(): Promise<void> {
    if (this.#listening || this.#closed) return this.#switching;
    this.#listening = true;
    this.#schedulePoll();
    return this.#switch();
  }

  /** Stops listening and polling; positions come from `advertise`. */
  stopListening(): void {
    if (!this.#listening) return;
    this.#listening = false;
    clearTimeout(this.#timer);
    void this.#switch();
  }

  /** Another replica reports that this range is committed. Polls the database if it does not continue the known position. */
  advertise(from: bigint, to: bigint): void {
    if (to <= this.#head) return;
    if (from === this.#head + 1n) this.#advance(to);
    else void this.poll();
  }

  /** Reads the newest position from the database; does nothing when that fails. */
  async poll(): Promise<void> {
    try {
      this.#advance(await headPosition(this.#database.plain));
    } catch {
      // The next poll tries again; /readyz reports a database that is down.
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#listening = false;
    clearTimeout(this.#timer);
    for (const wake of [...this.#waiters]) wake();
    await this.#switch();
  }

  #advance(head: bigint): void {
    if (head <= this.#head) return;
    this.#head = head;
    for (const wake of [...this.#waiters]) wake();
  }

  #switch(): Promise<void> {
    this.#switching = this.#switching.then(async () => {
      const listener = this.#listener;
      if (this.#listening && !listener) {
        this.#listener = await this.#database.listen(EVENT_CHANNEL, (payload) => {
          if (payload === null) void this.poll();
          else this.#advance(BigInt(payload));
        });
      } else if (!this.#listening && listener) {
        this.#listener = undefined;
        await listener.close();
      }
    });
    return this.#switching;
  }

  #schedulePoll(): void {
    if (!this.#listening) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.poll().finally(() => this.#schedulePoll()), POLL_INTERVAL);
  }
}
