/**
 * Counts bytes that were sent and not yet read by clients, per caller over all its connections and in total. A caller over the limit
 * gets no further responses until it has read, and its subscriptions read the log at their own pace.
 */

import { DEFAULT_LIMITS, type ProcessLimits } from '../../../connectors/kit/config/sections/limits.ts';
import { HubError } from '../../../connectors/kit/errors.ts';

/** Milliseconds. Connections with unread bytes are measured again at most this often. */
const MEASURE_INTERVAL = 20;

interface CallerBytes {
  bytes: number;
  /** Connections that had unread bytes when last measured. */
  readonly pending: Set<UnreadConnection>;
}

/** The unread bytes of one connection. */
export interface UnreadConnection {
  /** Measures and returns the unread bytes of this connection. */
  measure(): number;
  /** Whether this connection has unread bytes and its caller is over the limit. */
  isBehind(): boolean;
  /** Stops counting the connection. */
  close(): void;
}

export class UnreadBytes {
  readonly #limits: Pick<ProcessLimits, 'unread' | 'unreadBytes'>;
  readonly #callers = new Map<string, CallerBytes>();
  #total = 0;
  #rejections = 0;
  #measuredAt = 0;

  constructor(limits: Pick<ProcessLimits, 'unread' | 'unreadBytes'> = DEFAULT_LIMITS) {
    this.#limits = limits;
  }

  /** Bytes that may be unread over all callers. */
  get limit(): number {
    return this.#limits.unreadBytes;
  }

  /** Unread bytes of all callers. */
  get used(): number {
    this.#measurePending();
    return this.#total;
  }

  /** How often a caller was found over the limit. */
  get rejections(): number {
    return this.#rejections;
  }

  /** Starts counting a connection of the caller; `measure` returns its unread bytes. */
  addConnection(caller: string, measure: () => number): UnreadConnection {
    let counted = 0;
    const count = (bytes: number): void => {
      if (bytes === counted) return;
      let entry = this.#callers.get(caller);
      if (!entry) {
        entry = { bytes: 0, pending: new Set() };
        this.#callers.set(caller, entry);
      }
      entry.bytes += bytes - counted;
      this.#total += bytes - counted;
      counted = bytes;
      if (bytes > 0) entry.pending.add(connection);
      else entry.pending.delete(connection);
      if (entry.pending.size === 0) this.#callers.delete(caller);
    };
    const connection: UnreadConnection = {
      measure: () => {
        count(measure());
        return counted;
      },
      isBehind: () => connection.measure() > 0 && this.isOverLimit(caller),
      close: () => count(0),
    };
    return connection;
  }

  /** The `LIMIT_RATE` error for a caller over the limit; null otherwise. */
  rejection(caller: string): HubError | null {
    if (!this.isOverLimit(caller)) return null;
    const { unread } = this.#limits;
    return new HubError(
      'LIMIT_RATE',
      `Too many unread bytes: at most ${unread.toLocaleString('en')} per caller over all connections. Read the pending responses, then retry.`,
      { limit: unread, found: this.#callers.get(caller)?.bytes ?? 0, retryable: true, retryAfter: 1 },
    );
  }

  /** Whether the caller is over its limit or, while the total limit is exceeded, over an equal share of it. */
  isOverLimit(caller: string): boolean {
    if (!this.#exceedsLimit(caller)) return false;
    this.#measurePending();
    const isOver = this.#exceedsLimit(caller);
    if (isOver) this.#rejections++;
    return isOver;
  }

  #exceedsLimit(caller: string): boolean {
    const bytes = this.#callers.get(caller)?.bytes ?? 0;
    const { unread, unreadBytes } = this.#limits;
    return bytes > unread || (this.#total > unreadBytes && bytes > unreadBytes / this.#callers.size);
  }

  /** Clients read without notice, so connections have to be measured again. */
  #measurePending(): void {
    const now = performance.now();
    if (now - this.#measuredAt < MEASURE_INTERVAL) return;
    this.#measuredAt = now;
    for (const { pending } of [...this.#callers.values()]) for (const connection of [...pending]) connection.measure();
  }
}

/** Counts the unread bytes of an HTTP response until it is closed. */
export function trackResponse(
  unread: UnreadBytes,
  caller: string,
  response: {
    readonly writableLength: number;
    readonly destroyed: boolean;
    once(event: 'close', listener: () => void): unknown;
  },
): void {
  if (response.destroyed || response.writableLength === 0) return;
  const connection = unread.addConnection(caller, () => response.writableLength);
  connection.measure();
  response.once('close', () => connection.close());
}
