/**
 * Reads and writes of one installation. A fresh reading is returned from the cache; equal reads in progress share one call; a read that
 * fails, or takes too long, is answered with the last usable reading, marked stale.
 */
import { HUB_PRINCIPAL } from '../auth/principal.ts';
import type { Call } from '../call.ts';
import { DEFAULT_GUARD_POLICY, type GuardPolicy } from '../config/sections/guard.ts';
import { SourceError } from '../errors.ts';
import { storedAgesOf } from '../monitoring/stored-age.ts';
import { type ProvenanceFacts, READ_AT, type Sourced } from '../provenance.ts';
import { CircuitBreakers } from './circuit-breaker.ts';
import { FairQueue } from './fair-queue.ts';
import {
  type Guard,
  type GuardContext,
  PartialCacheError,
  type ReadRequest,
  type SourceReadEvent,
} from './guard-types.ts';
import { ReadCache } from './read-cache.ts';
import type { CachedReading } from './read-cache-memory.ts';
import { Retry, recordCondition, type SharedCall } from './retry.ts';
import { SingleFlight } from './single-flight.ts';
import { withStaleFallback } from './timeouts.ts';

/** Creates the guard of one installation. */
export function createSourceGuard(context: GuardContext, policy: GuardPolicy = DEFAULT_GUARD_POLICY): Guard {
  const { installation, clock, health } = context;
  const queue = new FairQueue(policy, clock);
  const breakers = new CircuitBreakers(policy.breaker, clock);
  const cache = context.cache ?? new ReadCache({ ages: {}, clock });
  const storedAges = storedAgesOf(clock);
  const signal = context.signal ?? new AbortController().signal;
  health.watchBreakers(() => breakers.worstState);

  const retry = new Retry(context, policy, queue, breakers);
  const singleFlight = new SingleFlight({ signal, queue, timeout: policy.timeout });
  const publishRead = (operation: string, from: SourceReadEvent['from']) =>
    context.publishRead?.({ source: installation.id, operation, from });

  const factsOf = (
    { fetchedAt, recordedAt, [READ_AT]: readAt }: Omit<CachedReading, 'value'>,
    stale: boolean,
  ): ProvenanceFacts => ({
    source: installation.id,
    system: installation.connector,
    fetchedAt,
    ...(readAt === undefined ? {} : { [READ_AT]: readAt }),
    recordedAt,
    stale,
  });
  const readNow = <T>(value: T, recordedAt: Date | null): Sourced<T> => {
    storedAges.noticeClockChange();
    return { value, facts: factsOf({ fetchedAt: clock.now(), [READ_AT]: clock.monotonic(), recordedAt }, false) };
  };
  const fromCache = <T>(reading: CachedReading, stale: boolean): Sourced<T> => ({
    value: reading.value as T,
    facts: factsOf(reading, stale),
  });

  /** Joins the call in progress for this key, or starts one. */
  function share<T>(
    call: Call,
    request: ReadRequest,
    key: string,
    run: (call: SharedCall) => Promise<Sourced<T>>,
  ): Promise<Sourced<T>> {
    const joined = singleFlight.join<T>(call, key);
    if (joined === null) return singleFlight.start(call, key, request.type, run);
    publishRead(request.operation, 'shared');
    return joined;
  }

  /** The last usable reading, marked stale; null if there is none. */
  async function readStale<T>(call: Call, request: ReadRequest, cacheKey: string): Promise<Sourced<T> | null> {
    if (request.type === undefined) return null;
    const reading = await cache.getStale(request.type, cacheKey);
    if (reading === null) return null;
    recordCondition(call, installation.id, 'stale');
    publishRead(request.operation, 'kept');
    return fromCache<T>(reading, true);
  }

  const isDown = (operation: string): boolean => health.state === 'DOWN' || breakers.isOpen(operation);

  /** The hub's own checks and jobs do not bring the next check forward. */
  const noteUse = (call: Call): void => {
    if (health.state === 'DOWN' && call.principal !== HUB_PRINCIPAL) context.onDemand?.();
  };

  const guard: Guard = {
    async read(call, request, send, recordedAt) {
      noteUse(call);
      type T = Awaited<ReturnType<typeof send>>;
      const { type, operation, key } = request;
      const cacheKey = `${operation}\0${key ?? ''}`;
      const run = async (sharedCall: SharedCall): Promise<Sourced<T>> => {
        const epoch = type === undefined ? 0 : cache.epoch(type);
        const value = await retry.run(sharedCall, request, send);
        publishRead(operation, 'live');
        const sourced = readNow(value, recordedAt?.(value) ?? null);
        if (type !== undefined && key !== undefined) {
          cache.set(type, cacheKey, { ...sourced.facts, value }, request.about ?? null, epoch);
        }
        return sourced;
      };
      try {
        if (key === undefined) return await run(call);
        if (type === undefined) return await share(call, request, cacheKey, run);
        const fresh = cache.getFresh(type, cacheKey);
        if (fresh) {
          publishRead(operation, 'fresh');
          return fromCache<T>(fresh, false);
        }
        // Without waiting for a source that is known to be down.
        const stale = isDown(operation) ? await readStale<T>(call, request, cacheKey) : null;
        if (stale) return stale;
        const live = share(call, request, cacheKey, run);
        return await withStaleFallback(live, policy.serveStaleAfter, () => readStale<T>(call, request, cacheKey));
      } catch (error) {
        if (error instanceof SourceError && !(error instanceof PartialCacheError)) {
          const stale = key === undefined ? null : await readStale<T>(call, request, cacheKey);
          if (stale) return stale;
          recordCondition(call, installation.id, 'down');
        }
        throw error;
      }
    },
    async readMany(call, request, keys, send, recordedAt) {
      noteUse(call);
      type V = typeof send extends (
        keys: readonly string[],
        signal: AbortSignal,
      ) => Promise<ReadonlyMap<string, infer U>>
        ? U
        : never;
      const { operation, type } = request;
      const distinctKeys = [...new Set(keys)];
      const cacheKey = (key: string) => `${operation}\0${request.key ?? ''}\0${key}`;
      const found = new Map<string, Sourced<V | null>>();
      for (const key of type === undefined ? [] : distinctKeys) {
        const fresh = cache.getFresh(type as string, cacheKey(key));
        if (fresh) found.set(key, fromCache<V | null>(fresh, false));
      }
      if (found.size > 0) publishRead(operation, 'fresh');
      const missing = distinctKeys.filter((key) => !found.has(key));
      if (missing.length === 0) return found;
      const valueOfKey = (batch: Sourced<ReadonlyMap<string, V>>, key: string): Sourced<V | null> => {
        const value = batch.value.get(key) ?? null;
        return {
          value,
          facts: { ...batch.facts, recordedAt: value === null ? null : (recordedAt?.(value) ?? null) },
        };
      };
      const run = async (sharedCall: SharedCall): Promise<Sourced<ReadonlyMap<string, V>>> => {
        const epoch = type === undefined ? 0 : cache.epoch(type);
        const batch = readNow(await retry.run(sharedCall, request, (signal) => send(missing, signal)), null);
        publishRead(operation, 'live');
        for (const key of type === undefined ? [] : missing) {
          const { value, facts } = valueOfKey(batch, key);
          const about = request.about === undefined ? [key] : request.about;
          cache.set(type as string, cacheKey(key), { ...facts, value }, about, epoch);
        }
        return batch;
      };
      /** The usable readings of the missing keys; null if there is none. */
      const readStaleValues = async (): Promise<Map<string, Sourced<V | null>> | null> => {
        const readings = await Promise.all(
          missing.map(async (key) => [key, await readStale<V | null>(call, request, cacheKey(key))] as const),
        );
        const usable = new Map(readings.flatMap(([key, reading]) => (reading ? [[key, reading] as const] : [])));
        return usable.size > 0 ? usable : null;
      };
      /** The same, but null unless every missing key has one. */
      const readAllStale = async (): Promise<Map<string, Sourced<V | null>> | null> => {
        const stale = await readStaleValues();
        return stale?.size === missing.length ? stale : null;
      };
      const withFound = (values: ReadonlyMap<string, Sourced<V | null>>) => {
        for (const [key, value] of values) found.set(key, value);
        return found;
      };
      try {
        const stale = type !== undefined && isDown(operation) ? await readAllStale() : null;
        if (stale) return withFound(stale);
        const flightKey = `${cacheKey('')}${[...missing].sort().join('\0')}`;
        const live = share(call, request, flightKey, run).then(
          (batch) => new Map(missing.map((key) => [key, valueOfKey(batch, key)])),
        );
        return withFound(
          type === undefined ? await live : await withStaleFallback(live, policy.serveStaleAfter, readAllStale),
        );
      } catch (error) {
        if (!(error instanceof SourceError)) throw error;
        const stale = await readStaleValues();
        if (stale?.size === missing.length) return withFound(stale);
        recordCondition(call, installation.id, 'down');
        throw stale || found.size > 0 ? new PartialCacheError(error, withFound(stale ?? new Map())) : error;
      }
    },
    async write(call, operation, send) {
      noteUse(call);
      try {
        const value = await retry.run(call, { operation, retry: false }, send);
        return readNow(value, null);
      } catch (error) {
        if (error instanceof SourceError) recordCondition(call, installation.id, 'down');
        throw error;
      } finally {
        cache.clearFresh();
        singleFlight.detachAll();
      }
    },
    mirrorFacts(call, fetchedAt, recordedAt, fresh) {
      noteUse(call);
      const stale = fetchedAt === null || storedAges.ageOf(fetchedAt) > fresh || health.state === 'DOWN';
      if (stale) recordCondition(call, installation.id, 'stale');
      return factsOf({ fetchedAt: fetchedAt ?? new Date(0), recordedAt }, stale);
    },
    recordPush(operation) {
      health.recordSuccess(operation);
      if (health.state === 'DOWN') context.onDemand?.();
    },
    invalidate(events) {
      // Calls in progress may have read before the events.
      singleFlight.detach(cache.invalidate(events));
    },
    recordRecovery() {
      breakers.forgetIdle();
    },
    load: () => ({ queued: queue.queued, running: queue.running }),
  };
  return guard;
}
