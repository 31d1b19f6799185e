import { expect, test } from 'vitest';
import { NOBODY, type Principal } from '../../../connectors/kit/auth/principal.ts';
import { Turns } from './scheduler.ts';

const who = (client: string): Principal => ({ ...NOBODY, client, subject: client });
const busy = (milliseconds: number): void => {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
};

test('one caller’s hundred requests do not stand before another’s one', async () => {
  const turns = new Turns();
  const order: string[] = [];
  const ask = async (client: string) => {
    await turns.enter(who(client));
    order.push(client);
    turns.leave(who(client));
  };
  const all = [...Array.from({ length: 100 }, () => ask('greedy')), ask('one'), ask('two')];
  await Promise.all(all);
  expect(order).toHaveLength(102);
  expect(order.indexOf('one')).toBeLessThan(4);
  expect(order.indexOf('two')).toBeLessThan(5);
});

test('who asks more than all others leaves the hub idle for a part of the time, and who is alone does not', async () => {
  const turns = new Turns();
  const ask = async (client: string) => {
    await turns.enter(who(client));
    busy(5);
    turns.leave(who(client));
  };
  const idle = async (clients: readonly string[]): Promise<number> => {
    const before = performance.eventLoopUtilization();
    await Promise.all(clients.map(ask));
    return performance.eventLoopUtilization(before).idle;
  };
  const alone = await idle(Array(20).fill('greedy'));
  const beside = await idle(['modest', ...Array(20).fill('greedy')]);
  // A third of 5 ms before each of them but the first.
  expect(beside).toBeGreaterThan(25);
  expect(alone).toBeLessThan(beside);
});

test('what gives way to others leaves the hub idle between, though its caller asks less than they', async () => {
  const turns = new Turns();
  for (let i = 0; i < 50; i++) {
    await turns.enter(who('modest'));
    turns.leave(who('modest'));
  }
  const read = async () => {
    await turns.enter(who('listener'), { yielding: true });
    busy(5);
    turns.leave(who('listener'));
  };
  const before = performance.eventLoopUtilization();
  await Promise.all(Array.from({ length: 10 }, read));
  expect(performance.eventLoopUtilization(before).idle).toBeGreaterThan(25);
});

test('a hub that is never idle begins what gives way all the same, now and then', async () => {
  const turns = new Turns();
  let begun = 0;
  const wait = turns.enter(who('modest'));
  expect(wait).toBeNull();
  const reads = [1, 2].map(async () => {
    await turns.enter(who('listener'), { yielding: true });
    begun += 1;
  });
  const end = performance.now() + 10_000;
  while (begun < 2 && performance.now() < end) {
    await turns.enter(who('modest'));
    busy(5);
    turns.leave(who('modest'));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(begun).toBe(2);
  await Promise.all(reads);
});

test('too many that wait are refused; the owners of the machine never wait', async () => {
  const turns = new Turns();
  const waiting = Array.from({ length: 501 }, () => turns.enter(who('greedy')));
  expect(waiting[0]).toBeNull();
  expect(() => turns.enter(who('greedy'))).toThrow('500 of your requests wait already');
  expect(turns.enter({ ...NOBODY, client: 'anonymous' })).toBeNull();
  await Promise.all(waiting);
});
