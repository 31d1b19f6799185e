/**
 * What stands around every call to a legacy system: deadline, retry within it, a breaker per operation, a limit on
 * concurrent calls with a bounded queue, and single-flight for equal reads. One guard per installation.
 */
import {
  BrokenCircuitError,
  BulkheadRejectedError,
  bulkhead,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
} from 'cockatiel';
import type { Call, Clock, InstallationInfo } from './connector.ts';
import { malformed, SourceError, timeout, unavailable } from './errors.ts';
import type { Facts, Known } from './facts.ts';
import type { Breaker, Health } from './health.ts';

/** Limits of one guard. */
export interface GuardPolicy {
  /** How long one call may take, in milliseconds. */
  readonly timeout: number;
  /** Calls under way at once; legacy systems die first. */
  readonly concurrency: number;
  /** Calls that may wait for a place. */
  readonly queue: number;
  /** Further tries of a read after a fault that may pass. */
  readonly retries: number;
  /** Faults in a row that open an operation's breaker, and for how long (milliseconds). */
  readonly breaker: { readonly faults: number; readonly pause: number };
}

export const DEFAULT_POLICY: GuardPolicy = {
  timeout: 2_500,
  concurrency: 8,
  queue: 200,
  retries: 1,
  breaker: { faults: 5, pause: 2_000 },
};

/** One kind of read. */
export interface ReadRequest {
  /** The operation's name, in our words, for breaker, health, log and metrics. */
  readonly operation: string;
  /** All arguments of the source call, row filter included: equal reads under way share one call. Absent: never shared. */
  readonly key?: string;
  /** False for a read that must not be repeated. */
  readonly retry?: boolean;
}

type Call1<T> = (signal: AbortSignal) => Promise<T>;

export interface Guard {
  /** One guarded read. `ask` must stop when its signal aborts. `recordedAt` says when the source recorded the value. */
  read<T>(call: Call, request: ReadRequest, ask: Call1<T>, recordedAt?: (value: T) => Date | null): Promise<Known<T>>;
  /**
   * One guarded batch by keys; a key that is missing in the answer is `value: null`. Kept and shared per key, so a loader's
   * batches of different composition profit from each other.
   */
  readMany<V>(
    call: Call,
    request: ReadRequest,
    keys: readonly string[],
    ask: (keys: readonly string[], signal: AbortSignal) => Promise<ReadonlyMap<string, V>>,
    recordedAt?: (value: V) => Date | null,
  ): Promise<ReadonlyMap<string, Known<V | null>>>;
  /** One guarded call that changes something over there: never repeated, never shared, no matter what happens. */
  act<T>(call: Call, operation: string, ask: Call1<T>): Promise<Known<T>>;
  /** The facts of mirrored data: read at `fetchedAt` (null: never), stale when older than `fresh` milliseconds or the source is down. */
  mirrored(call: Call, fetchedAt: Date | null, recordedAt: Date | null, fresh: number): Facts;
  /** The source has called us, or pushed something: counts as a success of `operation`. */
  heard(operation: string): void;
}

/** A fact about one call to a source, told on the channel `isthmus:source:call`. */
export interface SourceCallFact {
  readonly source: string;
  readonly system: string;
  readonly operation: string;
  readonly milliseconds: number;
  readonly code: string | null;
  /** What was wrong, for the log only. */
  readonly detail: string | null;
}

interface Tools {
  readonly installation: InstallationInfo;
  readonly clock: Clock;
  readonly health: Health;
  /** Where each call is told; the host gives the diagnostics channel. */
  readonly tell: (fact: SourceCallFact) => void;
}

export function makeGuard(tools: Tools, policy: GuardPolicy = DEFAULT_POLICY): Guard {
  const { installation, clock, health } = tools;
  const places = bulkhead(policy.concurrency, policy.queue);
  const breakers = new Map<string, ReturnType<typeof newBreaker>>();
  const flights = new Map<string, Promise<Known<unknown>>>();
  const newBreaker = () =>
    circuitBreaker(
      handleWhen((error) => !(error instanceof SourceError) || error.code !== 'SOURCE_REJECTED'),
      { halfOpenAfter: policy.breaker.pause, breaker: new ConsecutiveBreaker(policy.breaker.faults) },
    );
  const breakerOf = (operation: string) => {
    let one = breakers.get(operation);
    if (!one) {
      one = newBreaker();
      breakers.set(operation, one);
    }
    return one;
  };
  health.watchBreakers((): Breaker => {
    let worst: Breaker = 'CLOSED';
    for (const one of breakers.values()) {
      if (one.state === CircuitState.Open || one.state === CircuitState.Isolated) return 'OPEN';
      if (one.state === CircuitState.HalfOpen) worst = 'HALF_OPEN';
    }
    return worst;
  });

  /** One try: a place, the breaker, the time limit. */
  async function attempt<T>(call: Call, operation: string, ask: Call1<T>): Promise<T> {
    const left = call.deadline - Date.now();
    if (left <= 0) throw timeout('the time of the whole operation was used up');
    const limit = Math.min(policy.timeout, left);
    const started = performance.now();
    let code: string | null = null;
    let detail: string | null = null;
    try {
      return await places.execute(() => breakerOf(operation).execute(() => within(limit, call.signal, ask)));
    } catch (error) {
      const named = name(error, operation);
      code = named instanceof SourceError ? named.code : 'INTERNAL';
      detail = named instanceof Error ? named.message : String(named);
      throw named;
    } finally {
      tools.tell({
        source: installation.id,
        system: installation.connector,
        operation,
        milliseconds: performance.now() - started,
        code,
        detail,
      });
    }
  }

  function name(error: unknown, operation: string): unknown {
    const fault = sourceFault(error);
    if (fault instanceof SourceError) {
      fault.source = installation.id;
      fault.operation = operation;
    }
    return fault;
  }

  async function tries<T>(call: Call, request: ReadRequest, ask: Call1<T>): Promise<T> {
    const most = request.retry === false ? 0 : policy.retries;
    for (let n = 0; ; n++) {
      try {
        const value = await attempt(call, request.operation, ask);
        health.succeeded(request.operation);
        return value;
      } catch (error) {
        health.failed(request.operation, error);
        const again = error instanceof SourceError && error.retryable && !isBroken(error) && n < most;
        const pause = 50 * 2 ** n * (0.5 + Math.random());
        if (!again || call.signal.aborted || Date.now() + pause >= call.deadline) {
          if (error instanceof SourceError) call.noted.set(installation.id, 'down');
          throw error;
        }
        await sleep(pause, call.signal);
      }
    }
  }

  const known = <T>(value: T, recordedAt: Date | null): Known<T> => ({
    value,
    facts: {
      source: installation.id,
      system: installation.connector,
      fetchedAt: clock.now(),
      recordedAt,
      stale: false,
    },
  });

  const guard: Guard = {
    async read(call, request, ask, recordedAt) {
      const run = async () => {
        const value = await tries(call, request, ask);
        return known(value, recordedAt?.(value) ?? null);
      };
      if (request.key === undefined) return run();
      const flightKey = `${request.operation}\0${request.key}`;
      const under = flights.get(flightKey) as ReturnType<typeof run> | undefined;
      if (under !== undefined) return withDeadline(under, call);
      const flight = run().finally(() => flights.delete(flightKey));
      flights.set(flightKey, flight);
      return flight;
    },
    async readMany(call, request, keys, ask, recordedAt) {
      const wanted = [...new Set(keys)];
      const all = await guard.read(
        call,
        { ...request, key: `${request.key ?? ''}\0${[...wanted].sort().join('\0')}` },
        (signal) => ask(wanted, signal),
      );
      return new Map(
        wanted.map((key) => {
          const value = all.value.get(key) ?? null;
          return [
            key,
            { value, facts: { ...all.facts, recordedAt: value === null ? null : (recordedAt?.(value) ?? null) } },
          ];
        }),
      );
    },
    async act(call, operation, ask) {
      const value = await tries(call, { operation, retry: false }, ask);
      return known(value, null);
    },
    mirrored(call, fetchedAt, recordedAt, fresh) {
      const age = fetchedAt ? clock.now().getTime() - fetchedAt.getTime() : Number.POSITIVE_INFINITY;
      const stale = age > fresh || health.state === 'DOWN';
      if (stale && !call.noted.has(installation.id)) call.noted.set(installation.id, 'stale');
      return {
        source: installation.id,
        system: installation.connector,
        fetchedAt: fetchedAt ?? new Date(0),
        recordedAt,
        stale,
      };
    },
    heard(operation) {
      health.succeeded(operation);
    },
  };
  return guard;
}

const isBroken = (error: SourceError): boolean =>
  error.cause instanceof BrokenCircuitError || error.cause instanceof BulkheadRejectedError;

const NETWORK = /^(E(CONN|HOST|NET|PIPE|AI_|NOTFOUND|ADDR)|UND_ERR_(SOCKET|CONNECT)|PROTOCOL_CONNECTION_LOST|57P0)/;
const SLOW = /^(ETIMEDOUT|ESOCKETTIMEDOUT|UND_ERR_(HEADERS|BODY)_TIMEOUT)/;

/** Any error of a source call as a `SourceError`, where it is one; faults of our own code stay what they are. */
export function sourceFault(error: unknown): unknown {
  if (error instanceof SourceError) return error;
  if (error instanceof BrokenCircuitError) return unavailable('the circuit breaker is open', error);
  if (error instanceof BulkheadRejectedError) return unavailable('too many calls wait for it already', error);
  if (error instanceof SyntaxError) return malformed(error.message, error);
  for (let one: unknown = error; one instanceof Error; one = one.cause) {
    const code = String((one as { code?: unknown }).code ?? '');
    if (SLOW.test(code)) return timeout(one.message, error);
    if (NETWORK.test(code)) return unavailable(`${code}: ${one.message}`, error);
    if (one instanceof AggregateError && one.errors.length > 0) return sourceFault(one.errors[0]);
  }
  return error;
}

/** Runs `ask` with a signal that aborts after `limit` milliseconds or with `outer`; rejects then even if `ask` does not stop. */
async function within<T>(limit: number, outer: AbortSignal, ask: Call1<T>): Promise<T> {
  const control = new AbortController();
  let late: () => void = () => undefined;
  const over = new Promise<never>((_, reject) => {
    late = () => reject(timeout(outer.aborted ? 'the caller went away' : `no answer within ${Math.round(limit)} ms`));
  });
  const abort = () => {
    late();
    control.abort();
  };
  const timer = setTimeout(abort, limit);
  if (outer.aborted) abort();
  else outer.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([ask(control.signal), over]);
  } finally {
    clearTimeout(timer);
    outer.removeEventListener('abort', abort);
  }
}

/** A shared flight, but no longer than this caller's own deadline. */
function withDeadline<T>(flight: Promise<T>, call: Call): Promise<T> {
  return within(Math.max(call.deadline - Date.now(), 0), call.signal, () => flight);
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done, { once: true });
  });
}
