/** Points per caller and minute: a token bucket of one minute's points that refills continuously. */
import { LRUCache } from 'lru-cache';
import { callerKey, type Principal } from '../../../connectors/kit/auth/principal.ts';
import { type Clock, systemClock } from '../../../connectors/kit/clock.ts';
import { HubError } from '../../../connectors/kit/errors.ts';

/** Points that one penalty takes at most; see `penalize`. */
const MAX_PENALTY = 100;

export class RateLimiter {
  readonly #limit: number;
  readonly #clock: Clock;
  /** By caller. `at`: when `left` was computed; `rejected`: the last reservation was rejected. */
  readonly #buckets = new LRUCache<string, { left: number; at: number; rejected: boolean }>({ max: 20_000 });

  /** @param limit points per minute; 0: no limit */
  constructor(limit: number, clock: Clock = systemClock) {
    this.#limit = limit;
    this.#clock = clock;
  }

  /** Takes points before the work. Throws `LIMIT_RATE` with the seconds to wait. Anonymous callers on this machine are not limited. */
  reserve(principal: Principal | null, points: number): void {
    if (this.#limit === 0 || principal?.client === 'anonymous') return;
    const key = callerKey(principal);
    const now = this.#clock.monotonic();
    const bucket = this.#buckets.get(key) ?? { left: this.#limit, at: now, rejected: false };
    const left = Math.min(this.#limit, bucket.left + ((now - bucket.at) * this.#limit) / 60_000);
    if (left < points) {
      this.#buckets.set(key, { left, at: now, rejected: true });
      const retryAfter = Math.max(1, Math.ceil(((Math.min(points, this.#limit) - left) * 60) / this.#limit));
      const available = Math.max(0, Math.floor(left));
      const [limit, cost, rest] = [this.#limit, points, available].map((figure) => figure.toLocaleString('en'));
      throw new HubError(
        'LIMIT_RATE',
        `Rate limit exceeded: ${limit} points a minute; the operation costs ${cost}, ${rest} left. Retry in ${retryAfter} s.`,
        { limit: this.#limit, found: points, left: available, retryAfter, retryable: true },
      );
    }
    this.#buckets.set(key, { left: left - points, at: now, rejected: false });
  }

  /** Charges for useless work: 1 % of the budget, at most 100 points and at most what is left. If less was left, `rejectedForMs` applies. */
  penalize(principal: Principal | null): void {
    this.#charge(principal, Math.min(MAX_PENALTY, this.#limit / 100), 0);
  }

  /** Takes points after the work. The balance may become negative; the caller is then blocked until it is 0. */
  debit(principal: Principal | null, points: number): void {
    this.#charge(principal, points, Number.NEGATIVE_INFINITY);
  }

  /** Milliseconds until a negative balance is 0; 0 if it is not negative. */
  retryAfterMs(principal: Principal | null): number {
    if (this.#limit === 0 || principal?.client === 'anonymous') return 0;
    const bucket = this.#buckets.get(callerKey(principal));
    if (!bucket) return 0;
    return Math.max(0, (-bucket.left * 60_000) / this.#limit - (this.#clock.monotonic() - bucket.at));
  }

  #charge(principal: Principal | null, points: number, minimum: number): void {
    if (this.#limit === 0 || principal?.client === 'anonymous') return;
    const key = callerKey(principal);
    const now = this.#clock.monotonic();
    const bucket = this.#buckets.get(key) ?? { left: this.#limit, at: now, rejected: false };
    const current = Math.min(this.#limit, bucket.left + ((now - bucket.at) * this.#limit) / 60_000);
    const rejected = bucket.rejected || current - points < minimum;
    this.#buckets.set(key, { left: Math.max(Math.min(current, minimum), current - points), at: now, rejected });
  }

  /**
   * Milliseconds for which requests of a caller whose last reservation was rejected are rejected unread: until 1 % of the budget
   * is available again (0.6 s from a balance of 0). 0: not rejected.
   */
  rejectedForMs(principal: Principal | null): number {
    if (this.#limit === 0 || principal?.client === 'anonymous') return 0;
    const bucket = this.#buckets.peek(callerKey(principal));
    if (bucket?.rejected !== true) return 0;
    const left = bucket.left + ((this.#clock.monotonic() - bucket.at) * this.#limit) / 60_000;
    return Math.max(0, ((this.#limit / 100 - left) * 60_000) / this.#limit);
  }

  get limit(): number {
    return this.#limit;
  }
}
