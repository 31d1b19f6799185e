import { expect, test } from 'vitest';
import { HUB_PRINCIPAL, type Principal } from '../../connectors/kit/auth/principal.ts';
import { Pretend, settle } from '../../tests/pretend-hub.ts';
import { Pace } from './log-reader-quota.ts';

const as = (subject: string): Principal => ({ ...HUB_PRINCIPAL, subject });
/** A pace, and work that is done when the test says so. */
function reading() {
  const hub = new Pretend();
  const yielded: boolean[] = [];
  hub.turnOfReading = (_: Principal | null, yielding: boolean) => {
    yielded.push(yielding);
    return null;
  };
  const pace = new Pace(hub.parts.operations);
  const under = new Map<string, (() => void)[]>();
  const read = (subject: string, signal = new AbortController().signal, behind = false) =>
    pace.take(
      { principal: as(subject), signal },
      () =>
        new Promise<string>((resolve) => {
          const all = under.get(subject) ?? [];
          under.set(subject, [...all, () => resolve('read')]);
        }),
      behind,
    );
  return { pace, under, read, yielded };
}

test('a few reads of each caller at once, in order, whatever others read; who goes waits no longer', async () => {
  const { pace, under, read } = reading();
  const gone = new AbortController();
  const all = Array.from({ length: 100 }, (_, i) => read('greedy', i === 50 ? gone.signal : undefined));
  const other = read('modest');
  await settle(3);
  expect([under.get('greedy')?.length, under.get('modest')?.length]).toEqual([4, 1]);
  expect(pace.lightest([{ caller: `isthmus\0greedy` }, { caller: `isthmus\0modest` }])).toEqual({
    caller: `isthmus\0modest`,
  });
  gone.abort();
  expect(await all[50]).toBeNull();
  under.get('modest')?.[0]?.();
  expect(await other).toBe('read');
  for (let i = 0; i < 99; i++) {
    under.get('greedy')?.[i]?.();
    await settle(3);
    expect(under.get('greedy')).toHaveLength(Math.min(99, i + 5));
  }
  expect((await Promise.all(all)).filter((one) => one === 'read')).toHaveLength(99);
  // Nothing of it is kept.
  void read('greedy');
  await settle(3);
  expect(under.get('greedy')).toHaveLength(100);
});

test('what reads the past gives way, and so does who has more to read than at once', async () => {
  const { read, yielded } = reading();
  for (let i = 0; i < 4; i++) void read('modest');
  void read('other', undefined, true);
  await settle(3);
  expect(yielded).toEqual([false, false, false, false, true]);
});

test('work that fails gives its place on', async () => {
  const { pace } = reading();
  const listener = { principal: as('one'), signal: new AbortController().signal };
  const fail = () => Promise.reject(new Error('the log is away'));
  const all = Array.from({ length: 20 }, () => pace.take(listener, fail));
  expect((await Promise.allSettled(all)).map((one) => one.status)).toEqual(Array(20).fill('rejected'));
  expect(await pace.take(listener, async () => 'read')).toBe('read');
});
