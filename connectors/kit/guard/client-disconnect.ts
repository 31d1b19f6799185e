/** The connection of a client, and the call of one operation of that client. */

import type { Principal } from '../auth/principal.ts';
import type { Call, SourceCondition } from '../call.ts';

/** Creates its abort signal on first use: most requests end before anything waits, and a signal is their largest allocation. */
export class ClientConnection {
  #isClosed = false;
  #controller: AbortController | null = null;

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Aborts when the client disconnects; already aborted if it has. */
  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#isClosed) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  /** Records that the client has disconnected. */
  close(): void {
    this.#isClosed = true;
    this.#controller?.abort();
  }
}

/**
 * The call of one client's operation. `signal` and `isCancelled` are accessors of the prototype: a copy (`{ ...call, signal }`) must
 * not copy `isCancelled`, which belongs to the original signal.
 */
export class ClientCall implements Call {
  readonly principal: Principal;
  readonly deadline: number;
  readonly sourceConditions = new Map<string, SourceCondition>();
  declare callCounts?: Map<string, number>;
  readonly #client: AbortSignal | ClientConnection;

  constructor(client: AbortSignal | ClientConnection, principal: Principal, deadline: number) {
    this.#client = client;
    this.principal = principal;
    this.deadline = deadline;
  }

  get signal(): AbortSignal {
    return this.#client instanceof ClientConnection ? this.#client.signal : this.#client;
  }

  get isCancelled(): boolean {
    return this.#client instanceof ClientConnection ? this.#client.isClosed : this.#client.aborted;
  }
}
