/** Why tokens were refused, for the operator: each token once, and no flood of them can fill the log. */
import { LRUCache } from 'lru-cache';
import { type Log, silentLog } from '../../../connectors/kit/log.ts';

/** Lines in a minute, at most; the next one says how many were left out. */
const MOST = 60;
const MINUTE = 60_000;
/** Tokens whose line is written. */
const TOKENS = 2_000;

export class RefusalLog {
  readonly #log: Log;
  readonly #now: () => number;
  readonly #written = new LRUCache<string, true>({ max: TOKENS });
  #since = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #leftOut = 0;

  constructor(log: Log = silentLog, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
  }

  /** `mark`: a hash of what was refused. `sentence` holds nothing of the token but what `quoted` has shortened. */
  write(mark: string, sentence: string): void {
    if (this.#written.get(mark)) return;
    const now = this.#now();
    if (now - this.#since >= MINUTE) {
      this.#since = now;
      this.#lines = 0;
    }
    if (this.#lines >= MOST) {
      this.#leftOut += 1;
      return;
    }
    this.#lines += 1;
    this.#written.set(mark, true);
    this.#log.info(sentence, this.#leftOut > 0 ? { leftOut: this.#leftOut } : {});
    this.#leftOut = 0;
  }
}

/** A value that a stranger chose, as JSON on one line and at most 80 characters of it. */
export function quoted(value: unknown): string {
  const text = JSON.stringify(typeof value === 'string' ? value.slice(0, 80) : value) ?? 'nothing';
  return text.length > 100 ? `${text.slice(0, 80)}…` : text;
}
