import { describe, expect, test } from 'vitest';
import { rejected, SourceError, unavailable } from './errors.ts';
import { DEFAULT_POLICY, type GuardPolicy, makeGuard, type SourceCallFact } from './guard.ts';
import { Health } from './health.ts';
import { hubCall } from './host/services.ts';

const clock = { now: () => new Date() };

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
