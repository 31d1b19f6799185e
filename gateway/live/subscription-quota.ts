/** Maximum subscriptions per caller, over all transports. */

import { callerKey, type Principal } from '../../connectors/kit/auth/principal.ts';
import { HubError } from '../../connectors/kit/errors.ts';

export class SubscriptionQuota {
  readonly #counts = new Map<string, number>();

  /**
   * Counts one subscription until the returned function is called; further calls of it do nothing. Throws `LIMIT_RATE` when the caller has
   * `limit` already. Anonymous callers on this machine are not limited; all other callers without a token share one limit.
   */
  acquire(principal: Principal | null, limit: number): () => void {
    if (principal?.client === 'anonymous') return () => undefined;
    const caller = callerKey(principal);
    const count = this.#counts.get(caller) ?? 0;
    if (count >= limit) {
      throw new HubError(
        'LIMIT_RATE',
        `Too many subscriptions: at most ${limit.toLocaleString('en')} per caller. End one before starting another.`,
        {
          limit: limit,
          found: count + 1,
          retryable: true,
        },
      );
    }
    this.#counts.set(caller, count + 1);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      const remaining = (this.#counts.get(caller) ?? 1) - 1;
      if (remaining === 0) this.#counts.delete(caller);
      else this.#counts.set(caller, remaining);
    };
  }
}
