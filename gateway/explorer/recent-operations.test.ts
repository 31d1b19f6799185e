import { expect, test } from 'vitest';
import { type Delivery, KEPT, Recent, recentOf } from './page/recent-operations.ts';

const batch = (from: number, count: number): Delivery => ({
  data: {
    events: {
      __typename: 'EventsBatch',
      cursor: `c${from + count}`,
      events: Array.from({ length: count }, (_, i) => ({ id: from + i })),
    },
  },
});
const ids = (events: readonly unknown[]): number[] => events.map((one) => (one as { id: number }).id);

test('keeps the newest hundred events, the newest first, and counts all', () => {
  const recent = new Recent();
  for (let i = 0; i < 150; i += 10) recent.add(batch(i, 10));
  const view = recent.view();
  expect([view.received, view.shown, view.events.length, view.cursor]).toEqual([150, KEPT, KEPT, 'c150']);
  expect(ids(view.events)).toEqual(Array.from({ length: 100 }, (_, i) => 149 - i));
});

test('shows gaps and lags above the events, however many events come after them', () => {
  const recent = new Recent();
  const gap = { __typename: 'Gap', cursor: 'g', reason: 'RETENTION' };
  const lagged = { cursor: 'l', behind: 7 };
  recent.add({ data: { events: gap } });
  recent.add({ data: { log: lagged } });
  for (let i = 0; i < 50; i++) recent.add(batch(i * 10, 10));
  const view = recent.view();
  expect(view.notices).toEqual({ received: 2, newest: [lagged, gap] });
  expect([view.received, view.cursor]).toEqual([500, 'c500']);
});

test('notices and errors are bounded too', () => {
  const recent = new Recent();
  for (let i = 0; i < 1_000; i++) {
    recent.add({ data: { events: { __typename: 'Lagged', behind: i } }, errors: [{ message: `fault ${i}` }] });
  }
  const { notices, errors } = recent.view();
  expect([notices?.received, notices?.newest.length, errors?.length]).toEqual([1_000, 20, 20]);
  expect(errors?.[0]).toEqual({ message: 'fault 999' });
});

test('takes each answer of any other subscription as one event', () => {
  const recent = new Recent();
  recent.add({ data: { ticks: 1 } });
  recent.add({ data: { ticks: 2 } });
  expect(recent.view()).toEqual({ received: 2, shown: 2, events: [2, 1] });
});

/** A source that the test feeds. */
function fed() {
  const waiting: Delivery[] = [];
  let wake: (() => void) | null = null;
  let end: { error?: unknown } | null = null;
  const tell = () => {
    wake?.();
    wake = null;
  };
  const source: AsyncIterator<Delivery> & { left: boolean } = {
    left: false,
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
      source.left = true;
      end = {};
      tell();
      return { done: true, value: undefined };
    },
  };
  const give = (...deliveries: Delivery[]) => {
    waiting.push(...deliveries);
    tell();
  };
  const finish = (how: { error?: unknown }) => {
    end = how;
    tell();
  };
  return { source, give, finish };
}

test('reads on while nobody looks, and shows what is there then', async () => {
  const { source, give } = fed();
  const views = recentOf(source, { pause: 0 });
  give(...Array.from({ length: 30 }, (_, i) => batch(i * 10, 10)));
  await new Promise((resolve) => setImmediate(resolve));
  const { value } = await views.next();
  expect(value).toMatchObject({ received: 300, shown: 100 });
  await views.return?.();
});

test('may be left while it waits, which leaves the source', async () => {
  const { source } = fed();
  let over = 0;
  const views = recentOf(source, { over: () => over++ });
  const next = views.next();
  await views.return?.();
  expect([(await next).done, source.left, over]).toEqual([true, true, 1]);
});

test('a failure ends the last view, which stays; a failure before anything came is the answer', async () => {
  const late = fed();
  const views = recentOf(late.source, { pause: 0 });
  late.give(batch(0, 1));
  await views.next();
  late.finish({ error: { code: 4403, reason: 'The token has expired.' } });
  const { value } = await views.next();
  expect(value).toMatchObject({ received: 1, ended: { message: 'The token has expired.', code: 4403 } });
  expect((await views.next()).done).toBe(true);

  const early = fed();
  early.finish({ error: new Error('refused') });
  const answers = recentOf(early.source);
  expect((await answers.next()).value).toEqual({ errors: [{ message: 'refused' }] });
  expect((await answers.next()).done).toBe(true);
});
