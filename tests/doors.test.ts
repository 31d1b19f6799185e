/** One corpus for both doors: a warm POST gets the status, headers and body that Apollo would have given. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { silentLog } from '../connectors/kit/log.ts';
import { createFederation } from '../gateway/federation/index.ts';
import { fake } from '../gateway/federation/testing.ts';
import { type GraphqlRequest, graphqlFace } from '../gateway/http/graphql.ts';
import { WarmDoor } from '../gateway/http/warm.ts';
import { Operations } from '../gateway/operation/index.ts';
import { readPolicy } from '../gateway/trust/policy.ts';
import { compose } from '../schema/compose.ts';

const things = fake(
  'things',
  'type Query { thing(id: ID!): Thing things(first: Int = 2): [Thing!]! broken: Int! } type Mutation { touch(id: ID!): Thing } type Thing @key(fields: "id") { id: ID! name: String secret: String weight: Float! }',
  {
    Query: {
      thing: (_, { id }) => (id === '0' ? null : { id, name: `"thing" ${id} 雪`, weight: id === '3' ? null : 1.5 }),
      things: (_, { first }) =>
        Array.from({ length: first }, (_one, i) => ({ id: String(i), name: null, weight: i / 2 })),
      broken: () => {
        throw new Error('no');
      },
    },
    Mutation: { touch: (_, { id }) => ({ id, name: 'touched', weight: 0 }) },
    Thing: {
      secret: () => {
        throw new Error('not for you');
      },
    },
  },
  { Thing: (one) => one },
);
const sizes = fake(
  'sizes',
  'type Thing @key(fields: "id") { id: ID! size: Int }',
  {
    Thing: {
      size: ({ id }) => {
        if (id === '2') throw new Error('no size');
        return Number(id) * 10;
      },
    },
  },
  { Thing: (one) => one },
);
const subgraphs = [things, sizes];
const { supergraph } = compose(subgraphs.map(({ name, sdl }) => ({ name, sdl, url: `http://${name}.test` })));

const face = () =>
  graphqlFace(
    new Operations({
      federation: createFederation({
        supergraph,
        subgraphs: new Map(subgraphs.map((one) => [one.name, one])),
        log: silentLog,
      }),
      policy: readPolicy(supergraph),
    }),
    { introspection: true },
  );

const request = (body: unknown, headers: Record<string, string> = {}): GraphqlRequest => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  search: '',
  body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  principal: null,
  signal: new AbortController().signal,
});

const both = 'query A { thing(id: 1) { id } } query B($id: ID!) { thing(id: $id) { size } }';
/** Answered at the warm door from the second time on. */
const WARM: readonly (readonly [string, unknown, Record<string, string>?])[] = [
  ['a plain query', { query: '{ thing(id: 1) { id name weight size } }' }],
  ['text that JSON escapes', { query: '{ thing(id: "\\u2028\\u0001") { id name } }' }],
  ['null', { query: '{ thing(id: 0) { id } }', variables: null, operationName: null, extensions: null }],
  ['variables', { query: 'query ($n: Int) { things(first: $n) { id weight size } }', variables: { n: 3 } }],
  ['one of two operations', { query: both, operationName: 'B', variables: { id: '7' } }],
  ['a field that fails', { query: '{ thing(id: 1) { id secret } }' }],
  ['a fault of an entity', { query: '{ things(first: 4) { id size } }' }],
  ['null where a value is promised', { query: '{ thing(id: 3) { weight } }' }],
  ['no data at all', { query: '{ broken }' }],
  ['a variable of the wrong type', { query: 'query ($n: Int) { things(first: $n) { id } }', variables: { n: 'x' } }],
  ['a missing variable', { query: 'query ($id: ID!) { thing(id: $id) { id } }' }],
  ['a mutation', { query: 'mutation { touch(id: 5) { id name size } }' }],
  ['introspection', { query: '{ __schema { queryType { name } } __type(name: "Thing") { name } }' }],
  ['keys with a meaning elsewhere', { query: '{ then: thing(id: 1) { __proto__: id constructor: name } }' }],
  [
    'conditions',
    { query: 'query ($w: Boolean!) { thing(id: 1) { id name @include(if: $w) } }', variables: { w: false } },
  ],
  [
    'media type of the specification',
    { query: '{ thing(id: 1) { id } }' },
    { accept: 'application/graphql-response+json' },
  ],
  [
    'a list of media types',
    { query: '{ thing(id: 1) { id } }' },
    { accept: 'application/graphql-response+json;q=0.9, application/json' },
  ],
  [
    'anything',
    { query: '{ thing(id: 1) { id } }' },
    { accept: '*/*', 'content-type': 'application/json; charset=utf-8' },
  ],
];
/** Always answered by Apollo. */
const COLD: typeof WARM = [
  ['no JSON', '{'],
  ['no query', { variables: {} }],
  ['a syntax error', { query: '{ thing(' }],
  ['an unknown field', { query: '{ nothing }' }],
  ['an unknown operation', { query: both, operationName: 'C' }],
  ['no operation name', { query: both }],
  ['a media type that is not spoken', { query: '{ thing(id: 1) { id } }' }, { accept: 'image/png' }],
  ['a body that is not called JSON', { query: '{ thing(id: 1) { id } }' }, { 'content-type': 'text/plain' }],
  ['variables that are a list', { query: '{ thing(id: 1) { id } }', variables: [1] }],
  ['a batch', [{ query: '{ thing(id: 1) { id } }' }]],
  [
    'a persisted query',
    { query: '{ thing(id: 1) { id } }', extensions: { persistedQuery: { version: 1, sha256Hash: 'wrong' } } },
  ],
];

afterEach(() => void vi.restoreAllMocks());

describe.each([
  ['warm', WARM],
  ['cold', COLD],
] as const)('a %s request is answered the same the first and the third time', (kind, corpus) => {
  test.each(corpus.map(([name, body, headers]) => ({ name, body, headers })))('$name', async ({ body, headers }) => {
    const door = vi.spyOn(WarmDoor.prototype, 'answer');
    const one = await face();
    const asked = request(body, headers);
    const first = await one.answer(asked);
    await one.answer(asked);
    const third = await one.answer(asked);
    await one.stop();
    expect(third).toEqual(first);
    expect(Object.keys(third.headers).length).toBeGreaterThan(0);
    const answers = await Promise.all(door.mock.results.map((result) => result.value as Promise<unknown>));
    const ways = answers.map((answer) => (answer === null ? 'Apollo' : 'warm'));
    if (kind === 'warm') expect(ways).toEqual(['Apollo', 'warm', 'warm']);
    else expect(ways).not.toContain('warm');
  });
});
