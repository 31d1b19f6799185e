/** Points per minute and caller: a bucket that fills evenly, so that what was saved can be spent at once, and no more. */
import { LRUCache } from 'lru-cache';
import { callerOf, type Principal } from '../../../connectors/kit/auth/principal.ts';
import { systemClock } from '../../../connectors/kit/clock.ts';
import type { Clock } from '../../../connectors/kit/connector.ts';
import { HubError } from '../../../connectors/kit/errors.ts';

/** Points. */
const FEE = 100;

export class Rates {
  readonly #limit: number;
  readonly #clock: Clock;
  readonly #buckets = new LRUCache<string, { left: number; at: number; refused: boolean }>({ max: 20_000 });

  /** @param limit points per minute; 0: nothing is counted */
  constructor(limit: number, clock: Clock = systemClock) {
    this.#limit = limit;
    this.#clock = clock;
  }

  /** Takes the points; throws LIMIT_RATE with the limit and the seconds to wait. Callers of this machine without a token are its owners. */
  take(principal: Principal | null, points: number): void {
    if (this.#limit === 0 || principal?.client === 'anonymous') return;
    const key = callerOf(principal);
    const now = this.#clock.monotonic();
    const bucket = this.#buckets.get(key) ?? { left: this.#limit, at: now, refused: false };
    const left = Math.min(this.#limit, bucket.left + ((now - bucket.at) * this.#limit) / 60_000);
    if (left < points) {
      this.#buckets.set(key, { left, at: now, refused: true });
      const retryAfter = Math.max(1, Math.ceil(((Math.min(points, this.#limit) - left) * 60) / this.#limit));
      throw new HubError(
        'LIMIT_RATE',
        `You have used your ${this.#limit} points a minute; this operation costs ${points}, ${Math.max(0, Math.floor(left))} are left. Ask again in ${retryAfter} s.`,
        { limit: this.#limit, found: points, left: Math.max(0, Math.floor(left)), retryAfter, retryable: true },
      );
    }
    this.#buckets.set(key, { left: left - points, at: now, refused: false });
  }

  /** Takes a fee for work that came to nothing: a hundredth of the budget, 100 points at most, and never more than is left. Who cannot pay it is refused from now on. */
  fee(principal: Principal | null): void {
    this.#spend(principal, Math.min(FEE, this.#limit / 100), 0);
  }

  /** Takes points for what has been done already, though there be too few: who owes gets nothing until it has come up to 0. */
  owe(principal: Principal | null, points: number): void {
    this.#spend(principal, points, Number.NEGATIVE_INFINITY);
  }

  /** Milliseconds until the caller owes nothing; 0: it owes nothing. */
  owes(principal: Principal | null): number {
    if (this.#limit === 0 || principal?.client === 'anonymous') return 0;
    const bucket = this.#buckets.get(callerOf(principal));
    if (!bucket) return 0;
    return Math.max(0, (-bucket.left * 60_000) / this.#limit - (this.#clock.monotonic() - bucket.at));
  }

  #spend(principal: Principal | null, points: number, least: number): void {
    if (this.#limit === 0 || principal?.client === 'anonymous') return;
    const key = callerOf(principal);
    const now = this.#clock.monotonic();
    const { left, at, refused: before } = this.#buckets.get(key) ?? { left: this.#limit, at: now, refused: false };
    const present = Math.min(this.#limit, left + ((now - at) * this.#limit) / 60_000);
    const refused = before || present - points < least;
    this.#buckets.set(key, { left: Math.max(Math.min(present, least), present - points), at: now, refused });
  }

  /**
   * Milliseconds for which a caller who was refused a moment ago is refused at the door, before its request is read: until a hundredth of
   * its budget has come back, which takes 0.6 s. 0: it may ask.
   */
  over(principal: Principal | null): number {
    if (this.#limit === 0 || principal?.client === 'anonymous') return 0;
    const bucket = this.#buckets.peek(callerOf(principal));
    if (bucket?.refused !== true) return 0;
    const left = bucket.left + ((this.#clock.monotonic() - bucket.at) * this.#limit) / 60_000;
    return Math.max(0, ((this.#limit / 100 - left) * 60_000) / this.#limit);
  }

  get limit(): number {
    return this.#limit;
  }
}
