/** Logs why tokens were rejected, for the operator. Each token is logged once, and the lines per minute are limited. */
import { LRUCache } from 'lru-cache';
import { type Log, silentLog } from '../../../connectors/kit/log.ts';

/** The next line after the limit reports in `leftOut` how many were dropped. */
const MAX_LINES_PER_MINUTE = 60;
const MINUTE = 60_000;
/** Tokens whose rejection was logged and is not logged again. */
const MAX_REMEMBERED = 2_000;

export class RejectionLog {
  readonly #log: Log;
  readonly #now: () => number;
  readonly #logged = new LRUCache<string, true>({ max: MAX_REMEMBERED });
  #windowStart = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #leftOut = 0;

  /** @param now milliseconds of a clock that never goes back */
  constructor(log: Log = silentLog, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
  }

  /** Logs the message at info, once for each key. `key`: a hash of the credential. `message` quotes values of a token with `quoted` only. */
  write(key: string, message: string): void {
    if (this.#logged.get(key)) return;
    const now = this.#now();
    if (now - this.#windowStart >= MINUTE) {
      this.#windowStart = now;
      this.#lines = 0;
    }
    if (this.#lines >= MAX_LINES_PER_MINUTE) {
      this.#leftOut += 1;
      return;
    }
    this.#lines += 1;
    this.#logged.set(key, true);
    this.#log.info(message, this.#leftOut > 0 ? { leftOut: this.#leftOut } : {});
    this.#leftOut = 0;
  }
}

/** Returns an untrusted value as JSON on one line, cut at 80 characters. */
export function quoted(value: unknown): string {
  const text = JSON.stringify(typeof value === 'string' ? value.slice(0, 80) : value) ?? 'nothing';
  return text.length > 100 ? `${text.slice(0, 80)}…` : text;
}
