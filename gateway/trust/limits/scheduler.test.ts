import { expect, test } from 'vitest';
import { ANONYMOUS, type Principal } from '../../../connectors/kit/auth/principal.ts';
import { Scheduler } from './scheduler.ts';

const principal = (client: string): Principal => ({ ...ANONYMOUS, client, subject: client });
const busy = (milliseconds: number): void => {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
};

test('scheduler: starts a second caller before the queue of the first is done', async () => {
  const scheduler = new Scheduler();
  const order: string[] = [];
  const request = async (client: string) => {
    await scheduler.acquire(principal(client));
    order.push(client);
    scheduler.release(principal(client));
  };
  const all = [...Array.from({ length: 100 }, () => request('greedy')), request('one'), request('two')];
  await Promise.all(all);
  expect(order).toHaveLength(102);
  expect(order.indexOf('one')).toBeLessThan(4);
  expect(order.indexOf('two')).toBeLessThan(5);
});

test('scheduler: leaves idle time between requests of a dominant caller, but not for a single caller', async () => {
  const scheduler = new Scheduler();
  const request = async (client: string) => {
    await scheduler.acquire(principal(client));
    busy(5);
    scheduler.release(principal(client));
  };
  const idle = async (clients: readonly string[]): Promise<number> => {
    const before = performance.eventLoopUtilization();
    await Promise.all(clients.map(request));
    return performance.eventLoopUtilization(before).idle;
  };
  const alone = await idle(Array(20).fill('greedy'));
  const beside = await idle(['modest', ...Array(20).fill('greedy')]);
  // A third of 5 ms before each of them but the first.
  expect(beside).toBeGreaterThan(25);
  expect(alone).toBeLessThan(beside);
});

test('scheduler: leaves idle time between background requests of any caller', async () => {
  const scheduler = new Scheduler();
  for (let i = 0; i < 50; i++) {
    await scheduler.acquire(principal('modest'));
    scheduler.release(principal('modest'));
  }
  const read = async () => {
    await scheduler.acquire(principal('listener'), { background: true });
    busy(5);
    scheduler.release(principal('listener'));
  };
  const before = performance.eventLoopUtilization();
  await Promise.all(Array.from({ length: 10 }, read));
  expect(performance.eventLoopUtilization(before).idle).toBeGreaterThan(25);
});

test('scheduler: starts background requests after their maximum wait if the event loop is never idle', async () => {
  const scheduler = new Scheduler();
  let started = 0;
  const wait = scheduler.acquire(principal('modest'));
  expect(wait).toBeNull();
  const reads = [1, 2].map(async () => {
    await scheduler.acquire(principal('listener'), { background: true });
    started += 1;
  });
  const end = performance.now() + 10_000;
  while (started < 2 && performance.now() < end) {
    await scheduler.acquire(principal('modest'));
    busy(5);
    scheduler.release(principal('modest'));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(started).toBe(2);
  await Promise.all(reads);
});

test('scheduler: rejects the 501st queued request of a caller; anonymous local callers never wait', async () => {
  const scheduler = new Scheduler();
  const waiting = Array.from({ length: 501 }, () => scheduler.acquire(principal('greedy')));
  expect(waiting[0]).toBeNull();
  expect(() => scheduler.acquire(principal('greedy'))).toThrow('Too many queued requests: at most 500 per caller.');
  expect(scheduler.acquire({ ...ANONYMOUS, client: 'anonymous' })).toBeNull();
  await Promise.all(waiting);
});
