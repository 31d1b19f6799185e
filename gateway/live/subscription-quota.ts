/** How many subscriptions each caller holds at once, over all faces. */

import { callerOf, type Principal } from '../../connectors/kit/auth/principal.ts';
import { HubError } from '../../connectors/kit/errors.ts';

export class Seats {
  readonly #taken = new Map<string, number>();

  /**
   * Takes one until the answered function is called, once or more often. Throws LIMIT_RATE when the caller holds `most` already. Callers of
   * this machine without a token are its owners and not counted; who is nobody shares with all others like it.
   */
  take(principal: Principal | null, most: number): () => void {
    if (principal?.client === 'anonymous') return () => undefined;
    const caller = callerOf(principal);
    const held = this.#taken.get(caller) ?? 0;
    if (held >= most) {
      throw new HubError('LIMIT_RATE', `You may hold ${most} subscriptions at once; end one first.`, {
        limit: most,
        found: held + 1,
        retryable: true,
      });
    }
    this.#taken.set(caller, held + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const rest = (this.#taken.get(caller) ?? 1) - 1;
      if (rest === 0) this.#taken.delete(caller);
      else this.#taken.set(caller, rest);
    };
  }
}
