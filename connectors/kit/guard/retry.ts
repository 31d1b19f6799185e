/** One call to a source, and its further tries: a place at the gate, the operation's breaker, the time limit. */

import { callerOf } from '../auth/principal.ts';
import { systemClock } from '../clock.ts';
import type { Call, Noted } from '../connector.ts';
import { SourceError, sourceFault } from '../errors.ts';
import type { Breakers, Timed } from './circuit-breaker.ts';
import type { Gate } from './fair-queue.ts';
import type { Call1, GuardPolicy, GuardTools, ReadRequest } from './guard.ts';
import { outOfTime, sleep, within } from './timeouts.ts';

/** A call on behalf of all who share it. */
export type SharedCall = Call & { readonly askers?: ReadonlySet<string> };

const WORSE = { slow: 0, stale: 1, down: 2 };

/** Notes for the caller how the installation answered: the worst of all its answers counts. */
export function note(call: Call, installation: string, how: Noted): void {
  const before = call.noted.get(installation);
  if (before === undefined || WORSE[how] > WORSE[before]) call.noted.set(installation, how);
}

export class Attempts {
  readonly #tools: GuardTools;
  readonly #policy: GuardPolicy;
  readonly #gate: Gate;
  readonly #breakers: Breakers;

  constructor(tools: GuardTools, policy: GuardPolicy, gate: Gate, breakers: Breakers) {
    this.#tools = tools;
    this.#policy = policy;
    this.#gate = gate;
    this.#breakers = breakers;
  }

  /** Asks, and asks again after a fault that may pass, as long as there is time. Rejects with the fault of the last try. */
  async tries<T>(call: SharedCall, request: ReadRequest, ask: Call1<T>): Promise<T> {
    const { health } = this.#tools;
    const most = request.retry === false ? 0 : this.#policy.retries;
    for (let n = 0; ; n++) {
      try {
        const value = await this.#once(call, request, ask);
        health.succeeded(request.operation);
        return value;
      } catch (error) {
        if (!(error instanceof SourceError && error.callers)) health.failed(request.operation, error);
        const pause = 50 * 2 ** n * (0.5 + Math.random());
        const again =
          error instanceof SourceError &&
          error.retryable &&
          !error.callers &&
          n < most &&
          !this.#breakers.isOpen(request.operation);
        if (!again || call.signal.aborted || systemClock.monotonic() + pause >= call.deadline) throw error;
        await sleep(pause, call.signal);
      }
    }
  }

  /** One try. */
  async #once<T>(call: SharedCall, { operation, breaker }: ReadRequest, ask: Call1<T>): Promise<T> {
    const { installation } = this.#tools;
    const policy = this.#policy;
    const started = performance.now();
    let code: string | null = null;
    let detail: string | null = null;
    let waited: number | null = null;
    try {
      const left = call.deadline - systemClock.monotonic();
      if (left <= 0) throw outOfTime('the time of the whole operation was used up');
      const asking = async (): Promise<Timed<T>> => {
        const leave = await within(
          left,
          call.signal,
          (signal) =>
            this.#gate.enter(signal, operation === 'check', call.askers ?? new Set([callerOf(call.principal)])),
          true,
        );
        call.calls?.set(installation.id, (call.calls.get(installation.id) ?? 0) + 1);
        const began = performance.now();
        waited = began - started;
        try {
          const rest = call.deadline - systemClock.monotonic();
          const value = await within(Math.min(policy.timeout, rest), call.signal, ask, rest < policy.timeout / 2);
          return { value, slow: performance.now() - began > policy.slow * policy.timeout };
        } finally {
          leave();
        }
      };
      const timed = await (breaker === false ? asking() : this.#breakers.execute<T>(operation, asking));
      if (timed.slow) note(call, installation.id, 'slow');
      return timed.value;
    } catch (error) {
      const named = this.#named(error, operation);
      code = named instanceof SourceError ? named.code : 'INTERNAL';
      detail = named instanceof Error ? named.message : String(named);
      throw named;
    } finally {
      this.#tools.tell({
        source: installation.id,
        system: installation.connector,
        operation,
        milliseconds: performance.now() - started,
        waited,
        code,
        detail,
      });
    }
  }

  #named(error: unknown, operation: string): unknown {
    const fault = sourceFault(error);
    if (fault instanceof SourceError) {
      fault.source = this.#tools.installation.id;
      fault.operation = operation;
    }
    return fault;
  }
}
