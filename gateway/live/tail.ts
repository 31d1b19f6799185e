/** Follows the event log: woken by NOTIFY, and by a look every second in case one was lost. */
import { EVENT_CHANNEL, headPosition } from '../../schema/database/events.ts';
import type { Database } from '../../schema/database/open.ts';

const LOOK = 1_000;

export class Tail {
  readonly #database: Database;
  #head = 0n;
  #waiting = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;
  #listener: { close(): Promise<void> } | undefined;
  #closed = false;

  constructor(database: Database) {
    this.#database = database;
  }

  async open(): Promise<void> {
    this.#head = await headPosition(this.#database.plain);
    this.#listener = await this.#database.listen(EVENT_CHANNEL, (payload) => {
      if (payload === null) void this.#look();
      else this.#advance(BigInt(payload));
    });
    this.#plan();
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

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const wake of [...this.#waiting]) wake();
    await this.#listener?.close();
  }

  #advance(head: bigint): void {
    if (head <= this.#head) return;
    this.#head = head;
    for (const wake of [...this.#waiting]) wake();
  }

  async #look(): Promise<void> {
    try {
      this.#advance(await headPosition(this.#database.plain));
    } catch {
      // The next look tries again; readiness tells of a database that is away.
    }
  }

  #plan(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#look().finally(() => this.#plan()), LOOK);
  }
}
