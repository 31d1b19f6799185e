import fc from 'fast-check';
import { buildSchema } from 'graphql';
import { expect, test, vi } from 'vitest';
import { HUB_PRINCIPAL, type Principal } from '../../connectors/kit/auth/principal.ts';
import { FakeHub, QUERY, SCHEMA, settle } from '../../tests/fake-hub.ts';
import type { Delivery, DeliverySink } from './delivery.ts';
import { iterateDeliveries } from './http-stream/delivery-iterator.ts';
import { SubscriptionRegistry } from './subscription-registry.ts';

/** A subscriber with room for `room` deliveries until `drain`. */
class TestSubscriber implements DeliverySink {
  ids: string[] = [];
  gaps: string[] = [];
  lagged = 0;
  ended: unknown;
  readonly controller = new AbortController();
  #remaining: number;
  #resume: (() => void)[] = [];
  constructor(readonly room = Number.POSITIVE_INFINITY) {
    this.#remaining = room;
  }
  offer({ response }: Delivery): boolean {
    const delivery = response.data?.['events'] as { events?: { id: string }[]; behind?: number; gap?: string } | null;
    if (delivery?.events) this.ids.push(...delivery.events.map((one) => one.id));
    if (delivery?.behind !== undefined) this.lagged += 1;
    if (delivery?.gap !== undefined) this.gaps.push(delivery.gap);
    this.#remaining -= 1;
    return this.#remaining > 0;
  }
  waitForRoom(): Promise<void> {
    return new Promise((resolve) => {
      const resume = () => {
        this.controller.signal.removeEventListener('abort', resume);
        resolve();
      };
      this.#resume.push(resume);
      this.controller.signal.addEventListener('abort', resume, { once: true });
    });
  }
  drain(): void {
    this.#remaining = this.room;
    for (const resume of this.#resume.splice(0)) resume();
  }
  end(error: unknown): void {
    this.ended = error;
  }
}

const join = (
  registry: SubscriptionRegistry,
  subscriber: TestSubscriber,
  principal: Principal,
  after?: number,
): Promise<void> =>
  registry.subscribe(
    {
      query: QUERY,
      variables: after === undefined ? {} : { after: String(after) },
      principal,
      signal: subscriber.controller.signal,
    },
    subscriber,
  );
const range = (from: bigint | number, to: bigint | number): string[] => {
  const all: string[] = [];
  for (let at = BigInt(from) + 1n; at <= BigInt(to); at++) all.push(String(at));
  return all;
};

test('subscription quota: limits each caller, whatever others have', async () => {
  const hub = new FakeHub();
  hub.limits = { ...hub.limits, subscriptions: 2 };
  const registry = new SubscriptionRegistry(hub.parts);
  const [first, second, third, other] = [
    new TestSubscriber(),
    new TestSubscriber(),
    new TestSubscriber(),
    new TestSubscriber(),
  ] as const;
  await join(registry, first, { ...HUB_PRINCIPAL, subject: 'one' });
  await join(registry, second, { ...HUB_PRINCIPAL, subject: 'one' });
  await expect(join(registry, third, { ...HUB_PRINCIPAL, subject: 'one' })).rejects.toMatchObject({
    code: 'LIMIT_RATE',
  });
  await join(registry, other, { ...HUB_PRINCIPAL, subject: 'two' });
  first.controller.abort();
  await settle();
  await join(registry, third, { ...HUB_PRINCIPAL, subject: 'one' });
  hub.write(1);
  await settle();
  expect([first.ids, second.ids, third.ids, other.ids]).toEqual([[], ['1'], ['1'], ['1']]);
  for (const one of [second, third, other]) one.controller.abort();
});

test('subscription group: reads each range once for a thousand equal subscribers and names every reader', async () => {
  const hub = new FakeHub();
  const registry = new SubscriptionRegistry(hub.parts);
  const subscribers = Array.from({ length: 1_000 }, () => new TestSubscriber());
  await Promise.all(subscribers.map((one, i) => join(registry, one, { ...HUB_PRINCIPAL, subject: `reader ${i % 7}` })));
  expect(registry.size).toEqual({ groups: 1, subscribers: 1_000 });
  for (let burst = 0; burst < 5; burst++) {
    hub.write(3);
    await settle();
  }
  expect(hub.requests).toHaveLength(5);
  expect(hub.requests[0]?.readers).toHaveLength(1_000);
  for (const one of subscribers) expect(one.ids).toEqual(range(0, 15));
  hub.close();
  await settle();
  expect(subscribers.every((one) => one.ended === null)).toBe(true);
  expect(registry.size).toEqual({ groups: 0, subscribers: 0 });
});

test('subscription registry: puts subscribers with other rights into another group', async () => {
  const hub = new FakeHub();
  const registry = new SubscriptionRegistry(hub.parts);
  const principals = [
    HUB_PRINCIPAL,
    { ...HUB_PRINCIPAL, scopes: new Set(['tax:read']) },
    { ...HUB_PRINCIPAL, companies: ['91500112000065437Q'] },
    { ...HUB_PRINCIPAL, client: 'portal' },
  ];
  for (const principal of principals) for (let i = 0; i < 2; i++) await join(registry, new TestSubscriber(), principal);
  expect(registry.size).toEqual({ groups: 4, subscribers: 8 });
  hub.close();
});

test('subscription group: delivers the events after each cursor once and in order, whoever joins, leaves, blocks or resumes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          {
            weight: 4,
            arbitrary: fc.record({ do: fc.constant('write' as const), n: fc.integer({ min: 1, max: 250 }) }),
          },
          {
            weight: 3,
            arbitrary: fc.record({ do: fc.constant('join' as const), n: fc.integer({ min: 0, max: 300 }) }),
          },
          {
            weight: 1,
            arbitrary: fc.record({ do: fc.constant('slow' as const), n: fc.integer({ min: 0, max: 300 }) }),
          },
          { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), n: fc.nat() }) },
          { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const), n: fc.constant(0) }) },
          { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), n: fc.integer({ min: 1, max: 6 }) }) },
        ),
        { maxLength: 30 },
      ),
      async (steps) => {
        const hub = new FakeHub();
        const registry = new SubscriptionRegistry(hub.parts);
        const here: { subscriber: TestSubscriber; from: bigint }[] = [];
        for (const step of steps) {
          if (step.do === 'write') hub.write(step.n);
          if (step.do === 'wait') await settle(step.n);
          if (step.do === 'leave' && here.length > 0)
            here.splice(step.n % here.length, 1)[0]?.subscriber.controller.abort();
          if (step.do === 'join' || step.do === 'slow') {
            const from = BigInt(step.n) > hub.head ? hub.head : hub.head - BigInt(step.n);
            const subscriber = new TestSubscriber(step.do === 'slow' ? 2 : undefined);
            await join(registry, subscriber, HUB_PRINCIPAL, Number(from));
            here.push({ subscriber, from });
          }
          for (const { subscriber } of here) if (subscriber.room === 2 && step.n % 3 === 0) subscriber.drain();
        }
        for (let turn = 0; turn < 40; turn++) {
          for (const { subscriber } of here) subscriber.drain();
          await settle(10);
        }
        for (const { subscriber, from } of here) expect(subscriber.ids).toEqual(range(from, hub.head));
        hub.close();
        for (const { subscriber } of here) subscriber.controller.abort();
      },
    ),
    { numRuns: 300 },
  );
});

test('subscription group: sends one Lagged to a slow subscriber and does not delay the others', async () => {
  const hub = new FakeHub();
  const registry = new SubscriptionRegistry(hub.parts);
  const fast = new TestSubscriber();
  const slow = new TestSubscriber(1);
  await join(registry, fast, HUB_PRINCIPAL);
  await join(registry, slow, HUB_PRINCIPAL);
  for (let burst = 0; burst < 10; burst++) {
    hub.write(20);
    await settle();
  }
  expect(fast.ids).toEqual(range(0, 200));
  expect(slow.ids).toEqual(range(0, 20));
  for (let turn = 0; turn < 10; turn++) {
    slow.drain();
    await settle();
  }
  expect(slow.ids).toEqual(range(0, 200));
  expect(slow.lagged).toBe(1);
  hub.close();
});

test('log reader: sends Gap for unread events that retention dropped, and continues after it', async () => {
  const hub = new FakeHub();
  const registry = new SubscriptionRegistry(hub.parts);
  const [slow, quick] = [new TestSubscriber(1), new TestSubscriber()];
  await join(registry, slow, HUB_PRINCIPAL, 0);
  await join(registry, quick, HUB_PRINCIPAL, 0);
  hub.write(5);
  await settle();
  hub.write(500);
  await settle(100);
  hub.dropped = 350n;
  for (let i = 0; i < 20 && !slow.ids.includes('505'); i++) {
    slow.drain();
    await settle();
  }
  const all = Array.from({ length: 505 }, (_, i) => String(i + 1));
  expect(quick.ids).toEqual(all);
  expect(quick.gaps).toEqual([]);
  expect(slow.gaps).toEqual(['350']);
  expect(slow.ids).toEqual([...all.slice(0, 5), ...all.slice(350)]);
  hub.close();
});

test('log reader: sends Gap to an idle subscriber whose unread events retention dropped', async () => {
  const hub = new FakeHub();
  const registry = new SubscriptionRegistry(hub.parts);
  const subscriber = new TestSubscriber();
  await join(registry, subscriber, HUB_PRINCIPAL, 0);
  hub.write(5);
  await settle();
  const now = performance.now.bind(performance);
  // The process was stopped for an hour; meanwhile others wrote to the log and retention dropped most of that.
  const later = vi.spyOn(performance, 'now').mockImplementation(() => now() + 3_600_000);
  try {
    hub.dropped = 30n;
    hub.write(40);
    await settle();
  } finally {
    later.mockRestore();
  }
  expect(subscriber.gaps).toEqual(['30']);
  expect(subscriber.ids).toEqual([...range(0, 5), ...range(30, 45)]);
  hub.close();
});

test('subscription group: reports a failed read of the log once and retries it', async () => {
  const hub = new FakeHub();
  const registry = new SubscriptionRegistry(hub.parts);
  const subscriber = new TestSubscriber();
  await join(registry, subscriber, HUB_PRINCIPAL);
  hub.failing = true;
  hub.write(3);
  await settle();
  hub.failing = false;
  await expect.poll(() => subscriber.ids, { timeout: 5_000 }).toEqual(range(0, 3));
  hub.close();
});

test('subscription registry: keeps the subscriptions that are valid in a new graph and ends the others with the reason', async () => {
  const hub = new FakeHub();
  const registry = new SubscriptionRegistry(hub.parts);
  const subscriber = new TestSubscriber();
  await join(registry, subscriber, HUB_PRINCIPAL);
  hub.schema = buildSchema(SCHEMA);
  hub.write(2);
  await settle();
  expect(subscriber.ids).toEqual(range(0, 2));
  hub.schema = buildSchema(SCHEMA.replace('type Event { id: ID! }', 'type Event { name: ID! }'));
  hub.write(1);
  await settle();
  expect(subscriber.ended).toMatchObject({
    code: 'GRAPHQL_VALIDATION_FAILED',
    message: expect.stringContaining('Subscription ended: it is not valid in the new graph.'),
  });
});

test('delivery iterator: iterates in order and ends at once while it waits', async () => {
  const hub = new FakeHub();
  const parts = { subscriptions: new SubscriptionRegistry(hub.parts) };
  const abort = new AbortController();
  const sequence = await iterateDeliveries(parts, {
    query: QUERY,
    variables: {},
    principal: HUB_PRINCIPAL,
    signal: abort.signal,
  });
  hub.write(150);
  const first = await sequence.next();
  const second = await sequence.next();
  const ids = [first, second].flatMap(({ value }) =>
    JSON.parse(String((value as Delivery).bytes())).data.events.events.map((one: { id: string }) => one.id),
  );
  expect(ids).toEqual(range(0, 150));
  const waiting = sequence.next();
  await sequence.return(undefined);
  expect(await waiting).toEqual({ value: undefined, done: true });
  await settle();
  expect(parts.subscriptions.size.subscribers).toBe(0);
});

test('subscription group: charges each caller once per delivery; a caller over budget receives Lagged and misses nothing', async () => {
  const hub = new FakeHub();
  hub.eventCost = 20;
  const registry = new SubscriptionRegistry(hub.parts);
  const [poor, twin, rich] = [new TestSubscriber(), new TestSubscriber(), new TestSubscriber()] as const;
  const as = (subject: string): Principal => ({ ...HUB_PRINCIPAL, subject });
  hub.debts.set('poor', -30);
  hub.debts.set('rich', -1_000_000);
  await join(registry, poor, as('poor'));
  await join(registry, twin, as('poor'));
  await join(registry, rich, as('rich'));
  await settle();
  hub.write(2);
  await settle();
  // Two events of 20 points, charged once: its balance is -10.
  expect([poor.ids, twin.ids, rich.ids]).toEqual([
    ['1', '2'],
    ['1', '2'],
    ['1', '2'],
  ]);
  expect(hub.debts.get('poor')).toBe(10);
  hub.write(3);
  await settle();
  expect(rich.ids).toEqual(range(0, 5));
  hub.debts.set('poor', -1_000_000);
  for (let i = 0; i < 200 && twin.ids.length < 5; i++) await new Promise((resolve) => setTimeout(resolve, 10));
  for (let i = 0; i < 200 && poor.ids.length < 5; i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect([poor.ids, twin.ids]).toEqual([range(0, 5), range(0, 5)]);
  expect(poor.lagged).toBe(1);
  for (const one of [poor, twin, rich]) one.controller.abort();
  hub.close();
});

test('subscription group: delivers nothing after a token has expired, even if its timer is late, and continues for the rest of the group', async () => {
  const hub = new FakeHub();
  const registry = new SubscriptionRegistry(hub.parts);
  const [first, second] = [new TestSubscriber(), new TestSubscriber()] as const;
  await join(registry, first, { ...HUB_PRINCIPAL, subject: 'first' });
  await join(registry, second, { ...HUB_PRINCIPAL, subject: 'second' });
  await settle();
  hub.write(1);
  await settle();
  hub.expiredSubjects.add('first');
  hub.write(1);
  await settle();
  expect([first.ids, second.ids]).toEqual([['1'], ['1', '2']]);
  expect(first.ended).toMatchObject({ code: 'UNAUTHENTICATED' });
  second.controller.abort();
  hub.close();
});

test('log reader: limits the cost of one delivery to that of one operation', async () => {
  const hub = new FakeHub();
  hub.eventCost = 400;
  hub.budget.retryAfterMs = () => 0;
  const registry = new SubscriptionRegistry(hub.parts);
  const subscriber = new TestSubscriber();
  await join(registry, subscriber, HUB_PRINCIPAL);
  hub.write(7);
  await settle(60);
  expect(subscriber.ids).toEqual(range(0, 7));
  // Two of 400 points each are within 1,000.
  expect(hub.requests).toHaveLength(4);
  subscriber.controller.abort();
  hub.close();
});
