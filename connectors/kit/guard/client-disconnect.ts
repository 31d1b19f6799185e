/** The client's going away: a word for those who look, a signal for those who wait. */

import type { Principal } from '../auth/principal.ts';
import type { Call, Noted } from '../connector.ts';

/** A signal costs more than the rest of a small request's bookkeeping, and most requests end before anybody waits: it is made on asking. */
export class Departure {
  #gone = false;
  #control: AbortController | null = null;

  get gone(): boolean {
    return this.#gone;
  }

  /** Aborts when the client goes; aborted when it has gone. */
  get signal(): AbortSignal {
    if (this.#control === null) {
      this.#control = new AbortController();
      if (this.#gone) this.#control.abort();
    }
    return this.#control.signal;
  }

  /** The client has gone. */
  leave(): void {
    this.#gone = true;
    this.#control?.abort();
  }
}

/**
 * The call of one client's operation. `signal` and `gone` are no members of its own: a copy of the call with another signal must not
 * bring this one's word along.
 */
export class ClientCall implements Call {
  readonly principal: Principal;
  readonly deadline: number;
  readonly noted = new Map<string, Noted>();
  declare calls?: Map<string, number>;
  readonly #client: AbortSignal | Departure;

  constructor(client: AbortSignal | Departure, principal: Principal, deadline: number) {
    this.#client = client;
    this.principal = principal;
    this.deadline = deadline;
  }

  get signal(): AbortSignal {
    return this.#client instanceof Departure ? this.#client.signal : this.#client;
  }

  get gone(): boolean {
    return this.#client instanceof Departure ? this.#client.gone : this.#client.aborted;
  }
}
