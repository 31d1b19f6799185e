import { expect, test } from 'vitest';
import { Gate } from './gate.ts';

const signal = new AbortController().signal;

test('callers take turns, and a full queue loses calls of the greediest', async () => {
  const gate = new Gate({ concurrency: 1, queue: 10, rate: null });
  const order: string[] = [];
  const refused: string[] = [];
  const hold = await gate.enter(signal, false, 'greedy');
  const call = (who: string, urgent = false) =>
    gate.enter(signal, urgent, who).then(
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
