import { expect, test } from 'vitest';
import { type Delivery, MAX_EVENTS, RecentDeliveries, viewSubscription } from './page/recent-deliveries.ts';

const batch = (from: number, count: number): Delivery => ({
  data: {
    events: {
      __typename: 'EventsBatch',
      cursor: `c${from + count}`,
      events: Array.from({ length: count }, (_, i) => ({ id: from + i })),
    },
  },
});
const ids = (events: readonly unknown[]): number[] => events.map((event) => (event as { id: number }).id);

test('recent deliveries: stores the newest 100 events, newest first, and counts all', () => {
  const recent = new RecentDeliveries();
  for (let i = 0; i < 150; i += 10) recent.add(batch(i, 10));
  const view = recent.view();
  expect([view.received, view.shown, view.events.length, view.cursor]).toEqual([150, MAX_EVENTS, MAX_EVENTS, 'c150']);
  expect(ids(view.events)).toEqual(Array.from({ length: 100 }, (_, i) => 149 - i));
});

test('recent deliveries: keeps notices, however many events follow them', () => {
  const recent = new RecentDeliveries();
  const gap = { __typename: 'Gap', cursor: 'g', reason: 'RETENTION' };
  const lagged = { cursor: 'l', behind: 7 };
  recent.add({ data: { events: gap } });
  recent.add({ data: { log: lagged } });
  for (let i = 0; i < 50; i++) recent.add(batch(i * 10, 10));
  const view = recent.view();
  expect(view.notices).toEqual({ received: 2, newest: [lagged, gap] });
  expect([view.received, view.cursor]).toEqual([500, 'c500']);
});

test('recent deliveries: stores at most 20 notices and 20 errors', () => {
  const recent = new RecentDeliveries();
  for (let i = 0; i < 1_000; i++) {
    recent.add({ data: { events: { __typename: 'Lagged', behind: i } }, errors: [{ message: `error ${i}` }] });
  }
  const { notices, errors } = recent.view();
  expect([notices?.received, notices?.newest.length, errors?.length]).toEqual([1_000, 20, 20]);
  expect(errors?.[0]).toEqual({ message: 'error 999' });
});

test('recent deliveries: stores each delivery of another subscription as one event', () => {
  const recent = new RecentDeliveries();
  recent.add({ data: { ticks: 1 } });
  recent.add({ data: { ticks: 2 } });
  expect(recent.view()).toEqual({ received: 2, shown: 2, events: [2, 1] });
});

/** A source to which the test pushes deliveries. */
function createSource() {
  const waiting: Delivery[] = [];
  let wake: (() => void) | null = null;
  let end: { error?: unknown } | null = null;
  const notify = () => {
    wake?.();
    wake = null;
  };
  const source: AsyncIterator<Delivery> & { returned: boolean } = {
    returned: false,
    next: async () => {
      for (;;) {
        const value = waiting.shift();
        if (value) return { done: false, value };
        if (end) {
          if ('error' in end) throw end.error;
          return { done: true, value: undefined };
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    return: async () => {
      source.returned = true;
      end = {};
      notify();
      return { done: true, value: undefined };
    },
  };
  const push = (...deliveries: Delivery[]) => {
    waiting.push(...deliveries);
    notify();
  };
  const finish = (outcome: { error?: unknown }) => {
    end = outcome;
    notify();
  };
  return { source, push, finish };
}

test('recent deliveries: reads the source while no view is consumed; the next view is up to date', async () => {
  const { source, push } = createSource();
  const views = viewSubscription(source, { interval: 0 });
  push(...Array.from({ length: 30 }, (_, i) => batch(i * 10, 10)));
  await new Promise((resolve) => setImmediate(resolve));
  const { value } = await views.next();
  expect(value).toMatchObject({ received: 300, shown: 100 });
  await views.return?.();
});

test('recent deliveries: return() while waiting ends the iteration and returns the source', async () => {
  const { source } = createSource();
  let endCount = 0;
  const views = viewSubscription(source, { onEnd: () => endCount++ });
  const next = views.next();
  await views.return?.();
  expect([(await next).done, source.returned, endCount]).toEqual([true, true, 1]);
});

test('recent deliveries: an error after a delivery ends the last view; an error before any is the only view', async () => {
  const late = createSource();
  const views = viewSubscription(late.source, { interval: 0 });
  late.push(batch(0, 1));
  await views.next();
  late.finish({ error: { code: 4403, reason: 'The token has expired.' } });
  const { value } = await views.next();
  expect(value).toMatchObject({ received: 1, ended: { message: 'The token has expired.', code: 4403 } });
  expect((await views.next()).done).toBe(true);

  const early = createSource();
  early.finish({ error: new Error('refused') });
  const earlyViews = viewSubscription(early.source);
  expect((await earlyViews.next()).value).toEqual({ errors: [{ message: 'refused' }] });
  expect((await earlyViews.next()).done).toBe(true);
});
