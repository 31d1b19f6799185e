import fc from 'fast-check';
import { buildSchema } from 'graphql';
import { expect, test, vi } from 'vitest';
import { HUB_PRINCIPAL, type Principal } from '../../connectors/kit/auth/principal.ts';
import { Pretend, QUERY, SCHEMA, settle } from '../../tests/pretend-hub.ts';
import { subscribe } from './http-stream/delivery-iterator.ts';
import { Deliveries, type Delivery, type Sink } from './subscription-registry.ts';

/** A listener that takes `room` deliveries and then none until `drain`. */
class Listener implements Sink {
  ids: string[] = [];
  gaps: string[] = [];
  lagged = 0;
  ended: unknown;
  readonly gone = new AbortController();
  #left: number;
  #resume: (() => void)[] = [];
  constructor(readonly room = Number.POSITIVE_INFINITY) {
    this.#left = room;
  }
  offer({ answer }: Delivery): boolean {
    const told = answer.data?.['events'] as { events?: { id: string }[]; behind?: number; gap?: string } | null;
    if (told?.events) this.ids.push(...told.events.map((one) => one.id));
    if (told?.behind !== undefined) this.lagged += 1;
    if (told?.gap !== undefined) this.gaps.push(told.gap);
    this.#left -= 1;
    return this.#left > 0;
  }
  ready(): Promise<void> {
    return new Promise((resolve) => {
      const resume = () => {
        this.gone.signal.removeEventListener('abort', resume);
        resolve();
      };
      this.#resume.push(resume);
      this.gone.signal.addEventListener('abort', resume, { once: true });
    });
  }
  drain(): void {
    this.#left = this.room;
    for (const resume of this.#resume.splice(0)) resume();
  }
  end(error: unknown): void {
    this.ended = error;
  }
}

const join = (deliveries: Deliveries, listener: Listener, principal: Principal, after?: number): Promise<void> =>
  deliveries.join(
    {
      query: QUERY,
      variables: after === undefined ? {} : { after: String(after) },
      principal,
      signal: listener.gone.signal,
    },
    listener,
  );
const range = (from: bigint | number, to: bigint | number): string[] => {
  const all: string[] = [];
  for (let at = BigInt(from) + 1n; at <= BigInt(to); at++) all.push(String(at));
  return all;
};

test('a caller holds so many subscriptions and no more, whatever others hold', async () => {
  const hub = new Pretend();
  hub.limits = { ...hub.limits, subscriptions: 2 };
  const deliveries = new Deliveries(hub.parts);
  const [first, second, third, other] = [new Listener(), new Listener(), new Listener(), new Listener()] as const;
  await join(deliveries, first, { ...HUB_PRINCIPAL, subject: 'one' });
  await join(deliveries, second, { ...HUB_PRINCIPAL, subject: 'one' });
  await expect(join(deliveries, third, { ...HUB_PRINCIPAL, subject: 'one' })).rejects.toMatchObject({
    code: 'LIMIT_RATE',
  });
  await join(deliveries, other, { ...HUB_PRINCIPAL, subject: 'two' });
  first.gone.abort();
  await settle();
  await join(deliveries, third, { ...HUB_PRINCIPAL, subject: 'one' });
  hub.write(1);
  await settle();
  expect([first.ids, second.ids, third.ids, other.ids]).toEqual([[], ['1'], ['1'], ['1']]);
  for (const one of [second, third, other]) one.gone.abort();
});

test('a thousand listeners of one question cost one execution a range, and every reader is named', async () => {
  const hub = new Pretend();
  const deliveries = new Deliveries(hub.parts);
  const listeners = Array.from({ length: 1_000 }, () => new Listener());
  await Promise.all(listeners.map((one, i) => join(deliveries, one, { ...HUB_PRINCIPAL, subject: `reader ${i % 7}` })));
  expect(deliveries.size).toEqual({ groups: 1, listeners: 1_000 });
  for (let burst = 0; burst < 5; burst++) {
    hub.write(3);
    await settle();
  }
  expect(hub.asked).toHaveLength(5);
  expect(hub.asked[0]?.readers).toHaveLength(1_000);
  for (const one of listeners) expect(one.ids).toEqual(range(0, 15));
  hub.close();
  await settle();
  expect(listeners.every((one) => one.ended === null)).toBe(true);
  expect(deliveries.size).toEqual({ groups: 0, listeners: 0 });
});

test('other rights, another group', async () => {
  const hub = new Pretend();
  const deliveries = new Deliveries(hub.parts);
  const principals = [
    HUB_PRINCIPAL,
    { ...HUB_PRINCIPAL, scopes: new Set(['tax:read']) },
    { ...HUB_PRINCIPAL, companies: ['91500112000065437Q'] },
    { ...HUB_PRINCIPAL, client: 'portal' },
  ];
  for (const principal of principals) for (let i = 0; i < 2; i++) await join(deliveries, new Listener(), principal);
  expect(deliveries.size).toEqual({ groups: 4, listeners: 8 });
  hub.close();
});

test('whoever comes, goes, stalls or wakes when: each gets what follows its cursor, in order, once', async () => {
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
        const hub = new Pretend();
        const deliveries = new Deliveries(hub.parts);
        const here: { listener: Listener; from: bigint }[] = [];
        for (const step of steps) {
          if (step.do === 'write') hub.write(step.n);
          if (step.do === 'wait') await settle(step.n);
          if (step.do === 'leave' && here.length > 0) here.splice(step.n % here.length, 1)[0]?.listener.gone.abort();
          if (step.do === 'join' || step.do === 'slow') {
            const from = BigInt(step.n) > hub.head ? hub.head : hub.head - BigInt(step.n);
            const listener = new Listener(step.do === 'slow' ? 2 : undefined);
            await join(deliveries, listener, HUB_PRINCIPAL, Number(from));
            here.push({ listener, from });
          }
          for (const { listener } of here) if (listener.room === 2 && step.n % 3 === 0) listener.drain();
        }
        for (let turn = 0; turn < 40; turn++) {
          for (const { listener } of here) listener.drain();
          await settle(10);
        }
        for (const { listener, from } of here) expect(listener.ids).toEqual(range(from, hub.head));
        hub.close();
        for (const { listener } of here) listener.gone.abort();
      },
    ),
    { numRuns: 300 },
  );
});

test('a slow listener is told once how far it is behind, and the others do not wait for it', async () => {
  const hub = new Pretend();
  const deliveries = new Deliveries(hub.parts);
  const fast = new Listener();
  const slow = new Listener(1);
  await join(deliveries, fast, HUB_PRINCIPAL);
  await join(deliveries, slow, HUB_PRINCIPAL);
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

test('retention drops what a connected listener has not read: it is told, and goes on behind it', async () => {
  const pretend = new Pretend();
  const deliveries = new Deliveries(pretend.parts);
  const [slow, quick] = [new Listener(1), new Listener()];
  await join(deliveries, slow, HUB_PRINCIPAL, 0);
  await join(deliveries, quick, HUB_PRINCIPAL, 0);
  pretend.write(5);
  await settle();
  pretend.write(500);
  await settle(100);
  pretend.dropped = 350n;
  for (let i = 0; i < 20 && !slow.ids.includes('505'); i++) {
    slow.drain();
    await settle();
  }
  const all = Array.from({ length: 505 }, (_, i) => String(i + 1));
  expect(quick.ids).toEqual(all);
  expect(quick.gaps).toEqual([]);
  expect(slow.gaps).toEqual(['350']);
  expect(slow.ids).toEqual([...all.slice(0, 5), ...all.slice(350)]);
  pretend.close();
});

test('a listener that was idle for long and is behind retention gets a Gap, though it was never slow', async () => {
  const pretend = new Pretend();
  const deliveries = new Deliveries(pretend.parts);
  const listener = new Listener();
  await join(deliveries, listener, HUB_PRINCIPAL, 0);
  pretend.write(5);
  await settle();
  const now = performance.now.bind(performance);
  // The process was stopped for an hour; meanwhile others wrote to the log and retention dropped most of that.
  const later = vi.spyOn(performance, 'now').mockImplementation(() => now() + 3_600_000);
  try {
    pretend.dropped = 30n;
    pretend.write(40);
    await settle();
  } finally {
    later.mockRestore();
  }
  expect(listener.gaps).toEqual(['30']);
  expect(listener.ids).toEqual([...range(0, 5), ...range(30, 45)]);
  pretend.close();
});

test('a log that cannot be read is told once and asked again', async () => {
  const hub = new Pretend();
  const deliveries = new Deliveries(hub.parts);
  const listener = new Listener();
  await join(deliveries, listener, HUB_PRINCIPAL);
  hub.failing = true;
  hub.write(3);
  await settle();
  hub.failing = false;
  await expect.poll(() => listener.ids, { timeout: 5_000 }).toEqual(range(0, 3));
  hub.close();
});

test('another graph keeps the subscriptions it still answers, and ends the others with the reason', async () => {
  const hub = new Pretend();
  const deliveries = new Deliveries(hub.parts);
  const listener = new Listener();
  await join(deliveries, listener, HUB_PRINCIPAL);
  hub.schema = buildSchema(SCHEMA);
  hub.write(2);
  await settle();
  expect(listener.ids).toEqual(range(0, 2));
  hub.schema = buildSchema(SCHEMA.replace('type Event { id: ID! }', 'type Event { name: ID! }'));
  hub.write(1);
  await settle();
  expect(listener.ended).toMatchObject({
    code: 'GRAPHQL_VALIDATION_FAILED',
    message: expect.stringContaining('The graph has changed and no longer answers this subscription'),
  });
});

test('as a sequence: pulled in order, and left at once while it waits', async () => {
  const hub = new Pretend();
  const parts = { deliveries: new Deliveries(hub.parts) };
  const gone = new AbortController();
  const sequence = await subscribe(parts, {
    query: QUERY,
    variables: {},
    principal: HUB_PRINCIPAL,
    signal: gone.signal,
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
  expect(parts.deliveries.size.listeners).toBe(0);
});

test('deliveries cost their caller, once for all it holds; who owes is told that it lags, and misses nothing', async () => {
  const hub = new Pretend();
  hub.each = 20;
  const deliveries = new Deliveries(hub.parts);
  const [poor, twin, rich] = [new Listener(), new Listener(), new Listener()] as const;
  const as = (subject: string): Principal => ({ ...HUB_PRINCIPAL, subject });
  hub.debts.set('poor', -30);
  hub.debts.set('rich', -1_000_000);
  await join(deliveries, poor, as('poor'));
  await join(deliveries, twin, as('poor'));
  await join(deliveries, rich, as('rich'));
  await settle();
  hub.write(2);
  await settle();
  // Two events of 20 points, paid once: it owes 10 and waits.
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
  for (const one of [poor, twin, rich]) one.gone.abort();
  hub.close();
});

test('nothing is delivered to whose token has ended, though its timer is late; others of the group go on', async () => {
  const hub = new Pretend();
  const deliveries = new Deliveries(hub.parts);
  const [first, second] = [new Listener(), new Listener()] as const;
  await join(deliveries, first, { ...HUB_PRINCIPAL, subject: 'first' });
  await join(deliveries, second, { ...HUB_PRINCIPAL, subject: 'second' });
  await settle();
  hub.write(1);
  await settle();
  hub.ended.add('first');
  hub.write(1);
  await settle();
  expect([first.ids, second.ids]).toEqual([['1'], ['1', '2']]);
  expect(first.ended).toMatchObject({ code: 'UNAUTHENTICATED' });
  second.gone.abort();
  hub.close();
});

test('no delivery costs more than one operation may', async () => {
  const hub = new Pretend();
  hub.each = 400;
  hub.owes = () => 0;
  const deliveries = new Deliveries(hub.parts);
  const listener = new Listener();
  await join(deliveries, listener, HUB_PRINCIPAL);
  hub.write(7);
  await settle(60);
  expect(listener.ids).toEqual(range(0, 7));
  // Two of 400 points each are within 1,000.
  expect(hub.asked).toHaveLength(4);
  listener.gone.abort();
  hub.close();
});
