import { expect, test } from 'vitest';
import { ask, federate } from '../../../tests/federate.ts';
import { fake, whole } from '../testing/fake-subgraph.ts';
import { everything, subgraphsOf, wholeOf } from '../testing/random-graph.ts';

const refuse = () => {
  throw new Error('refused by the source');
};
const MEDIA = [
  { __typename: 'Book', id: '1' },
  { __typename: 'Film', id: '2' },
];
const kinds = () =>
  fake(
    'kinds',
    `type Query { media: [Media!]! }
     interface Media @key(fields: "id") { id: ID! }
     type Book implements Media @key(fields: "id") { id: ID! }
     type Film implements Media @key(fields: "id") { id: ID! }`,
    { Query: { media: () => MEDIA } },
    {
      Book: (one) => one,
      Film: (one) => one,
      Media: ({ id }) => MEDIA.find((one) => one.id === id) as (typeof MEDIA)[number],
    },
  );
const stock = () =>
  fake(
    'stock',
    'type Query { stocked: [Media!] } type Media @key(fields: "id") @interfaceObject { id: ID! stock: Int! shelf: String }',
    {
      Query: { stocked: () => MEDIA.map(({ id }) => ({ __typename: 'Media', id })) },
      Media: { stock: ({ id }) => (id === '1' ? refuse() : 7), shelf: ({ id }) => `S${id}` },
    },
    { Media: (one) => one },
  );
test('what only films are asked for cannot take away what books are asked for', async () => {
  const split = { at: { 'User.best': 'd' }, firm: new Set(['User.best']) };
  const all = subgraphsOf(everything({ count: 0 }), split);
  const query = '{ stocked { ... on Film { author { best { id } } } ... on Book { author { name } } } }';
  expect(await ask(federate(...all), query)).toEqual({
    data: (await whole(wholeOf(split), everything({ count: 0 }), query, {})).data,
  });
  // What they are, who the authors are, and their names.
  expect(all.map((one) => one.requests.length)).toEqual([1, 0, 2, 2]);
});

test('nor where an interface object is asked, in one request', async () => {
  const [first, second] = [kinds(), stock()];
  const answer = await ask(federate(first, second), '{ media { ... on Film { stock shelf } ... on Book { shelf } } }');
  expect(answer).toEqual({ data: { media: [{ shelf: 'S1' }, { stock: 7, shelf: 'S2' }] } });
  expect(second.requests).toHaveLength(1);
});

test('a null of what the client asked is told, though what failed there was only needed for another field', async () => {
  const near = fake(
    'near',
    'type Query { thing: Thing } type Thing { part: Part } type Part @key(fields: "id") { id: ID! score: Int! }',
    { Query: { thing: () => ({}) }, Thing: { part: () => ({ id: '1' }) }, Part: { score: refuse } },
    {},
  );
  const far = fake(
    'far',
    'type Query { other: Int } type Part @key(fields: "id") { id: ID! score: Int! @external risk: Int @requires(fields: "score") }',
    { Part: { risk: ({ score }) => Number(score) + 1 } },
    { Part: (one) => one },
  );
  const answer = await ask(federate(near, far), '{ thing { part { risk } } }');
  expect(answer.data).toEqual({ thing: { part: null } });
  expect(answer.errors?.map((one) => [one.path, one.message])).toEqual([[['thing', 'part'], 'refused by the source']]);
});

test('fields that require others, asked so often beside others that the planner fails on the whole, are answered', async () => {
  const split = { at: { 'User.friends': 'd', 'User.score': 'a', 'User.level': 'd' }, firm: new Set<string>() };
  const all = subgraphsOf(everything({ count: 0 }), split);
  const query =
    '{ users(first: 2) { shown { title ... on Film { stock } } level risk reach a: risk b: reach c: risk } comments { id } }';
  expect(await ask(federate(...all), query)).toEqual({
    data: (await whole(wholeOf(split), everything({ count: 0 }), query, {})).data,
  });
});
