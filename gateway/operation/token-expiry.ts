/** When a caller's token ends, by the wall clock, also where that clock is set while the hub runs. */
import type { Principal } from '../../connectors/kit/auth/principal.ts';
import { type Clock, scheduleAtWallTime } from '../../connectors/kit/clock.ts';

export class TokenExpiry {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True when the caller's token has expired. A caller without a token never expires. */
  isExpired(caller: Principal | null): boolean {
    return caller?.expires != null && caller.expires <= this.#clock.now().getTime();
  }

  /** Calls `onExpired` once the caller's token expires; returns the function that cancels this. */
  onExpiry(caller: Principal | null, onExpired: () => void): () => void {
    return caller?.expires == null ? () => undefined : scheduleAtWallTime(this.#clock, caller.expires, onExpired);
  }
}
