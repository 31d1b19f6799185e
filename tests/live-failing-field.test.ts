/** A resolver that throws for one event is no end of a subscription. */
import { afterEach, expect, test } from 'vitest';
import { HUB_PRINCIPAL } from '../connectors/kit/auth/principal.ts';
import type { Subgraph } from '../connectors/kit/connector.ts';
import { makeLog } from '../connectors/kit/log.ts';
import { createFederation } from '../gateway/federation/index.ts';
import { fake } from '../gateway/federation/testing/fake-subgraph.ts';
import { Deliveries, type Delivery } from '../gateway/live/subscription-registry.ts';
import { Operations } from '../gateway/operation/operations.ts';
import { readPolicy } from '../gateway/trust/rights/field-policy.ts';
import { compose } from '../schema/compose.ts';
import { steppedTail } from './stepped-tail.ts';

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

/** `failing`: events whose own field throws; `dark`: vehicles whose plate cannot be had. Answers what a listener is told, and the log. */
async function listen(options: { failing?: readonly number[]; dark?: readonly string[] }) {
  const { failing = [], dark = [] } = options;
  const asked: { fault?: string }[] = [];
  const hub = fake('hub', HUB.replace(/extend schema[^\n]*\n/, ''), {
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
        asked.push(range);
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
  const parking = fake(
    'parking',
    PARKING.replace(/extend schema[^\n]*\n/, ''),
    {
      Vehicle: {
        plate: ({ id }) => {
          if (dark.includes(String(id))) throw new Error('no plate');
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
  const log = makeLog((line) => lines.push(JSON.parse(line)), 'info');
  const behind = ({ name, sdl, execute }: Subgraph): Subgraph => ({
    ...{ name, sdl },
    // As a subgraph answers: the fault of a resolver is in its own log.
    execute: async (request) => {
      const answer = await execute(request);
      const errors = answer.errors?.map((one) => ({
        ...one,
        message: 'Something went wrong in the hub.',
        extensions: { code: 'INTERNAL' },
      }));
      return errors ? { ...answer, errors } : answer;
    },
  });
  const operations = new Operations({
    federation: createFederation({
      supergraph,
      subgraphs: new Map(Object.values(subgraphs).map((one) => [one.name, behind(one)])),
      log,
    }),
    policy: readPolicy(supergraph),
  });
  const events = steppedTail();
  const gone = new AbortController();
  // biome-ignore lint/suspicious/noExplicitAny: answers are read by path
  const told: any[] = [];
  const sink = {
    offer: (one: Delivery) => told.push(JSON.parse(String(one.bytes()))) > 0,
    ready: async () => undefined,
    end: (error: unknown) => told.push({ ended: error }),
  };
  const deliveries = new Deliveries({ operations, tail: events.tail, log });
  await deliveries.join({ query: QUERY, principal: HUB_PRINCIPAL, signal: gone.signal }, sink);
  end = () => {
    gone.abort();
    events.close();
  };
  const write = (count: number) => events.grow(count);
  const words = () =>
    told.flatMap(
      (one) => one.data?.events?.batch?.map(({ id }: { id: string }) => id) ?? one.data?.events?.reason ?? [],
    );
  return { told, lines, asked, write, words };
}
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

test('a subgraph that throws for one event leaves a null and an error there; the deliveries go on', async () => {
  const { told, write, words } = await listen({ dark: ['v3'] });
  write(5);
  await expect.poll(words, { timeout: 10_000 }).toEqual(numbers(1, 5));
  write(2);
  await expect.poll(words, { timeout: 10_000 }).toEqual(numbers(1, 7));
  expect(told[0].data.events.batch[2].vehicle).toBeNull();
  expect(told[0].data.events.batch[3].vehicle).toEqual({ plate: 'plate v4' });
  expect(told[0].errors).toMatchObject([{ path: ['events', 'batch', 2, 'vehicle', 'plate'] }]);
  expect(told[1].errors).toBeUndefined();
});

test('an event that takes the whole delivery along is tried again, then passed over with a gap; all others arrive once', async () => {
  const { told, lines, asked, write, words } = await listen({ failing: [40, 41] });
  write(60);
  const wanted = [...numbers(1, 39), 'INVALID_EVENT', 'INVALID_EVENT', ...numbers(42, 60)];
  await expect.poll(words, { timeout: 20_000, interval: 100 }).toEqual(wanted);
  const faults = asked.flatMap((one) => one.fault ?? []);
  expect(faults).toHaveLength(2);
  // What the client was told meanwhile and what the log says have one id.
  const failed = told.find((one) => one.errors);
  const { errorId } = failed.errors[0].extensions;
  expect(failed.errors[0].extensions.code).toBe('INTERNAL');
  expect(errorId).toEqual(expect.any(String));
  expect(lines.filter((one) => one['errorId'] === errorId)).not.toHaveLength(0);
});
