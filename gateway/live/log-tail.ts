/**
 * Follows the event log: woken by NOTIFY, and by a look every second in case one was lost. While a bus tells of the log, neither a
 * connection nor a look is needed, and both rest.
 */

import type { Database } from '../../schema/database/database.ts';
import { EVENT_CHANNEL, headPosition } from '../../schema/database/events/event-log.ts';

const LOOK = 1_000;

export class Tail {
  readonly #database: Database;
  #head = 0n;
  #waiting = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;
  #attentive = false;
  #listener: { close(): Promise<void> } | undefined;
  /** Opening and closing the listener, one after the other. */
  #turning: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(database: Database) {
    this.#database = database;
  }

  async open(): Promise<void> {
    this.#head = await headPosition(this.#database.plain);
    await this.attend();
  }

  /** Newest position known here. */
  get head(): bigint {
    return this.#head;
  }

  /** Resolves with the newest position once it is beyond `position`, or when the signal aborts or the tail closes. */
  async beyond(position: bigint, signal: AbortSignal): Promise<bigint> {
    while (this.#head <= position && !signal.aborted && !this.#closed) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiting.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#waiting.add(wake);
        signal.addEventListener('abort', wake, { once: true });
      });
    }
    return this.#head;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Listens to the database and looks at it. Resolves when it does; a database that is away is waited for in the background. */
  attend(): Promise<void> {
    if (this.#attentive || this.#closed) return this.#turning;
    this.#attentive = true;
    this.#plan();
    return this.#turn();
  }

  /** Leaves the database alone: somebody else tells what is committed, by `told`. */
  rest(): void {
    if (!this.#attentive) return;
    this.#attentive = false;
    clearTimeout(this.#timer);
    void this.#turn();
  }

  /** Somebody else says that this range is committed. One that does not follow what is known is looked up instead. */
  told(from: bigint, to: bigint): void {
    if (to <= this.#head) return;
    if (from === this.#head + 1n) this.#advance(to);
    else void this.look();
  }

  /** Asks the database for its newest position. */
  async look(): Promise<void> {
    try {
      this.#advance(await headPosition(this.#database.plain));
    } catch {
      // The next look tries again; readiness tells of a database that is away.
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#attentive = false;
    clearTimeout(this.#timer);
    for (const wake of [...this.#waiting]) wake();
    await this.#turn();
  }

  #advance(head: bigint): void {
    if (head <= this.#head) return;
    this.#head = head;
    for (const wake of [...this.#waiting]) wake();
  }

  #turn(): Promise<void> {
    this.#turning = this.#turning.then(async () => {
      const listener = this.#listener;
      if (this.#attentive && !listener) {
        this.#listener = await this.#database.listen(EVENT_CHANNEL, (payload) => {
          if (payload === null) void this.look();
          else this.#advance(BigInt(payload));
        });
      } else if (!this.#attentive && listener) {
        this.#listener = undefined;
        await listener.close();
      }
    });
    return this.#turning;
  }

  #plan(): void {
    if (!this.#attentive) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.look().finally(() => this.#plan()), LOOK);
  }
}
