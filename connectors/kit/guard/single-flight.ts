/** Calls in progress that equal reads share. */

import { callerKey } from '../auth/principal.ts';
import type { Call } from '../call.ts';
import { systemClock } from '../clock.ts';
import type { Sourced } from '../provenance.ts';
import type { FairQueue } from './fair-queue.ts';
import type { SharedCall } from './retry.ts';
import { withDeadline } from './timeouts.ts';

interface Flight {
  readonly result: Promise<Sourced<unknown>>;
  /** The type that is read. */
  readonly type: string | undefined;
  readonly callerKeys: Set<string>;
}

export interface SingleFlightOptions {
  /** Aborts when the installation is closed; ends shared calls. */
  readonly signal: AbortSignal;
  readonly queue: FairQueue;
  /** Of one call, in milliseconds. */
  readonly timeout: number;
}

export class SingleFlight {
  readonly #options: SingleFlightOptions;
  readonly #flights = new Map<string, Flight>();

  constructor(options: SingleFlightOptions) {
    this.#options = options;
  }

  /** The result of the call in progress for this key, limited by the caller's deadline; null if there is none. */
  join<T>(call: Call, key: string): Promise<Sourced<T>> | null {
    const flight = this.#flights.get(key);
    if (flight === undefined) return null;
    const joining = callerKey(call.principal);
    if (!flight.callerKeys.has(joining)) {
      flight.callerKeys.add(joining);
      // The turn of the joining caller may come before that of the others.
      this.#options.queue.recheck();
    }
    return withDeadline(flight.result as Promise<Sourced<T>>, call);
  }

  /**
   * Starts a call that equal reads can join. It is not cancelled with the caller who started it; its deadline is that of this caller,
   * but at least one timeout from now. `type`: the type that is read.
   */
  start<T>(
    call: Call,
    key: string,
    type: string | undefined,
    run: (call: SharedCall) => Promise<Sourced<T>>,
  ): Promise<Sourced<T>> {
    const { signal, timeout } = this.#options;
    const callerKeys = new Set([callerKey(call.principal)]);
    const deadline = Math.max(call.deadline, systemClock.monotonic() + timeout);
    const result = run({ ...call, deadline, signal, callerKeys });
    const flight: Flight = { result, type, callerKeys };
    this.#flights.set(key, flight);
    const remove = () => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    result.then(remove, remove);
    return withDeadline(result, call);
  }

  /** Lets no further reads join calls in progress of these types: their results may be older than an event. */
  detach(types: ReadonlySet<string>): void {
    for (const [key, { type }] of this.#flights) if (type !== undefined && types.has(type)) this.#flights.delete(key);
  }

  /** Lets no further reads join any call in progress. */
  detachAll(): void {
    this.#flights.clear();
  }
}
