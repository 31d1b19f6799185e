import { expect, test } from 'vitest';
import { HUB_PRINCIPAL, type Principal } from '../../connectors/kit/auth/principal.ts';
import { FakeHub, settle } from '../../tests/fake-hub.ts';
import { LogReaderQuota } from './log-reader-quota.ts';

const as = (subject: string): Principal => ({ ...HUB_PRINCIPAL, subject });
/** A quota, and reads that end when the test resolves them. */
function startQuota() {
  const hub = new FakeHub();
  const background: boolean[] = [];
  hub.schedule = (_caller, work, options) => {
    background.push(options?.background ?? false);
    return work(() => undefined);
  };
  const quota = new LogReaderQuota(hub.parts.operations);
  const running = new Map<string, (() => void)[]>();
  const read = (subject: string, signal = new AbortController().signal, catchUp = false) =>
    quota.run(
      { principal: as(subject), signal },
      () =>
        new Promise<string>((resolve) => {
          const all = running.get(subject) ?? [];
          running.set(subject, [...all, () => resolve('read')]);
        }),
      { catchUp },
    );
  return { quota, running, read, background };
}

test('log reader quota: limits concurrent reads per caller, in order, and drops the waiting read of a subscriber that leaves', async () => {
  const { quota, running, read } = startQuota();
  const controller = new AbortController();
  const all = Array.from({ length: 100 }, (_, i) => read('greedy', i === 50 ? controller.signal : undefined));
  const other = read('modest');
  await settle(3);
  expect([running.get('greedy')?.length, running.get('modest')?.length]).toEqual([4, 1]);
  expect(quota.leastLoaded([{ caller: `isthmus\0greedy` }, { caller: `isthmus\0modest` }])).toEqual({
    caller: `isthmus\0modest`,
  });
  controller.abort();
  expect(await all[50]).toBeNull();
  running.get('modest')?.[0]?.();
  expect(await other).toBe('read');
  for (let i = 0; i < 99; i++) {
    running.get('greedy')?.[i]?.();
    await settle(3);
    expect(running.get('greedy')).toHaveLength(Math.min(99, i + 5));
  }
  expect((await Promise.all(all)).filter((one) => one === 'read')).toHaveLength(99);
  // No state of the caller is left.
  void read('greedy');
  await settle(3);
  expect(running.get('greedy')).toHaveLength(100);
});

test('log reader quota: yields for past events and for a caller with queued reads', async () => {
  const { read, background } = startQuota();
  for (let i = 0; i < 4; i++) void read('modest');
  void read('other', undefined, true);
  await settle(3);
  expect(background).toEqual([false, false, false, false, true]);
});

test('log reader quota: passes the place of a failed read on', async () => {
  const { quota } = startQuota();
  const owner = { principal: as('one'), signal: new AbortController().signal };
  const fail = () => Promise.reject(new Error('the log is down'));
  const all = Array.from({ length: 20 }, () => quota.run(owner, fail));
  expect((await Promise.allSettled(all)).map((one) => one.status)).toEqual(Array(20).fill('rejected'));
  expect(await quota.run(owner, async () => 'read')).toBe('read');
});
