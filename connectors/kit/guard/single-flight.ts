/** Calls that equal readers share: who asks what is being asked already waits for that answer. */

import { callerOf } from '../auth/principal.ts';
import { systemClock } from '../clock.ts';
import type { Call } from '../connector.ts';
import type { Known } from '../provenance.ts';
import type { Gate } from './fair-queue.ts';
import type { SharedCall } from './retry.ts';
import { withDeadline } from './timeouts.ts';

/** What is under way for equal readers, and what it is of. */
interface Flight {
  readonly answer: Promise<Known<unknown>>;
  readonly type: string | undefined;
  /** Who waits for it. */
  readonly askers: Set<string>;
}

export interface FlightsParts {
  /** The installation's life: a shared call ends with it. */
  readonly life: AbortSignal;
  readonly gate: Gate;
  /** How long one call may take, in milliseconds. */
  readonly timeout: number;
}

export class Flights {
  readonly #parts: FlightsParts;
  readonly #under = new Map<string, Flight>();

  constructor(parts: FlightsParts) {
    this.#parts = parts;
  }

  /** The answer to a reader who asks what is under way already; null: it is not. */
  join<T>(call: Call, key: string): Promise<Known<T>> | null {
    const under = this.#under.get(key);
    if (under === undefined) return null;
    const who = callerOf(call.principal);
    if (!under.askers.has(who)) {
      // It may wait for the turn of somebody who has had more than this one.
      under.askers.add(who);
      this.#parts.gate.asked();
    }
    return withDeadline(under.answer as Promise<Known<T>>, call);
  }

  /**
   * A call that all equal readers share: it ends with the installation, not with the reader who came first. Its own time is
   * that of the reader who began it, but at least that of one call. `type`: of what is read.
   */
  begin<T>(
    call: Call,
    key: string,
    type: string | undefined,
    run: (call: SharedCall) => Promise<Known<T>>,
  ): Promise<Known<T>> {
    const { life, timeout } = this.#parts;
    const askers = new Set([callerOf(call.principal)]);
    const deadline = Math.max(call.deadline, systemClock.monotonic() + timeout);
    const answer = run({ ...call, deadline, signal: life, askers });
    const one: Flight = { answer, type, askers };
    this.#under.set(key, one);
    const land = () => {
      if (this.#under.get(key) === one) this.#under.delete(key);
    };
    answer.then(land, land);
    return withDeadline(answer, call);
  }

  /** What is under way of these types may be older than what has happened: nobody joins it any more. */
  forget(types: ReadonlySet<string>): void {
    for (const [key, one] of this.#under) if (one.type !== undefined && types.has(one.type)) this.#under.delete(key);
  }

  /** Nobody joins anything that is under way now. */
  forgetAll(): void {
    this.#under.clear();
  }
}
