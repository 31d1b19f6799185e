import { setMaxListeners } from 'node:events';
import { expect, test } from 'vitest';
import { manualClock } from '../testing/test-clock.ts';
import { FairQueue } from './fair-queue.ts';

const { signal } = new AbortController();
setMaxListeners(0, signal);

test('fair queue: admits callers in turn; a full queue rejects the newest calls of the caller with most', async () => {
  const queue = new FairQueue({ concurrency: 1, queue: 10, rate: null });
  const order: string[] = [];
  const rejected: string[] = [];
  const hold = await queue.acquire(signal, { callerKeys: new Set(['greedy']) });
  const call = (callerKey: string, options: { urgent?: boolean } = {}) =>
    queue.acquire(signal, { ...options, callerKeys: new Set([callerKey]) }).then(
      (release) => {
        order.push(callerKey);
        release();
      },
      () => rejected.push(callerKey),
    );
  const all = [
    ...Array.from({ length: 12 }, () => call('greedy')),
    call('modest'),
    call('modest'),
    call('shy'),
    call('check', { urgent: true }),
  ];
  await Promise.resolve();
  expect(queue.queued).toBe(11);
  hold();
  await Promise.all(all);
  // Two found the queue full, three were evicted for other callers.
  expect(rejected).toEqual(['greedy', 'greedy', 'greedy', 'greedy', 'greedy']);
  expect(order.slice(0, 4).sort()).toEqual(['check', 'greedy', 'modest', 'shy']);
  expect(order[0]).toBe('check');
  expect(order.indexOf('shy')).toBeLessThan(4);
  expect(queue.running + queue.queued).toBe(0);
});

test('fair queue: reserves capacity that other callers used recently', async () => {
  const queue = new FairQueue({ concurrency: 4, queue: 100, rate: null });
  const started = new Map<string, number>();
  const call = async (callerKey: string) => {
    const release = await queue.acquire(signal, { callerKeys: new Set([callerKey]) });
    started.set(callerKey, (started.get(callerKey) ?? 0) + 1);
    return release;
  };
  // Two concurrent calls of each caller.
  const modest = await Promise.all([call('modest'), call('modest')]);
  for (const release of modest) release();
  const greedy = Array.from({ length: 10 }, () => call('greedy'));
  for (let i = 0; i < 20; i++) await Promise.resolve();
  expect(started.get('greedy')).toBe(2);
  expect(queue.running).toBe(2);
  // The calls of the other caller are admitted before the waiting ones.
  const again = await Promise.all([call('modest'), call('modest')]);
  expect(queue.running).toBe(4);
  for (const release of again) release();
  for (const call of greedy) (await call)();
  expect(started.get('greedy')).toBe(10);
  expect(queue.running + queue.queued).toBe(0);
});

test('fair queue: a single caller can use the whole capacity', async () => {
  const queue = new FairQueue({ concurrency: 4, queue: 100, rate: 1_000 });
  const all = await Promise.all(
    Array.from({ length: 4 }, () => queue.acquire(signal, { callerKeys: new Set(['single']) })),
  );
  expect(queue.running).toBe(4);
  for (const release of all) release();
});

test('fair queue: shares the rate limit between callers', async () => {
  const queue = new FairQueue({ concurrency: 100, queue: 100, rate: 6 });
  let started = 0;
  const call = async (callerKey: string) => {
    (await queue.acquire(signal, { callerKeys: new Set([callerKey]) }))();
    if (callerKey === 'greedy') started += 1;
  };
  await Promise.all([call('modest'), call('modest')]);
  const greedy = Array.from({ length: 8 }, () => call('greedy'));
  // No timer fires between these.
  for (let i = 0; i < 20; i++) await Promise.resolve();
  expect(started).toBe(4);
  expect(queue.queued).toBe(4);
  await Promise.all(greedy);
  expect(queue.running + queue.queued).toBe(0);
});

test('fair queue: admits a waiting shared call as soon as a caller within its share joins', async () => {
  const queue = new FairQueue({ concurrency: 2, queue: 100, rate: null });
  (await queue.acquire(signal, { callerKeys: new Set(['modest']) }))();
  const hold = await queue.acquire(signal, { callerKeys: new Set(['greedy']) });
  const callerKeys = new Set(['greedy']);
  let admitted = false;
  const shared = queue.acquire(signal, { callerKeys }).then((release) => {
    admitted = true;
    return release;
  });
  for (let i = 0; i < 20; i++) await Promise.resolve();
  expect(admitted).toBe(false);
  callerKeys.add('modest');
  queue.recheck();
  (await shared)();
  hold();
  expect(queue.running + queue.queued).toBe(0);
});

test.each([0, 600_000, -600_000])(
  'starts exactly ten calls a second at a rate of ten, with the wall clock set by %d ms',
  async (by) => {
    const clock = manualClock(new Date('2026-03-01T12:00:00Z'));
    const queue = new FairQueue({ concurrency: 100, queue: 100, rate: 10 }, clock);
    const controller = new AbortController();
    setMaxListeners(0, controller.signal);
    let admitted = 0;
    const call = async () => {
      const release = await queue.acquire(controller.signal).catch(() => null);
      if (release === null) return;
      admitted++;
      release();
    };
    const calls = Array.from({ length: 40 }, call);
    for (let i = 0; i < 50; i++) await Promise.resolve();
    const counts = [admitted];
    for (let second = 1; second <= 2; second++) {
      clock.adjustWallClock(by);
      clock.advance(999);
      queue.recheck();
      for (let i = 0; i < 50; i++) await Promise.resolve();
      counts.push(admitted);
      clock.advance(1);
      queue.recheck();
      for (let i = 0; i < 50; i++) await Promise.resolve();
      counts.push(admitted);
    }
    expect(counts).toEqual([10, 10, 20, 20, 30]);
    controller.abort(new Error('end of the test'));
    await Promise.all(calls);
  },
);
