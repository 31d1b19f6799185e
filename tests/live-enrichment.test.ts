import { expect, test } from 'vitest';
import { HUB_PRINCIPAL } from '../connectors/kit/auth/principal.ts';
import type { Subgraph } from '../connectors/kit/call.ts';
import { silentLog } from '../connectors/kit/log.ts';
import { createFederation } from '../gateway/federation/index.ts';
import { type FakeSubgraph, fakeSubgraph } from '../gateway/federation/testing/fake-subgraph.ts';
import type { Delivery } from '../gateway/live/delivery.ts';
import { SubscriptionRegistry } from '../gateway/live/subscription-registry.ts';
import { Operations } from '../gateway/operation/operations.ts';
import { readFieldPolicy } from '../gateway/trust/rights/field-policy.ts';
import { compose } from '../schema/compose.ts';
import { fakeLogTail } from './fake-log-tail.ts';

const BURST = 90;

const HUB = `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@inaccessible"])
  type Query {
    _eventStart(head: String!, position: String): EventStart! @inaccessible
    _delivery(token: String!): EventDelivery! @inaccessible
  }
  type Subscription { events: EventDelivery! }
  type EventStart @inaccessible { position: String! gapFrom: String gapTo: String gapReason: String }
  union EventDelivery = EventsBatch | Gap
  type Gap { cursor: String! }
  type EventsBatch { events: [ParkEvent!]! }
  interface ParkEvent { id: ID! }
  type VehicleEntered implements ParkEvent { id: ID! vehicle: Vehicle }
  type VehicleExited implements ParkEvent { id: ID! vehicle: Vehicle }
  type RegistrationChanged implements ParkEvent { id: ID! company: Company }
  type Vehicle @key(fields: "id", resolvable: false) { id: ID! }
  type Company @key(fields: "uscc", resolvable: false) { uscc: ID! }
`;
const PARKING = `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])
  type Query { _parking: String }
  type Vehicle @key(fields: "id") { id: ID! plate: String company: Company }
  type Company @key(fields: "uscc", resolvable: false) { uscc: ID! }
`;
const REGISTRATION = `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])
  type Query { _registration: String }
  type Company @key(fields: "uscc") { uscc: ID! name: String }
`;
const QUERY = `subscription { events { ... on EventsBatch { events { __typename id
  ... on VehicleEntered { vehicle { plate company { name } } }
  ... on VehicleExited { vehicle { plate company { name } } }
  ... on RegistrationChanged { company { name } }
} } } }`;

const plain = (sdl: string) => sdl.replace(/extend schema[^\n]*\n/, '');
/** An event of one of three kinds in turn, each with its own vehicle or company. */
function event(number: number): Record<string, unknown> {
  const __typename = ['VehicleEntered', 'VehicleExited', 'RegistrationChanged'][number % 3] as string;
  const keys = number % 3 === 2 ? { company: { uscc: `c${number}` } } : { vehicle: { id: `v${number}` } };
  return { __typename, id: String(number), ...keys };
}

test('live subscription: enriches a burst of events with one request per source and hop, not one per event', async () => {
  const hub = fakeSubgraph('hub', plain(HUB), {
    Query: {
      _eventStart: (_, { head }) => ({ position: head, gapFrom: null, gapTo: null, gapReason: null }),
      _delivery: (_, { token }) => {
        const { after, upTo } = JSON.parse(String(token));
        const events = Array.from({ length: Number(upTo) - Number(after) }, (_one, i) => event(Number(after) + 1 + i));
        return { __typename: 'EventsBatch', events };
      },
    },
  });
  const parking = fakeSubgraph(
    'parking',
    plain(PARKING),
    {},
    {
      Vehicle: ({ id }) => ({ id, plate: `plate ${id}`, company: { uscc: String(id).replace('v', 'c') } }),
    },
  );
  const registration = fakeSubgraph(
    'registration',
    plain(REGISTRATION),
    {},
    {
      Company: ({ uscc }) => ({ uscc, name: `name ${uscc}` }),
    },
  );
  const fakes = { hub, parking, registration };
  const sdls = { hub: HUB, parking: PARKING, registration: REGISTRATION };
  const { supergraph } = compose(
    Object.entries(sdls).map(([name, sdl]) => ({ name, sdl, url: `http://${name}.test` })),
  );
  // As over HTTP: each call of `execute` is one request.
  const behind = ({ name, sdl, execute }: FakeSubgraph): Subgraph => ({ name, sdl, execute });
  const subgraphs = new Map(Object.values(fakes).map((fake) => [fake.name, behind(fake)]));
  const operations = new Operations({
    federation: createFederation({ supergraph, subgraphs, log: silentLog }),
    policy: readFieldPolicy(supergraph),
  });
  const log = fakeLogTail();
  const deliveries = new SubscriptionRegistry({ operations, tail: log.tail });
  const received: Delivery[][] = [];
  const listeners: AbortController[] = [];
  for (let i = 0; i < 20; i++) {
    const mine: Delivery[] = [];
    received.push(mine);
    const abort = new AbortController();
    listeners.push(abort);
    const sink = {
      offer: (one: Delivery) => mine.push(one) > 0,
      waitForRoom: async () => undefined,
      end: () => undefined,
    };
    await deliveries.subscribe({ query: QUERY, principal: HUB_PRINCIPAL, signal: abort.signal }, sink);
  }
  for (const fake of Object.values(fakes)) fake.requests.length = 0;
  log.grow(BURST);
  await expect.poll(() => received.every((one) => one.length > 0), { timeout: 10_000 }).toBe(true);

  const { data } = JSON.parse(String(received[0]?.[0]?.bytes()));
  expect(data.events.events).toHaveLength(BURST);
  expect(data.events.events[0]).toEqual({
    __typename: 'VehicleExited',
    id: '1',
    vehicle: { plate: 'plate v1', company: { name: 'name c1' } },
  });
  expect(data.events.events[1]).toMatchObject({ company: { name: 'name c2' } });
  expect(received.map((one) => one.map((each) => String(each.bytes())))).toEqual(
    Array(20).fill([String(received[0]?.[0]?.bytes())]),
  );
  const requestCounts = Object.fromEntries(Object.values(fakes).map((fake) => [fake.name, fake.requests.length]));
  // Companies are reached directly from an event, and in a second hop through a vehicle.
  expect(requestCounts).toEqual({ hub: 1, parking: 1, registration: 2 });
  for (const listener of listeners) listener.abort();
  log.close();
});
