/** The guard at work. */
import { setMaxListeners } from 'node:events';
import { Breakers, type Timed } from './breakers.ts';
import type { Call, Noted } from './connector.ts';
import { SourceError, sourceFault } from './errors.ts';
import type { Facts, Known } from './facts.ts';
import { Gate } from './gate.ts';
import {
  type Call1,
  DEFAULT_POLICY,
  type Guard,
  type GuardPolicy,
  type GuardTools,
  PartlyKept,
  type ReadRequest,
  type SourceAnswerFact,
} from './guard.ts';
import { Kept, type KeptValue } from './kept.ts';
import { callerOf } from './principal.ts';
import { outOfTime, patiently, sleep, withDeadline, within } from './waiting.ts';

/** What is under way for equal readers, and what it is of. */
interface Flight {
  readonly answer: Promise<Known<unknown>>;
  readonly type: string | undefined;
  /** Who waits for it. */
  readonly askers: Set<string>;
}

/** A call on behalf of all who share it. */
type SharedCall = Call & { readonly askers?: ReadonlySet<string> };

export function makeGuard(tools: GuardTools, policy: GuardPolicy = DEFAULT_POLICY): Guard {
  const { installation, clock, health } = tools;
  const gate = new Gate(policy);
  const breakers = new Breakers(policy.breaker);
  const kept = tools.kept ?? new Kept({ policies: {}, now: () => clock.now() });
  const flights = new Map<string, Flight>();
  const life = tools.signal ?? new AbortController().signal;
  // Every call under way listens to it; they are as many as the gate lets in.
  setMaxListeners(0, life);
  health.watchBreakers(() => breakers.worst);

  const note = (call: Call, how: Noted): void => {
    const worse = { slow: 0, stale: 1, down: 2 };
    const before = call.noted.get(installation.id);
    if (before === undefined || worse[how] > worse[before]) call.noted.set(installation.id, how);
  };
  const told = (operation: string, from: SourceAnswerFact['from']) =>
    tools.answered?.({ source: installation.id, operation, from });

  /** One try: a place, the breaker, the time limit. */
  async function attempt<T>(call: SharedCall, operation: string, ask: Call1<T>): Promise<T> {
    const started = performance.now();
    let code: string | null = null;
    let detail: string | null = null;
    let waited: number | null = null;
    try {
      const left = call.deadline - Date.now();
      if (left <= 0) throw outOfTime('the time of the whole operation was used up');
      const timed = await breakers.execute<T>(operation, async (): Promise<Timed<T>> => {
        const leave = await within(
          left,
          call.signal,
          (signal) => gate.enter(signal, operation === 'check', call.askers ?? new Set([callerOf(call.principal)])),
          true,
        );
        call.calls?.set(installation.id, (call.calls.get(installation.id) ?? 0) + 1);
        const began = performance.now();
        waited = began - started;
        try {
          const rest = call.deadline - Date.now();
          const value = await within(Math.min(policy.timeout, rest), call.signal, ask, rest < policy.timeout / 2);
          return { value, slow: performance.now() - began > policy.slow * policy.timeout };
        } finally {
          leave();
        }
      });
      if (timed.slow) note(call, 'slow');
      return timed.value;
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
        waited,
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

  async function tries<T>(call: SharedCall, request: ReadRequest, ask: Call1<T>): Promise<T> {
    const most = request.retry === false ? 0 : policy.retries;
    for (let n = 0; ; n++) {
      try {
        const value = await attempt(call, request.operation, ask);
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
          !breakers.isOpen(request.operation);
        if (!again || call.signal.aborted || Date.now() + pause >= call.deadline) throw error;
        await sleep(pause, call.signal);
      }
    }
  }

  const facts = (fetchedAt: Date, recordedAt: Date | null, stale: boolean): Facts => ({
    source: installation.id,
    system: installation.connector,
    fetchedAt,
    recordedAt,
    stale,
  });
  const known = <T>(value: T, recordedAt: Date | null): Known<T> => ({
    value,
    facts: facts(clock.now(), recordedAt, false),
  });
  const shown = <T>(one: KeptValue, stale: boolean): Known<T> => ({
    value: one.value as T,
    facts: facts(one.fetchedAt, one.recordedAt, stale),
  });

  /**
   * A call that all equal readers share: it ends with the installation, not with the reader who came first. Its own time is
   * that of the reader who began it, but at least that of one call.
   */
  function flight<T>(
    call: Call,
    request: ReadRequest,
    flightKey: string,
    run: (call: SharedCall) => Promise<Known<T>>,
  ) {
    const who = callerOf(call.principal);
    const under = flights.get(flightKey);
    if (under !== undefined) {
      told(request.operation, 'shared');
      if (!under.askers.has(who)) {
        // It may wait for the turn of somebody who has had more than this one.
        under.askers.add(who);
        gate.asked();
      }
      return withDeadline(under.answer as Promise<Known<T>>, call);
    }
    const askers = new Set([who]);
    const deadline = Math.max(call.deadline, Date.now() + policy.timeout);
    const answer = run({ ...call, deadline, signal: life, askers });
    const one: Flight = { answer, type: request.type, askers };
    flights.set(flightKey, one);
    const land = () => {
      if (flights.get(flightKey) === one) flights.delete(flightKey);
    };
    answer.then(land, land);
    return withDeadline(answer, call);
  }

  /** What was read last, where the policy allows its age, marked; null otherwise. */
  async function lastKnown<T>(call: Call, request: ReadRequest, keptKey: string): Promise<Known<T> | null> {
    if (request.type === undefined) return null;
    const one = await kept.usable(request.type, keptKey);
    if (one === null) return null;
    note(call, 'stale');
    told(request.operation, 'kept');
    return shown<T>(one, true);
  }

  const dark = (operation: string): boolean => health.state === 'DOWN' || breakers.isOpen(operation);

  const guard: Guard = {
    async read(call, request, ask, recordedAt) {
      type T = Awaited<ReturnType<typeof ask>>;
      const { type, operation, key } = request;
      const keptKey = `${operation}\0${key ?? ''}`;
      const run = async (at: SharedCall): Promise<Known<T>> => {
        const epoch = type === undefined ? 0 : kept.epoch(type);
        const value = await tries(at, request, ask);
        told(operation, 'live');
        const made = known(value, recordedAt?.(value) ?? null);
        if (type !== undefined && key !== undefined) {
          kept.put(type, keptKey, { ...made.facts, value }, request.about ?? null, epoch);
        }
        return made;
      };
      try {
        if (key === undefined) return await run(call);
        if (type === undefined) return await flight(call, request, keptKey, run);
        const young = kept.fresh(type, keptKey);
        if (young) {
          told(operation, 'fresh');
          return shown<T>(young, false);
        }
        // A source that is known to be dark is not waited for while there is something to show.
        const before = dark(operation) ? await lastKnown<T>(call, request, keptKey) : null;
        if (before) return before;
        const live = flight(call, request, keptKey, run);
        return await patiently(live, policy.patience, () => lastKnown<T>(call, request, keptKey));
      } catch (error) {
        if (error instanceof SourceError && !(error instanceof PartlyKept)) {
          const last = key === undefined ? null : await lastKnown<T>(call, request, keptKey);
          if (last) return last;
          note(call, 'down');
        }
        throw error;
      }
    },
    async readMany(call, request, keys, ask, recordedAt) {
      type V = typeof ask extends (
        keys: readonly string[],
        signal: AbortSignal,
      ) => Promise<ReadonlyMap<string, infer U>>
        ? U
        : never;
      const { operation, type } = request;
      const wanted = [...new Set(keys)];
      const keptKey = (key: string) => `${operation}\0${request.key ?? ''}\0${key}`;
      const found = new Map<string, Known<V | null>>();
      for (const key of type === undefined ? [] : wanted) {
        const young = kept.fresh(type as string, keptKey(key));
        if (young) found.set(key, shown<V | null>(young, false));
      }
      if (found.size > 0) told(operation, 'fresh');
      const missing = wanted.filter((key) => !found.has(key));
      if (missing.length === 0) return found;
      const each = (all: Known<ReadonlyMap<string, V>>, key: string): Known<V | null> => {
        const value = all.value.get(key) ?? null;
        return {
          value,
          facts: { ...all.facts, recordedAt: value === null ? null : (recordedAt?.(value) ?? null) },
        };
      };
      const run = async (at: SharedCall): Promise<Known<ReadonlyMap<string, V>>> => {
        const epoch = type === undefined ? 0 : kept.epoch(type);
        const all = known(await tries(at, request, (signal) => ask(missing, signal)), null);
        told(operation, 'live');
        for (const key of type === undefined ? [] : missing) {
          const { value, facts: of } = each(all, key);
          kept.put(
            type as string,
            keptKey(key),
            { ...of, value },
            request.about === undefined ? [key] : request.about,
            epoch,
          );
        }
        return all;
      };
      /** Those of the missing that are kept; null when not one is. */
      const keptOnes = async (): Promise<Map<string, Known<V | null>> | null> => {
        const all = await Promise.all(
          missing.map(async (key) => [key, await lastKnown<V | null>(call, request, keptKey(key))] as const),
        );
        const some = new Map(all.flatMap(([key, one]) => (one ? [[key, one] as const] : [])));
        return some.size > 0 ? some : null;
      };
      const whole = async (): Promise<Map<string, Known<V | null>> | null> => {
        const some = await keptOnes();
        return some?.size === missing.length ? some : null;
      };
      const add = (more: ReadonlyMap<string, Known<V | null>>) => {
        for (const [key, one] of more) found.set(key, one);
        return found;
      };
      try {
        const before = type !== undefined && dark(operation) ? await whole() : null;
        if (before) return add(before);
        const flightKey = `${keptKey('')}${[...missing].sort().join('\0')}`;
        const live = flight(call, request, flightKey, run).then(
          (all) => new Map(missing.map((key) => [key, each(all, key)])),
        );
        return add(type === undefined ? await live : await patiently(live, policy.patience, whole));
      } catch (error) {
        if (!(error instanceof SourceError)) throw error;
        const some = await keptOnes();
        if (some?.size === missing.length) return add(some);
        note(call, 'down');
        throw some || found.size > 0 ? new PartlyKept(error, add(some ?? new Map())) : error;
      }
    },
    async act(call, operation, ask) {
      try {
        const value = await tries(call, { operation, retry: false }, ask);
        return known(value, null);
      } catch (error) {
        if (error instanceof SourceError) note(call, 'down');
        throw error;
      } finally {
        kept.acted();
        flights.clear();
      }
    },
    mirrored(call, fetchedAt, recordedAt, fresh) {
      const age = fetchedAt ? clock.now().getTime() - fetchedAt.getTime() : Number.POSITIVE_INFINITY;
      const stale = age > fresh || health.state === 'DOWN';
      if (stale) note(call, 'stale');
      return facts(fetchedAt ?? new Date(0), recordedAt, stale);
    },
    heard(operation) {
      health.succeeded(operation);
    },
    changed(events) {
      const types = kept.changed(events);
      // What is under way may have been read before the event.
      for (const [key, one] of flights) if (one.type !== undefined && types.has(one.type)) flights.delete(key);
    },
    healed() {
      breakers.healed();
    },
    load: () => ({ waiting: gate.waiting, under: gate.under }),
  };
  return guard;
}
