/**
 * One call to a source with its retries. Every attempt waits in the fair queue, passes the operation's circuit breaker and has its
 * own timeout; the caller's deadline limits all attempts together.
 */
import { callerKey } from '../auth/principal.ts';
import type { Call, SourceCondition } from '../call.ts';
import { systemClock } from '../clock.ts';
import type { GuardPolicy } from '../config/sections/guard.ts';
import { SourceError, toSourceError } from '../errors.ts';
import type { CircuitBreakers, TimedResult } from './circuit-breaker.ts';
import type { FairQueue } from './fair-queue.ts';
import type { GuardContext, ReadRequest, SourceRequest } from './guard-types.ts';
import { deadlineExceeded, sleep, withTimeout } from './timeouts.ts';

/** A call made on behalf of several callers. `callerKeys` is live: callers may join while the call waits. */
export type SharedCall = Call & { readonly callerKeys?: ReadonlySet<string> };

/** Milliseconds. The pause before retry n (from 0) is BACKOFF × 2^n × a random factor from 0.5 to 1.5. */
const BACKOFF = 50;
const SEVERITY: Readonly<Record<SourceCondition, number>> = { slow: 0, stale: 1, down: 2 };

/** Records the installation's condition for `extensions.sources` of the response; the worst one of the call is kept. */
export function recordCondition(call: Call, installation: string, condition: SourceCondition): void {
  const recorded = call.sourceConditions.get(installation);
  if (recorded === undefined || SEVERITY[condition] > SEVERITY[recorded]) {
    call.sourceConditions.set(installation, condition);
  }
}

export class Retry {
  readonly #context: GuardContext;
  readonly #policy: GuardPolicy;
  readonly #queue: FairQueue;
  readonly #breakers: CircuitBreakers;

  constructor(context: GuardContext, policy: GuardPolicy, queue: FairQueue, breakers: CircuitBreakers) {
    this.#context = context;
    this.#policy = policy;
    this.#queue = queue;
    this.#breakers = breakers;
  }

  /**
   * Sends the request, at most `policy.retries` + 1 times (once if `request.retry` is false). Retries only retryable errors of the
   * source, while the circuit is closed and the next attempt can start before `call.deadline`. Rejects with the error of the last
   * attempt; every `SourceError` names source and operation.
   */
  async run<T>(call: SharedCall, request: ReadRequest, send: SourceRequest<T>): Promise<T> {
    const { health } = this.#context;
    const { operation } = request;
    const maxRetries = request.retry === false ? 0 : this.#policy.retries;
    for (let retry = 0; ; retry++) {
      try {
        const value = await this.#attempt(call, request, send);
        health.recordSuccess(operation);
        return value;
      } catch (error) {
        if (!(error instanceof SourceError && error.causedByCaller)) health.recordFailure(operation, error);
        const pause = BACKOFF * 2 ** retry * (0.5 + Math.random());
        const canRetry =
          error instanceof SourceError &&
          error.retryable &&
          !error.causedByCaller &&
          retry < maxRetries &&
          !this.#breakers.isOpen(operation) &&
          !call.signal.aborted &&
          systemClock.monotonic() + pause < call.deadline;
        if (!canRetry) throw error;
        await sleep(pause, call.signal);
      }
    }
  }

  /** Makes one attempt and publishes its `SourceCallEvent`, whatever the result. */
  async #attempt<T>(call: SharedCall, { operation, breaker }: ReadRequest, send: SourceRequest<T>): Promise<T> {
    const { installation, publishCall } = this.#context;
    const startedAt = performance.now();
    let code: string | null = null;
    let detail: string | null = null;
    let queuedMs: number | null = null;
    try {
      const remaining = call.deadline - systemClock.monotonic();
      if (remaining <= 0) throw deadlineExceeded('operation deadline exceeded before the call started');
      const sendQueued = async (): Promise<TimedResult<T>> => {
        const callerKeys = call.callerKeys ?? new Set([callerKey(call.principal)]);
        const release = await withTimeout(
          remaining,
          call.signal,
          (signal) => this.#queue.acquire(signal, { urgent: operation === 'check', callerKeys }),
          { limitedBy: 'caller' },
        );
        call.callCounts?.set(installation.id, (call.callCounts.get(installation.id) ?? 0) + 1);
        const sentAt = performance.now();
        queuedMs = sentAt - startedAt;
        try {
          const left = call.deadline - systemClock.monotonic();
          const { timeout, slow } = this.#policy;
          // With less than half a timeout left, a missing response says nothing about the source.
          const limitedBy = left < timeout / 2 ? 'caller' : 'source';
          const value = await withTimeout(Math.min(timeout, left), call.signal, send, { limitedBy });
          return { value, slow: performance.now() - sentAt > slow * timeout };
        } finally {
          release();
        }
      };
      const result = await (breaker === false ? sendQueued() : this.#breakers.execute<T>(operation, sendQueued));
      if (result.slow) recordCondition(call, installation.id, 'slow');
      return result.value;
    } catch (error) {
      const failure = this.#withOrigin(error, operation);
      code = failure instanceof SourceError ? failure.code : 'INTERNAL';
      detail = failure instanceof Error ? failure.message : String(failure);
      throw failure;
    } finally {
      const { id: source, connector: system } = installation;
      publishCall({ source, system, operation, milliseconds: performance.now() - startedAt, queuedMs, code, detail });
    }
  }

  /** The error as a `SourceError` that names source and operation, where it is one. */
  #withOrigin(error: unknown, operation: string): unknown {
    const failure = toSourceError(error);
    if (failure instanceof SourceError) {
      failure.source = this.#context.installation.id;
      failure.operation = operation;
    }
    return failure;
  }
}
