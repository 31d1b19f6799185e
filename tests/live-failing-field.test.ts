/** A resolver that throws for one event does not end a subscription. */
import { afterEach, expect, test } from 'vitest';
import { HUB_PRINCIPAL } from '../connectors/kit/auth/principal.ts';
import type { Subgraph } from '../connectors/kit/call.ts';
import { createLog } from '../connectors/kit/log.ts';
import { createFederation } from '../gateway/federation/index.ts';
import { fakeSubgraph } from '../gateway/federation/testing/fake-subgraph.ts';
import type { Delivery } from '../gateway/live/delivery.ts';
import { SubscriptionRegistry } from '../gateway/live/subscription-registry.ts';
import { Operations } from '../gateway/operation/operations.ts';
import { readFieldPolicy } from '../gateway/trust/rights/field-policy.ts';
import { compose } from '../schema/compose.ts';
import { fakeLogTail } from './fake-log-tail.ts';

const HUB = `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@inaccessible"])
  type Query {
    _eventStart(head: String!, position: String): EventStart! @inaccessible
    _delivery(token: String!): EventDelivery! @inaccessible
    _unreadable(token: String!): UnreadableEvents @inaccessible
  }
  type Subscription { events: EventDelivery! }
  type EventStart @inaccessible { position: String! gapFrom: String gapTo: String gapReason: String }
  type UnreadableEvents @inaccessible { before: String! upTo: String! fromTime: String! toTime: String! }
  union EventDelivery = EventsBatch | Gap
  type Gap { cursor: String! reason: String! }
  type EventsBatch { events: [VehicleEntered!]! }
  type VehicleEntered { id: ID! kind: String! vehicle: Vehicle }
  type Vehicle @key(fields: "id", resolvable: false) { id: ID! }
`;
const PARKING = `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])
  type Query { _parking: String }
  type Vehicle @key(fields: "id") { id: ID! plate: String! }
`;
const QUERY = `subscription { events {
  ... on EventsBatch { batch: events { id kind vehicle { plate } } }
  ... on Gap { cursor reason }
} }`;

let end = (): void => undefined;
afterEach(() => end());

/** `failing`: positions of events whose own field throws; `failingPlates`: ids of vehicles whose plate throws. Returns deliveries and log lines. */
async function listen(options: { failing?: readonly number[]; failingPlates?: readonly string[] }) {
  const { failing = [], failingPlates = [] } = options;
  const requests: { fault?: string }[] = [];
  const hub = fakeSubgraph('hub', HUB.replace(/extend schema[^\n]*\n/, ''), {
    Query: {
      _eventStart: (_, { head, position }) => ({
        ...{ position: position ?? head, gapFrom: null, gapTo: null, gapReason: null },
      }),
      _delivery: (_, { token }) => {
        const { type, after, upTo, position, reason } = JSON.parse(String(token));
        if (type === 'gap') return { __typename: 'Gap', cursor: position, reason };
        const events = [];
        for (let at = Number(after) + 1; at <= Number(upTo); at++)
          events.push({ id: String(at), position: at, vehicle: { id: `v${at}` } });
        return { __typename: 'EventsBatch', events };
      },
      _unreadable: (_, { token }) => {
        const range = JSON.parse(String(token));
        requests.push(range);
        return range.fault ? { before: range.after, upTo: range.upTo, fromTime: 'then', toTime: 'then' } : null;
      },
    },
    VehicleEntered: {
      kind: ({ position }) => {
        if (failing.includes(Number(position))) throw new Error('this one cannot be shown');
        return 'VEHICLE_ENTERED';
      },
    },
  });
  const parking = fakeSubgraph(
    'parking',
    PARKING.replace(/extend schema[^\n]*\n/, ''),
    {
      Vehicle: {
        plate: ({ id }) => {
          if (failingPlates.includes(String(id))) throw new Error('no plate');
          return `plate ${id}`;
        },
      },
    },
    { Vehicle: ({ id }) => ({ id }) },
  );
  const subgraphs = { hub, parking };
  const { supergraph } = compose([
    { name: 'hub', sdl: HUB, url: 'http://hub.test' },
    { name: 'parking', sdl: PARKING, url: 'http://parking.test' },
  ]);
  const lines: Record<string, unknown>[] = [];
  const log = createLog((line) => lines.push(JSON.parse(line)), 'info');
  const behind = ({ name, sdl, execute }: Subgraph): Subgraph => ({
    ...{ name, sdl },
    // As subgraphs respond: the error of a resolver is only in their own log.
    execute: async (request) => {
      const answer = await execute(request);
      const errors = answer.errors?.map((error) => ({
        ...error,
        message: 'Internal error. Report errorId to the operator.',
        extensions: { code: 'INTERNAL' },
      }));
      return errors ? { ...answer, errors } : answer;
    },
  });
  const operations = new Operations({
    federation: createFederation({
      supergraph,
      subgraphs: new Map(Object.values(subgraphs).map((subgraph) => [subgraph.name, behind(subgraph)])),
      log,
    }),
    policy: readFieldPolicy(supergraph),
  });
  const events = fakeLogTail();
  const abort = new AbortController();
  // biome-ignore lint/suspicious/noExplicitAny: answers are read by path
  const received: any[] = [];
  const sink = {
    offer: (one: Delivery) => received.push(JSON.parse(String(one.bytes()))) > 0,
    waitForRoom: async () => undefined,
    end: (error: unknown) => received.push({ ended: error }),
  };
  const deliveries = new SubscriptionRegistry({ operations, tail: events.tail, log });
  await deliveries.subscribe({ query: QUERY, principal: HUB_PRINCIPAL, signal: abort.signal }, sink);
  end = () => {
    abort.abort();
    events.close();
  };
  const write = (count: number) => events.grow(count);
  const idsAndGaps = () =>
    received.flatMap(
      (one) => one.data?.events?.batch?.map(({ id }: { id: string }) => id) ?? one.data?.events?.reason ?? [],
    );
  return { received, lines, requests, write, idsAndGaps };
}
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

test('returns null and an error where a subgraph throws for one event; deliveries continue', async () => {
  const { received, write, idsAndGaps } = await listen({ failingPlates: ['v3'] });
  write(5);
  await expect.poll(idsAndGaps, { timeout: 10_000 }).toEqual(numbers(1, 5));
  write(2);
  await expect.poll(idsAndGaps, { timeout: 10_000 }).toEqual(numbers(1, 7));
  expect(received[0].data.events.batch[2].vehicle).toBeNull();
  expect(received[0].data.events.batch[3].vehicle).toEqual({ plate: 'plate v4' });
  expect(received[0].errors).toMatchObject([{ path: ['events', 'batch', 2, 'vehicle', 'plate'] }]);
  expect(received[1].errors).toBeUndefined();
});

test('retries an event that fails the whole delivery, then replaces it with a gap; all others arrive once', async () => {
  const { received, lines, requests, write, idsAndGaps } = await listen({ failing: [40, 41] });
  write(60);
  const wanted = [...numbers(1, 39), 'INVALID_EVENT', 'INVALID_EVENT', ...numbers(42, 60)];
  await expect.poll(idsAndGaps, { timeout: 20_000, interval: 100 }).toEqual(wanted);
  const faults = requests.flatMap((one) => one.fault ?? []);
  expect(faults).toHaveLength(2);
  // The error sent to the client and the log line have the same id.
  const failed = received.find((one) => one.errors);
  const { errorId } = failed.errors[0].extensions;
  expect(failed.errors[0].extensions.code).toBe('INTERNAL');
  expect(errorId).toEqual(expect.any(String));
  expect(lines.filter((line) => line['errorId'] === errorId)).not.toHaveLength(0);
});
