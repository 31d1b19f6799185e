/**
 * What callers have been sent and have not read: over all connections of one caller, and of all callers. Who does not read gets no
 * further answers until it does, and its subscriptions read the log at its own pace.
 */

import { DEFAULT_LIMITS, type ProcessLimits } from '../../../connectors/kit/config/sections/limits.ts';
import { HubError } from '../../../connectors/kit/errors.ts';

/** What has not been noticed to be read is measured again this often at most, in milliseconds. */
const AGAIN = 20;

interface Caller {
  bytes: number;
  /** Connections with something unread, as far as is known. */
  readonly pending: Set<Unread>;
}

/** One connection of a caller. */
export interface Unread {
  /** Measures anew; answers the bytes that wait on this connection. */
  note(): number;
  /** Whether something waits on this connection and its caller has too much unread. */
  behind(): boolean;
  close(): void;
}

export class UnreadBytes {
  readonly #limits: Pick<ProcessLimits, 'unread' | 'unreadBytes'>;
  readonly #callers = new Map<string, Caller>();
  #held = 0;
  #refused = 0;
  #measuredAt = 0;

  constructor(limits: Pick<ProcessLimits, 'unread' | 'unreadBytes'> = DEFAULT_LIMITS) {
    this.#limits = limits;
  }

  get most(): number {
    return this.#limits.unreadBytes;
  }

  /** Bytes of all callers. */
  get held(): number {
    this.#measureAll();
    return this.#held;
  }

  /** How often a caller was refused or a subscription left behind for it. */
  get refused(): number {
    return this.#refused;
  }

  /** One connection of this caller; `measure` tells how many bytes wait on it. */
  open(name: string, measure: () => number): Unread {
    let counted = 0;
    const count = (bytes: number): void => {
      if (bytes === counted) return;
      let caller = this.#callers.get(name);
      if (!caller) {
        caller = { bytes: 0, pending: new Set() };
        this.#callers.set(name, caller);
      }
      caller.bytes += bytes - counted;
      this.#held += bytes - counted;
      counted = bytes;
      if (bytes > 0) caller.pending.add(one);
      else caller.pending.delete(one);
      if (caller.pending.size === 0) this.#callers.delete(name);
    };
    const one: Unread = {
      note: () => {
        count(measure());
        return counted;
      },
      behind: () => one.note() > 0 && this.full(name),
      close: () => count(0),
    };
    return one;
  }

  /** The refusal of a caller who has too much unread; null when it may be sent more. */
  refusal(name: string): HubError | null {
    if (!this.full(name)) return null;
    const { unread } = this.#limits;
    return new HubError(
      'LIMIT_RATE',
      `You have not read what you were sent (at most ${unread} bytes may wait, over all your connections); read it, then ask again.`,
      { limit: unread, found: this.#callers.get(name)?.bytes ?? 0, retryable: true, retryAfter: 1 },
    );
  }

  /** Whether this caller has more unread than it may, or more than an equal share where all together have. */
  full(name: string): boolean {
    if (!this.#isFull(name)) return false;
    this.#measureAll();
    const full = this.#isFull(name);
    if (full) this.#refused++;
    return full;
  }

  #isFull(name: string): boolean {
    const bytes = this.#callers.get(name)?.bytes ?? 0;
    const { unread, unreadBytes } = this.#limits;
    return bytes > unread || (this.#held > unreadBytes && bytes > unreadBytes / this.#callers.size);
  }

  /** What was read meanwhile is noticed only when it is looked for. */
  #measureAll(): void {
    const now = performance.now();
    if (now - this.#measuredAt < AGAIN) return;
    this.#measuredAt = now;
    for (const { pending } of [...this.#callers.values()]) for (const one of [...pending]) one.note();
  }
}

/** Counts an answer over HTTP that the client has not taken whole, until it has. */
export function countAnswer(
  unread: UnreadBytes,
  name: string,
  response: {
    readonly writableLength: number;
    readonly destroyed: boolean;
    once(event: 'close', done: () => void): unknown;
  },
): void {
  if (response.destroyed || response.writableLength === 0) return;
  const one = unread.open(name, () => response.writableLength);
  one.note();
  response.once('close', () => one.close());
}
