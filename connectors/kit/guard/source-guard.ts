/** The guard at work: what is fresh is answered at once, what is asked already is shared, what fails is answered from what was read last. */

import type { Call } from '../connector.ts';
import { SourceError } from '../errors.ts';
import { type Facts, type Known, READ_AT } from '../provenance.ts';
import { momentsOf } from '../stored-age.ts';
import { Breakers } from './circuit-breaker.ts';
import { Gate } from './fair-queue.ts';
import {
  DEFAULT_POLICY,
  type Guard,
  type GuardPolicy,
  type GuardTools,
  PartlyKept,
  type ReadRequest,
  type SourceAnswerFact,
} from './guard.ts';
import { Kept, type KeptValue } from './read-cache.ts';
import { Attempts, note, type SharedCall } from './retry.ts';
import { Flights } from './single-flight.ts';
import { patiently } from './timeouts.ts';

export function makeGuard(tools: GuardTools, policy: GuardPolicy = DEFAULT_POLICY): Guard {
  const { installation, clock, health } = tools;
  const gate = new Gate(policy, clock);
  const breakers = new Breakers(policy.breaker, clock);
  const kept = tools.kept ?? new Kept({ policies: {}, clock });
  const moments = momentsOf(clock);
  const life = tools.signal ?? new AbortController().signal;
  health.watchBreakers(() => breakers.worst);

  const attempts = new Attempts(tools, policy, gate, breakers);
  const flights = new Flights({ life, gate, timeout: policy.timeout });
  const told = (operation: string, from: SourceAnswerFact['from']) =>
    tools.answered?.({ source: installation.id, operation, from });

  const facts = ({ fetchedAt, recordedAt, [READ_AT]: readAt }: Omit<KeptValue, 'value'>, stale: boolean): Facts => ({
    source: installation.id,
    system: installation.connector,
    fetchedAt,
    ...(readAt === undefined ? {} : { [READ_AT]: readAt }),
    recordedAt,
    stale,
  });
  const known = <T>(value: T, recordedAt: Date | null): Known<T> => {
    moments.look();
    return { value, facts: facts({ fetchedAt: clock.now(), [READ_AT]: clock.monotonic(), recordedAt }, false) };
  };
  const shown = <T>(one: KeptValue, stale: boolean): Known<T> => ({
    value: one.value as T,
    facts: facts(one, stale),
  });

  /** The answer of the call that equal readers share, begun by the first of them. */
  function flight<T>(call: Call, request: ReadRequest, key: string, run: (call: SharedCall) => Promise<Known<T>>) {
    const joined = flights.join<T>(call, key);
    if (joined === null) return flights.begin(call, key, request.type, run);
    told(request.operation, 'shared');
    return joined;
  }

  /** What was read last, where the policy allows its age, marked; null otherwise. */
  async function lastKnown<T>(call: Call, request: ReadRequest, keptKey: string): Promise<Known<T> | null> {
    if (request.type === undefined) return null;
    const one = await kept.usable(request.type, keptKey);
    if (one === null) return null;
    note(call, installation.id, 'stale');
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
        const value = await attempts.tries(at, request, ask);
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
          note(call, installation.id, 'down');
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
        const all = known(await attempts.tries(at, request, (signal) => ask(missing, signal)), null);
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
        note(call, installation.id, 'down');
        throw some || found.size > 0 ? new PartlyKept(error, add(some ?? new Map())) : error;
      }
    },
    async act(call, operation, ask) {
      try {
        const value = await attempts.tries(call, { operation, retry: false }, ask);
        return known(value, null);
      } catch (error) {
        if (error instanceof SourceError) note(call, installation.id, 'down');
        throw error;
      } finally {
        kept.acted();
        flights.forgetAll();
      }
    },
    mirrored(call, fetchedAt, recordedAt, fresh) {
      const stale = fetchedAt === null || moments.age(fetchedAt) > fresh || health.state === 'DOWN';
      if (stale) note(call, installation.id, 'stale');
      return facts({ fetchedAt: fetchedAt ?? new Date(0), recordedAt }, stale);
    },
    heard(operation) {
      health.succeeded(operation);
    },
    changed(events) {
      // What is under way may have been read before the event.
      flights.forget(kept.changed(events));
    },
    healed() {
      breakers.healed();
    },
    load: () => ({ waiting: gate.waiting, under: gate.under }),
  };
  return guard;
}
