import { describe, expect, test } from 'vitest';
import { ANONYMOUS } from '../auth/principal.ts';
import { systemClock } from '../clock.ts';
import { type CacheAges, DEFAULT_GUARD_POLICY, type GuardPolicy } from '../config/sections/guard.ts';
import { rejected, SourceError, unavailable } from '../errors.ts';
import { hubCall } from '../host/services.ts';
import { loader } from '../loader.ts';
import { Health } from '../monitoring/health.ts';
import { clockFrom } from '../testing/test-clock.ts';
import type { SourceCallEvent } from './guard-types.ts';
import { ReadCache, type ReadCacheStore } from './read-cache.ts';
import type { CachedReading } from './read-cache-memory.ts';
import { createSourceGuard } from './source-guard.ts';

const clock = systemClock;

function createGuard(policy: Partial<GuardPolicy> = {}) {
  const health = new Health(clock);
  const events: SourceCallEvent[] = [];
  const guard = createSourceGuard(
    {
      installation: { id: 'test', connector: 'parking', park: 'lakeside', zone: 'UTC' },
      clock,
      health,
      publishCall: (event) => events.push(event),
    },
    { ...DEFAULT_GUARD_POLICY, timeout: 100, ...policy },
  );
  return { guard, health, events };
}
const call = (time = 2_000) => hubCall(time, new AbortController().signal);
const never = () => new Promise<never>(() => undefined);

describe('source guard', () => {
  test('returns a value with its source and the time of its recording', async () => {
    const { guard } = createGuard();
    const known = await guard.read(
      call(),
      { operation: 'lots' },
      async () => 7,
      () => new Date(5),
    );
    expect(known).toMatchObject({
      value: 7,
      facts: { source: 'test', system: 'parking', stale: false, recordedAt: new Date(5) },
    });
  });

  test('reports the use of a source that is down by callers and by the source itself, not by the hub', async () => {
    const health = new Health(clock);
    let uses = 0;
    const guard = createSourceGuard({
      installation: { id: 'test', connector: 'parking', zone: 'Asia/Shanghai', park: 'lakeside' },
      ...{ clock, health, publishCall: () => undefined, onDemand: () => uses++ },
    });
    const caller = { ...call(), principal: ANONYMOUS };
    expect(health.state).toBe('DOWN');
    await guard.read(call(), { operation: 'check' }, async () => 1);
    guard.mirrorFacts(call(), null, null, 1_000);
    expect(uses).toBe(0);
    await guard.read(caller, { operation: 'lots' }, async () => 1);
    await guard.readMany(caller, { operation: 'lots' }, ['a'], async () => new Map());
    await guard.write(caller, 'grant', async () => 1);
    guard.mirrorFacts(caller, null, null, 1_000);
    guard.recordPush('webhook');
    expect(uses).toBe(5);
    health.recordCheck(null);
    await guard.read(caller, { operation: 'lots' }, async () => 1);
    guard.recordPush('webhook');
    expect(uses).toBe(5);
  });

  test('rejects with SOURCE_TIMEOUT within the deadline, even if the request ignores its signal', async () => {
    const { guard } = createGuard({ retries: 5 });
    const started = performance.now();
    const at = call(250);
    await expect(guard.read(at, { operation: 'lots' }, never)).rejects.toMatchObject({
      code: 'SOURCE_TIMEOUT',
      source: 'test',
    });
    expect(performance.now() - started).toBeLessThan(1_000);
    expect(at.sourceConditions.get('test')).toBe('down');
  });

  test('retries a retryable error, but no rejection and no write', async () => {
    const { guard } = createGuard();
    let attempts = 0;
    const flaky = async () => {
      if (++attempts === 1) throw unavailable('reset');
      return 'ok';
    };
    expect((await guard.read(call(), { operation: 'lots' }, flaky)).value).toBe('ok');
    attempts = 0;
    const reject = async () => {
      attempts++;
      throw rejected('no');
    };
    await expect(guard.read(call(), { operation: 'lots' }, reject)).rejects.toMatchObject({ code: 'SOURCE_REJECTED' });
    expect(attempts).toBe(1);
    attempts = 0;
    await expect(guard.write(call(), 'grant', flaky)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    expect(attempts).toBe(1);
  });

  test('equal reads in progress share one call', async () => {
    const { guard } = createGuard();
    let calls = 0;
    const send = async () => {
      calls++;
      await new Promise((resolve) => setTimeout(resolve, 20));
      return calls;
    };
    const both = await Promise.all([1, 2].map(() => guard.read(call(), { operation: 'lots', key: 'a' }, send)));
    expect([calls, both[1]?.value]).toEqual([1, 1]);
  });

  test('the circuit breaker opens after consecutive failures and closes after a successful trial', async () => {
    const { guard, health } = createGuard({ retries: 0, breaker: { failureThreshold: 2, openDuration: 60 } });
    const fail = async () => {
      throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    };
    for (let n = 0; n < 2; n++)
      await expect(guard.read(call(), { operation: 'lots' }, fail)).rejects.toBeInstanceOf(SourceError);
    expect(health.snapshot().breaker).toBe('OPEN');
    let sent = false;
    const probe = async () => {
      sent = true;
      return 1;
    };
    await expect(guard.read(call(), { operation: 'lots' }, probe)).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
    });
    expect(sent).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect((await guard.read(call(), { operation: 'lots' }, probe)).value).toBe(1);
    expect(health.snapshot().breaker).toBe('CLOSED');
  });

  test('slow responses open the circuit breaker and are reported to the caller; fast ones are not', async () => {
    const read = async (slow: number) => {
      const { guard, health } = createGuard({ slow, breaker: { failureThreshold: 2, openDuration: 5_000 } });
      const at = call();
      for (let n = 0; n < 2; n++) await guard.read(at, { operation: 'lots' }, async () => n);
      return [health.snapshot().breaker, at.sourceConditions.get('test')];
    };
    // Every call takes longer than 0, and none takes a hundred times the timeout.
    expect(await read(0)).toEqual(['OPEN', 'slow']);
    expect(await read(100)).toEqual(['CLOSED', undefined]);
  });

  test('fair queue: limits concurrent calls and rejects a call when the queue is full', async () => {
    const { guard } = createGuard({ concurrency: 2, queue: 1, timeout: 1_000 });
    let running = 0;
    let maxRunning = 0;
    const send = async () => {
      maxRunning = Math.max(maxRunning, ++running);
      await new Promise((resolve) => setTimeout(resolve, 30));
      running--;
    };
    const all = await Promise.allSettled(
      [1, 2, 3, 4].map((n) => guard.read(call(), { operation: 'lots', key: String(n) }, send)),
    );
    expect(maxRunning).toBe(2);
    expect(all.filter((one) => one.status === 'rejected')).toHaveLength(1);
  });

  test('mirrored data is stale when old or when the source is down', () => {
    const { guard, health } = createGuard();
    health.recordCheck(null);
    expect(guard.mirrorFacts(call(), new Date(), null, 1_000).stale).toBe(false);
    expect(guard.mirrorFacts(call(), new Date(0), null, 1_000).stale).toBe(true);
    health.recordCheck(unavailable('connection refused'));
    const at = call();
    expect(guard.mirrorFacts(at, new Date(), null, 1_000).stale).toBe(true);
    expect(at.sourceConditions.get('test')).toBe('stale');
  });
});

describe('reads with a cache', () => {
  let now = 0;
  const clockAtNow = clockFrom(() => new Date(now));
  const cachedGuard = (of: Partial<CacheAges> = {}, policy: Partial<GuardPolicy> = {}, store?: ReadCacheStore) => {
    now = 1_000_000;
    const health = new Health(clockAtNow);
    health.recordCheck(null);
    const cache = new ReadCache({
      ages: { Lot: { fresh: 1_000, usable: 60_000, changedBy: ['VEHICLE_ENTERED'], ...of } },
      clock: clockAtNow,
      ...(store ? { store } : {}),
    });
    const guard = createSourceGuard(
      {
        installation: { id: 'test', connector: 'parking', park: 'lakeside', zone: 'UTC' },
        clock: clockAtNow,
        health,
        publishCall: () => undefined,
        cache,
      },
      { ...DEFAULT_GUARD_POLICY, timeout: 100, serveStaleAfter: 30, retries: 0, ...policy },
    );
    let calls = 0;
    const source = { respond: async (): Promise<unknown> => 7 };
    const read = (at = call()) =>
      guard.read(at, { operation: 'lots', key: '', type: 'Lot' }, () => {
        calls++;
        return source.respond();
      });
    return { guard, cache, health, read, source, calls: () => calls };
  };
  const fail = async () => {
    throw unavailable('connection refused');
  };

  test('read cache: returns a fresh reading; reads again after a concerning event, after a write and when it is old', async () => {
    const { guard, read, source, calls } = cachedGuard();
    await read();
    source.respond = async () => 8;
    expect((await read()).value).toBe(7);
    guard.invalidate([{ kind: 'OCCUPANCY_CHANGED' }]);
    expect([(await read()).value, calls()]).toEqual([7, 1]);
    guard.invalidate([{ kind: 'VEHICLE_ENTERED' }]);
    expect([(await read()).value, calls()]).toEqual([8, 2]);
    await guard.write(call(), 'grant', async () => 1);
    await read();
    expect(calls()).toBe(3);
    now += 1_000;
    await read();
    expect(calls()).toBe(4);
  });

  test('read cache: a reading that started before an event is neither fresh nor shared after it', async () => {
    const { guard, read, source, calls } = cachedGuard();
    let resolveRead: (value: unknown) => void = () => undefined;
    source.respond = () => new Promise((resolve) => (resolveRead = resolve));
    const before = read();
    guard.invalidate([{ kind: 'VEHICLE_ENTERED' }]);
    source.respond = async () => 'after';
    expect((await read()).value).toBe('after');
    resolveRead('before');
    await before;
    guard.invalidate([{ kind: 'VEHICLE_ENTERED' }]);
    await read();
    expect(calls()).toBe(3);
  });

  test('read cache: returns a stale reading while the source fails, up to the usable age', async () => {
    const { read, source } = cachedGuard();
    await read();
    source.respond = fail;
    now += 5_000;
    const at = call();
    expect(await read(at)).toMatchObject({ value: 7, facts: { stale: true, fetchedAt: new Date(1_000_000) } });
    expect(at.sourceConditions.get('test')).toBe('stale');
    now += 60_000;
    const late = call();
    await expect(read(late)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    expect(late.sourceConditions.get('test')).toBe('down');
  });

  test('source guard: returns a stale reading after serveStaleAfter, and without a call to a source that is down', async () => {
    const { read, source, health, calls } = cachedGuard({}, { timeout: 2_000 });
    await read();
    now += 5_000;
    source.respond = never;
    expect((await read()).facts.stale).toBe(true);
    health.recordCheck(unavailable('connection refused'));
    const before = calls();
    expect((await read()).facts.stale).toBe(true);
    expect(calls()).toBe(before);
  });

  test('timeouts: a pause of this process does not count as a slow source', async () => {
    const { read, source, health } = cachedGuard({}, { timeout: 200, serveStaleAfter: 100 });
    await read();
    now += 5_000;
    // The response needs some turns of the event loop, and the process is blocked for longer than the timeout.
    source.respond = async () => {
      for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
      return 8;
    };
    setImmediate(() => {
      for (const end = performance.now() + 400; performance.now() < end; );
    });
    expect(await read()).toMatchObject({ value: 8, facts: { stale: false } });
    expect(health.snapshot().errors).toBe(0);
  });

  test('source guard: caches each key of a batch: cached keys are returned, the others are errors', async () => {
    const { guard } = cachedGuard();
    let isDown = false;
    const loadMany = (keys: readonly string[]) =>
      loader((wanted) =>
        guard.readMany(call(), { operation: 'cars', type: 'Lot' }, wanted, async (some) => {
          if (isDown) throw unavailable('connection refused');
          return new Map(some.map((key) => [key, `car ${key}`]));
        }),
      ).loadMany(keys);
    expect((await loadMany(['a', 'b'])).map((one) => one?.facts.stale)).toEqual([false, false]);
    isDown = true;
    now += 5_000;
    expect(await loadMany(['b', 'a'])).toMatchObject([
      { value: 'car b', facts: { stale: true, fetchedAt: new Date(1_000_000) } },
      { value: 'car a', facts: { stale: true, fetchedAt: new Date(1_000_000) } },
    ]);
    const [a, c] = await Promise.allSettled([loadMany(['a']), loadMany(['a', 'c'])]);
    expect([a.status, c.status]).toEqual(['fulfilled', 'rejected']);
  });

  test('read cache: durable readings survive a restart', async () => {
    const rows = new Map<string, CachedReading>();
    const store: ReadCacheStore = {
      find: async (key) => rows.get(key) ?? null,
      save: async (all) => {
        for (const [key, one] of all) rows.set(key, one);
      },
    };
    const first = cachedGuard({ durable: true }, {}, store);
    await first.read();
    await first.cache.flush();
    const second = cachedGuard({ durable: true }, {}, store);
    second.source.respond = fail;
    expect(await second.read()).toMatchObject({ value: 7, facts: { stale: true } });
    // A reading of another process may be out of date: it is used while the source fails, but never as fresh.
    expect(await second.read()).toMatchObject({ value: 7, facts: { stale: true } });
    expect(second.calls()).toBe(2);
  });
});

test('fair queue: limits the calls per second and rejects calls that wait beyond their deadline', async () => {
  const { guard, health } = createGuard({ rate: 5, queue: 20, retries: 0, timeout: 3_000 });
  const startedAt: number[] = [];
  const all = await Promise.allSettled(
    Array.from({ length: 40 }, (_, n) =>
      guard.read(call(2_400), { operation: 'lots', key: String(n) }, async () => {
        startedAt.push(performance.now());
        return n;
      }),
    ),
  );
  for (let n = 5; n < startedAt.length; n++)
    expect((startedAt[n] ?? 0) - (startedAt[n - 5] ?? 0)).toBeGreaterThanOrEqual(999);
  expect(startedAt.length).toBeGreaterThanOrEqual(10);
  expect(all.filter((one) => one.status === 'fulfilled')).toHaveLength(startedAt.length);
  expect(health.snapshot().breaker).toBe('CLOSED');
});
