/** Points per minute and caller: a bucket that fills evenly, so that what was saved can be spent at once, and no more. */
import { LRUCache } from 'lru-cache';
import { HubError } from '../../connectors/kit/errors.ts';
import type { Principal } from '../../connectors/kit/principal.ts';

/** Who shows no token and is nobody shares one bucket with all others like it. */
const callerOf = (principal: Principal | null): string =>
  principal === null ? '-' : `${principal.client}\0${principal.subject}`;

export class Rates {
  readonly #limit: number;
  readonly #now: () => number;
  readonly #buckets = new LRUCache<string, { left: number; at: number; refused: boolean }>({ max: 20_000 });

  /** @param limit points per minute; 0: nothing is counted */
  constructor(limit: number, now: () => number = Date.now) {
    this.#limit = limit;
    this.#now = now;
  }

  /** Takes the points; throws LIMIT_RATE with the limit and the seconds to wait. Callers of this machine without a token are its owners. */
  take(principal: Principal | null, points: number): void {
    if (this.#limit === 0 || principal?.client === 'anonymous') return;
    const key = callerOf(principal);
    const now = this.#now();
    const bucket = this.#buckets.get(key) ?? { left: this.#limit, at: now, refused: false };
    const left = Math.min(this.#limit, bucket.left + ((now - bucket.at) * this.#limit) / 60_000);
    if (left < points) {
      this.#buckets.set(key, { left, at: now, refused: true });
      const retryAfter = Math.max(1, Math.ceil(((Math.min(points, this.#limit) - left) * 60) / this.#limit));
      throw new HubError(
        'LIMIT_RATE',
        `You have used your ${this.#limit} points a minute; this operation costs ${points}, ${Math.floor(left)} are left. Ask again in ${retryAfter} s.`,
        { limit: this.#limit, found: points, left: Math.floor(left), retryAfter, retryable: true },
      );
    }
    this.#buckets.set(key, { left: left - points, at: now, refused: false });
  }

  /** Whether the caller was refused a moment ago and has not waited since: it is kept at the door, before its request is read. */
  isOver(principal: Principal | null): boolean {
    if (this.#limit === 0 || principal?.client === 'anonymous') return false;
    const bucket = this.#buckets.peek(callerOf(principal));
    // A hundredth of the budget comes back in 0.6 s.
    return (
      bucket?.refused === true && bucket.left + ((this.#now() - bucket.at) * this.#limit) / 60_000 < this.#limit / 100
    );
  }

  get limit(): number {
    return this.#limit;
  }
}
