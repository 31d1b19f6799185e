import { describe, expect, test } from 'vitest';
import { systemClock } from '../clock.ts';
import { rejected, SourceError, unavailable } from '../errors.ts';
import { Health } from '../health.ts';
import { hubCall } from '../host/services.ts';
import { loader } from '../loader.ts';
import { clockOf } from '../testing/test-clock.ts';
import { DEFAULT_POLICY, type GuardPolicy, type SourceCallFact } from './guard.ts';
import { type Keeping, Kept, type KeptStore, type KeptValue } from './read-cache.ts';
import { makeGuard } from './source-guard.ts';

const clock = systemClock;

function guarded(policy: Partial<GuardPolicy> = {}) {
  const health = new Health(clock);
  const facts: SourceCallFact[] = [];
  const guard = makeGuard(
    {
      installation: { id: 'test', connector: 'parking', park: 'lakeside' },
      clock,
      health,
      tell: (fact) => facts.push(fact),
    },
    { ...DEFAULT_POLICY, timeout: 100, ...policy },
  );
  return { guard, health, facts };
}
const call = (time = 2_000) => hubCall(time, new AbortController().signal);
const never = () => new Promise<never>(() => undefined);

describe('guard', () => {
  test('a value carries its facts', async () => {
    const { guard } = guarded();
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

  test('a slow source is SOURCE_TIMEOUT within the deadline, even if it ignores its signal', async () => {
    const { guard } = guarded({ retries: 5 });
    const started = performance.now();
    const at = call(250);
    await expect(guard.read(at, { operation: 'lots' }, never)).rejects.toMatchObject({
      code: 'SOURCE_TIMEOUT',
      source: 'test',
    });
    expect(performance.now() - started).toBeLessThan(1_000);
    expect(at.noted.get('test')).toBe('down');
  });

  test('a fault that may pass is tried again, a refusal and a change are not', async () => {
    const { guard } = guarded();
    let tries = 0;
    const flaky = async () => {
      if (++tries === 1) throw unavailable('reset');
      return 'ok';
    };
    expect((await guard.read(call(), { operation: 'lots' }, flaky)).value).toBe('ok');
    tries = 0;
    const refuse = async () => {
      tries++;
      throw rejected('no');
    };
    await expect(guard.read(call(), { operation: 'lots' }, refuse)).rejects.toMatchObject({ code: 'SOURCE_REJECTED' });
    expect(tries).toBe(1);
    tries = 0;
    await expect(guard.act(call(), 'grant', flaky)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    expect(tries).toBe(1);
  });

  test('equal reads under way share one call', async () => {
    const { guard } = guarded();
    let calls = 0;
    const ask = async () => {
      calls++;
      await new Promise((resolve) => setTimeout(resolve, 20));
      return calls;
    };
    const both = await Promise.all([1, 2].map(() => guard.read(call(), { operation: 'lots', key: 'a' }, ask)));
    expect([calls, both[1]?.value]).toEqual([1, 1]);
  });

  test('the breaker opens after faults in a row, and heals', async () => {
    const { guard, health } = guarded({ retries: 0, breaker: { faults: 2, pause: 60 } });
    const fail = async () => {
      throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    };
    for (let n = 0; n < 2; n++)
      await expect(guard.read(call(), { operation: 'lots' }, fail)).rejects.toBeInstanceOf(SourceError);
    expect(health.snapshot().breaker).toBe('OPEN');
    let asked = false;
    const probe = async () => {
      asked = true;
      return 1;
    };
    await expect(guard.read(call(), { operation: 'lots' }, probe)).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
    });
    expect(asked).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect((await guard.read(call(), { operation: 'lots' }, probe)).value).toBe(1);
    expect(health.snapshot().breaker).toBe('CLOSED');
  });

  test('slow answers open the breaker like faults, and are noted for the caller; quick ones do not', async () => {
    const read = async (slow: number) => {
      const { guard, health } = guarded({ slow, breaker: { faults: 2, pause: 5_000 } });
      const at = call();
      for (let n = 0; n < 2; n++) await guard.read(at, { operation: 'lots' }, async () => n);
      return [health.snapshot().breaker, at.noted.get('test')];
    };
    // No answer takes less than nothing; none here takes a hundred times its limit.
    expect(await read(0)).toEqual(['OPEN', 'slow']);
    expect(await read(100)).toEqual(['CLOSED', undefined]);
  });

  test('never more calls at once than allowed, and a full queue refuses', async () => {
    const { guard } = guarded({ concurrency: 2, queue: 1, timeout: 1_000 });
    let under = 0;
    let most = 0;
    const ask = async () => {
      most = Math.max(most, ++under);
      await new Promise((resolve) => setTimeout(resolve, 30));
      under--;
    };
    const all = await Promise.allSettled(
      [1, 2, 3, 4].map((n) => guard.read(call(), { operation: 'lots', key: String(n) }, ask)),
    );
    expect(most).toBe(2);
    expect(all.filter((one) => one.status === 'rejected')).toHaveLength(1);
  });

  test('mirrored data is stale when old or when the source is down', () => {
    const { guard, health } = guarded();
    health.checked(null);
    expect(guard.mirrored(call(), new Date(), null, 1_000).stale).toBe(false);
    expect(guard.mirrored(call(), new Date(0), null, 1_000).stale).toBe(true);
    health.checked(unavailable('gone'));
    const at = call();
    expect(guard.mirrored(at, new Date(), null, 1_000).stale).toBe(true);
    expect(at.noted.get('test')).toBe('stale');
  });
});

describe('what was read last', () => {
  let now = 0;
  const stepped = clockOf(() => new Date(now));
  const keeping = (of: Partial<Keeping> = {}, policy: Partial<GuardPolicy> = {}, store?: KeptStore) => {
    now = 1_000_000;
    const health = new Health(stepped);
    health.checked(null);
    const kept = new Kept({
      policies: { Lot: { fresh: 1_000, usable: 60_000, changedBy: ['VEHICLE_ENTERED'], ...of } },
      clock: stepped,
      ...(store ? { store } : {}),
    });
    const guard = makeGuard(
      {
        installation: { id: 'test', connector: 'parking', park: 'lakeside' },
        clock: stepped,
        health,
        tell: () => undefined,
        kept,
      },
      { ...DEFAULT_POLICY, timeout: 100, patience: 30, retries: 0, ...policy },
    );
    let calls = 0;
    const source = { answer: async (): Promise<unknown> => 7 };
    const read = (at = call()) =>
      guard.read(at, { operation: 'lots', key: '', type: 'Lot' }, () => {
        calls++;
        return source.answer();
      });
    return { guard, kept, health, read, source, calls: () => calls };
  };
  const refuse = async () => {
    throw unavailable('gone');
  };

  test('is answered while fresh, and asked anew after an event of its own, after a change, and when old', async () => {
    const { guard, read, source, calls } = keeping();
    await read();
    source.answer = async () => 8;
    expect((await read()).value).toBe(7);
    guard.changed([{ kind: 'OCCUPANCY_CHANGED' }]);
    expect([(await read()).value, calls()]).toEqual([7, 1]);
    guard.changed([{ kind: 'VEHICLE_ENTERED' }]);
    expect([(await read()).value, calls()]).toEqual([8, 2]);
    await guard.act(call(), 'grant', async () => 1);
    await read();
    expect(calls()).toBe(3);
    now += 1_000;
    await read();
    expect(calls()).toBe(4);
  });

  test('a reading that began before the event is not fresh after it, and nobody joins it', async () => {
    const { guard, read, source, calls } = keeping();
    let tell: (value: unknown) => void = () => undefined;
    source.answer = () => new Promise((resolve) => (tell = resolve));
    const before = read();
    guard.changed([{ kind: 'VEHICLE_ENTERED' }]);
    source.answer = async () => 'after';
    expect((await read()).value).toBe('after');
    tell('before');
    await before;
    guard.changed([{ kind: 'VEHICLE_ENTERED' }]);
    await read();
    expect(calls()).toBe(3);
  });

  test('is shown, marked, while the source fails, as long as its age allows; no other way', async () => {
    const { read, source } = keeping();
    await read();
    source.answer = refuse;
    now += 5_000;
    const at = call();
    expect(await read(at)).toMatchObject({ value: 7, facts: { stale: true, fetchedAt: new Date(1_000_000) } });
    expect(at.noted.get('test')).toBe('stale');
    now += 60_000;
    const late = call();
    await expect(read(late)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    expect(late.noted.get('test')).toBe('down');
  });

  test('a slow source is waited for only so long, and a dark one not at all, while there is something to show', async () => {
    const { read, source, health, calls } = keeping({}, { timeout: 2_000 });
    await read();
    now += 5_000;
    source.answer = never;
    expect((await read()).facts.stale).toBe(true);
    health.checked(unavailable('gone'));
    const before = calls();
    expect((await read()).facts.stale).toBe(true);
    expect(calls()).toBe(before);
  });

  test('a pause of the hub itself does not count against the source', async () => {
    const { read, source, health } = keeping({}, { timeout: 200, patience: 100 });
    await read();
    now += 5_000;
    // The answer needs some turns of the loop, and the hub stands still for longer than anybody would wait.
    source.answer = async () => {
      for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
      return 8;
    };
    setImmediate(() => {
      for (const end = performance.now() + 400; performance.now() < end; );
    });
    expect(await read()).toMatchObject({ value: 8, facts: { stale: false } });
    expect(health.snapshot().errors).toBe(0);
  });

  test('keys of a batch are kept each for itself: those that are not are errors, the others are shown', async () => {
    const { guard } = keeping();
    let dark = false;
    const ask = (keys: readonly string[]) =>
      loader((wanted) =>
        guard.readMany(call(), { operation: 'cars', type: 'Lot' }, wanted, async (some) => {
          if (dark) throw unavailable('gone');
          return new Map(some.map((key) => [key, `car ${key}`]));
        }),
      ).loadMany(keys);
    expect((await ask(['a', 'b'])).map((one) => one?.facts.stale)).toEqual([false, false]);
    dark = true;
    now += 5_000;
    expect(await ask(['b', 'a'])).toMatchObject([
      { value: 'car b', facts: { stale: true, fetchedAt: new Date(1_000_000) } },
      { value: 'car a', facts: { stale: true, fetchedAt: new Date(1_000_000) } },
    ]);
    const [a, c] = await Promise.allSettled([ask(['a']), ask(['a', 'c'])]);
    expect([a.status, c.status]).toEqual(['fulfilled', 'rejected']);
  });

  test('outlives the process where it is declared so', async () => {
    const rows = new Map<string, KeptValue>();
    const store: KeptStore = {
      find: async (key) => rows.get(key) ?? null,
      save: async (all) => {
        for (const [key, one] of all) rows.set(key, one);
      },
    };
    const first = keeping({ durable: true }, {}, store);
    await first.read();
    await first.kept.flush();
    const second = keeping({ durable: true }, {}, store);
    second.source.answer = refuse;
    expect(await second.read()).toMatchObject({ value: 7, facts: { stale: true } });
    // What another process read may have changed since: it is shown while the source is away, and never answered as fresh.
    expect(await second.read()).toMatchObject({ value: 7, facts: { stale: true } });
    expect(second.calls()).toBe(2);
  });
});

test('an overloaded source never sees more calls in a second than it allows; who waits too long is told', async () => {
  const { guard, health } = guarded({ rate: 5, queue: 20, retries: 0, timeout: 3_000 });
  const begun: number[] = [];
  const all = await Promise.allSettled(
    Array.from({ length: 40 }, (_, n) =>
      guard.read(call(2_400), { operation: 'lots', key: String(n) }, async () => {
        begun.push(performance.now());
        return n;
      }),
    ),
  );
  for (let n = 5; n < begun.length; n++) expect((begun[n] ?? 0) - (begun[n - 5] ?? 0)).toBeGreaterThanOrEqual(999);
  expect(begun.length).toBeGreaterThanOrEqual(10);
  expect(all.filter((one) => one.status === 'fulfilled')).toHaveLength(begun.length);
  expect(health.snapshot().breaker).toBe('CLOSED');
});
