import { setMaxListeners } from 'node:events';
import { expect, test } from 'vitest';
import { steppedClock } from '../testing/test-clock.ts';
import { Gate } from './fair-queue.ts';

const { signal } = new AbortController();
setMaxListeners(0, signal);

test('callers take turns, and a full queue loses calls of the greediest', async () => {
  const gate = new Gate({ concurrency: 1, queue: 10, rate: null });
  const order: string[] = [];
  const refused: string[] = [];
  const hold = await gate.enter(signal, false, new Set(['greedy']));
  const call = (who: string, urgent = false) =>
    gate.enter(signal, urgent, new Set([who])).then(
      (leave) => {
        order.push(who);
        leave();
      },
      () => refused.push(who),
    );
  const all = [
    ...Array.from({ length: 12 }, () => call('greedy')),
    call('modest'),
    call('modest'),
    call('shy'),
    call('check', true),
  ];
  await Promise.resolve();
  expect(gate.waiting).toBe(11);
  hold();
  await Promise.all(all);
  // Two found the queue full, three made room for others.
  expect(refused).toEqual(['greedy', 'greedy', 'greedy', 'greedy', 'greedy']);
  expect(order.slice(0, 4).sort()).toEqual(['check', 'greedy', 'modest', 'shy']);
  expect(order[0]).toBe('check');
  expect(order.indexOf('shy')).toBeLessThan(4);
  expect(gate.under + gate.waiting).toBe(0);
});

test('who asks most leaves free what others have used of late', async () => {
  const gate = new Gate({ concurrency: 4, queue: 100, rate: null });
  const ended = new Map<string, number>();
  const call = async (who: string) => {
    const leave = await gate.enter(signal, false, new Set([who]));
    ended.set(who, (ended.get(who) ?? 0) + 1);
    return leave;
  };
  // Two at once of each.
  const modest = await Promise.all([call('modest'), call('modest')]);
  for (const leave of modest) leave();
  const greedy = Array.from({ length: 10 }, () => call('greedy'));
  for (let i = 0; i < 20; i++) await Promise.resolve();
  expect(ended.get('greedy')).toBe(2);
  expect(gate.under).toBe(2);
  // They do not wait, whoever waits.
  const again = await Promise.all([call('modest'), call('modest')]);
  expect(gate.under).toBe(4);
  for (const leave of again) leave();
  for (const one of greedy) (await one)();
  expect(ended.get('greedy')).toBe(10);
  expect(gate.under + gate.waiting).toBe(0);
});

test('who is alone takes all there is', async () => {
  const gate = new Gate({ concurrency: 4, queue: 100, rate: 1_000 });
  const all = await Promise.all(Array.from({ length: 4 }, () => gate.enter(signal, false, new Set(['one']))));
  expect(gate.under).toBe(4);
  for (const leave of all) leave();
});

test('of the calls of a second others have their share, whoever began first', async () => {
  const gate = new Gate({ concurrency: 100, queue: 100, rate: 6 });
  let begun = 0;
  const call = async (who: string) => {
    (await gate.enter(signal, false, new Set([who])))();
    if (who === 'greedy') begun += 1;
  };
  await Promise.all([call('modest'), call('modest')]);
  const greedy = Array.from({ length: 8 }, () => call('greedy'));
  // No timer fires between these.
  for (let i = 0; i < 20; i++) await Promise.resolve();
  expect(begun).toBe(4);
  expect(gate.waiting).toBe(4);
  await Promise.all(greedy);
  expect(gate.under + gate.waiting).toBe(0);
});

test('a call that waits for its turn goes as soon as somebody with a better one wants it too', async () => {
  const gate = new Gate({ concurrency: 2, queue: 100, rate: null });
  (await gate.enter(signal, false, new Set(['modest'])))();
  const hold = await gate.enter(signal, false, new Set(['greedy']));
  const askers = new Set(['greedy']);
  let entered = false;
  const shared = gate.enter(signal, false, askers).then((leave) => {
    entered = true;
    return leave;
  });
  for (let i = 0; i < 20; i++) await Promise.resolve();
  expect(entered).toBe(false);
  askers.add('modest');
  gate.asked();
  (await shared)();
  hold();
  expect(gate.under + gate.waiting).toBe(0);
});

test.each([0, 600_000, -600_000])(
  'a source that bears ten calls a second gets them, also with the wall clock set by %d ms',
  async (by) => {
    const clock = steppedClock(new Date('2026-03-01T12:00:00Z'));
    const gate = new Gate({ concurrency: 100, queue: 100, rate: 10 }, clock);
    const control = new AbortController();
    setMaxListeners(0, control.signal);
    let entered = 0;
    const call = async () => {
      const leave = await gate.enter(control.signal).catch(() => null);
      if (leave === null) return;
      entered++;
      leave();
    };
    const calls = Array.from({ length: 40 }, call);
    for (let i = 0; i < 50; i++) await Promise.resolve();
    const each = [entered];
    for (let second = 1; second <= 2; second++) {
      clock.set(by);
      clock.pass(999);
      gate.asked();
      for (let i = 0; i < 50; i++) await Promise.resolve();
      each.push(entered);
      clock.pass(1);
      gate.asked();
      for (let i = 0; i < 50; i++) await Promise.resolve();
      each.push(entered);
    }
    expect(each).toEqual([10, 10, 20, 20, 30]);
    control.abort(new Error('over'));
    await Promise.all(calls);
  },
);
