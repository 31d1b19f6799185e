/** The fast path returns the same status, headers and body as Apollo Server for the same requests. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { silentLog } from '../connectors/kit/log.ts';
import { createFederation } from '../gateway/federation/index.ts';
import { fakeSubgraph } from '../gateway/federation/testing/fake-subgraph.ts';
import { startApolloHandler } from '../gateway/http/apollo-server.ts';
import { FastPath } from '../gateway/http/fast-path.ts';
import type { GraphqlRequest } from '../gateway/http/handlers.ts';
import { Operations } from '../gateway/operation/operations.ts';
import { readFieldPolicy } from '../gateway/trust/rights/field-policy.ts';
import { compose } from '../schema/compose.ts';

const things = fakeSubgraph(
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
const sizes = fakeSubgraph(
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

const startHandler = () =>
  startApolloHandler(
    new Operations({
      federation: createFederation({
        supergraph,
        subgraphs: new Map(subgraphs.map((subgraph) => [subgraph.name, subgraph])),
        log: silentLog,
      }),
      policy: readFieldPolicy(supergraph),
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
/** Requests that take the fast path from the second time. */
const FAST: readonly (readonly [string, unknown, Record<string, string>?])[] = [
  ['a plain query', { query: '{ thing(id: 1) { id name weight size } }' }],
  ['text that JSON escapes', { query: '{ thing(id: "\\u2028\\u0001") { id name } }' }],
  ['null', { query: '{ thing(id: 0) { id } }', variables: null, operationName: null, extensions: null }],
  ['variables', { query: 'query ($n: Int) { things(first: $n) { id weight size } }', variables: { n: 3 } }],
  ['one of two operations', { query: both, operationName: 'B', variables: { id: '7' } }],
  ['a field that fails', { query: '{ thing(id: 1) { id secret } }' }],
  ['an error of an entity', { query: '{ things(first: 4) { id size } }' }],
  ['null in a non-null field', { query: '{ thing(id: 3) { weight } }' }],
  ['no data at all', { query: '{ broken }' }],
  ['a variable of the wrong type', { query: 'query ($n: Int) { things(first: $n) { id } }', variables: { n: 'x' } }],
  [
    'a variable of the wrong type, in the media type of the specification',
    { query: 'query ($n: Int) { things(first: $n) { id } }', variables: { n: 'x' } },
    { accept: 'application/graphql-response+json' },
  ],
  ['an empty operation name', { query: '{ thing(id: 1) { id } }', operationName: '' }],
  ['a missing variable', { query: 'query ($id: ID!) { thing(id: $id) { id } }' }],
  ['a mutation', { query: 'mutation { touch(id: 5) { id name size } }' }],
  ['introspection', { query: '{ __schema { queryType { name } } __type(name: "Thing") { name } }' }],
  [
    'aliases that are JavaScript property names',
    { query: '{ then: thing(id: 1) { __proto__: id constructor: name } }' },
  ],
  [
    '@include',
    { query: 'query ($w: Boolean!) { thing(id: 1) { id name @include(if: $w) } }', variables: { w: false } },
  ],
  [
    'the media type of the specification',
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
const SLOW: typeof FAST = [
  ['no JSON', '{'],
  ['no query', { variables: {} }],
  ['a syntax error', { query: '{ thing(' }],
  ['an unknown field', { query: '{ nothing }' }],
  ['an unknown operation', { query: both, operationName: 'C' }],
  ['no operation name', { query: both }],
  ['an unsupported media type', { query: '{ thing(id: 1) { id } }' }, { accept: 'image/png' }],
  ['a body with another content type', { query: '{ thing(id: 1) { id } }' }, { 'content-type': 'text/plain' }],
  ['variables that are a list', { query: '{ thing(id: 1) { id } }', variables: [1] }],
  ['a batch', [{ query: '{ thing(id: 1) { id } }' }]],
  [
    'a persisted query',
    { query: '{ thing(id: 1) { id } }', extensions: { persistedQuery: { version: 1, sha256Hash: 'wrong' } } },
  ],
];

afterEach(() => void vi.restoreAllMocks());

describe.each([
  ['warm', FAST],
  ['cold', SLOW],
] as const)('a %s request gets the same response the first and the third time', (kind, corpus) => {
  test.each(corpus.map(([name, body, headers]) => ({ name, body, headers })))('$name', async ({ body, headers }) => {
    const fastPath = vi.spyOn(FastPath.prototype, 'handle');
    const one = await startHandler();
    const sent = request(body, headers);
    const first = await one.handle(sent);
    await one.handle(sent);
    const third = await one.handle(sent);
    await one.stop();
    expect(third).toEqual(first);
    expect(Object.keys(third.headers).length).toBeGreaterThan(0);
    const answers = await Promise.all(fastPath.mock.results.map((result) => result.value as Promise<unknown>));
    const ways = answers.map((answer) => (answer === null ? 'Apollo' : 'warm'));
    if (kind === 'warm') expect(ways).toEqual(['Apollo', 'warm', 'warm']);
    else expect(ways).not.toContain('warm');
  });
});

/** Requests that are rejected before execution, with the error code. */
const REJECTED: readonly (readonly [string, object, string])[] = [
  ['a syntax error', { query: '{ thing(' }, 'GRAPHQL_PARSE_FAILED'],
  ['an unknown field', { query: '{ nothing }' }, 'GRAPHQL_VALIDATION_FAILED'],
  ['an unknown operation', { query: both, operationName: 'C' }, 'OPERATION_RESOLUTION_FAILURE'],
  ['no operation name', { query: both }, 'OPERATION_RESOLUTION_FAILURE'],
  ['an empty operation name where there are two', { query: both, operationName: '' }, 'OPERATION_RESOLUTION_FAILURE'],
  [
    'a variable of the wrong type',
    { query: 'query ($n: Int) { things(first: $n) { id } }', variables: { n: 'x' } },
    'BAD_USER_INPUT',
  ],
  ['a missing variable', { query: 'query ($id: ID!) { thing(id: $id) { id } }' }, 'BAD_USER_INPUT'],
  ['a limit', { query: `{ ${'a: thing(id: 1) { id } '.repeat(50)} }` }, 'LIMIT_COST'],
  [
    'an unknown persisted query',
    { extensions: { persistedQuery: { version: 1, sha256Hash: 'a'.repeat(64) } } },
    'PERSISTED_QUERY_NOT_FOUND',
  ],
];

test.each(REJECTED)(
  '%s: response has no data, by POST and by GET; status 200 for application/json, 400 for graphql-response+json',
  async (_, body, code) => {
    const one = await startHandler();
    const given = body as { query?: string; operationName?: string; variables?: object; extensions?: object };
    const parameters = Object.entries(given).map(([name, value]): [string, string] => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]);
    for (const [accept, status] of [
      ['application/json', 200],
      ['application/graphql-response+json', 400],
      ['application/graphql-response+json, application/json;q=0.9', 400],
    ] as const) {
      const get = { ...request('', { accept, 'apollo-require-preflight': '1' }), method: 'GET', body: Buffer.alloc(0) };
      for (const sent of [request(body, { accept }), { ...get, search: `?${new URLSearchParams(parameters)}` }]) {
        // Twice: the second time through the fast path, if it accepts the request.
        for (let i = 0; i < 2; i++) {
          const answer = await one.handle(sent);
          const body = JSON.parse(answer.body);
          expect([sent.method, answer.status, body.errors[0].extensions.code]).toEqual([sent.method, status, code]);
          expect(body).not.toHaveProperty('data');
          expect(answer.headers['content-type']).toContain(accept.split(',', 1)[0]);
        }
      }
    }
    await one.stop();
  },
);

test('an executed operation has data and status 200 in both media types, even when all data is null', async () => {
  const one = await startHandler();
  for (const accept of ['application/json', 'application/graphql-response+json']) {
    for (const query of ['{ broken }', '{ thing(id: 1) { secret } }']) {
      const answer = await one.handle(request({ query }, { accept }));
      expect(answer.status).toBe(200);
      expect(JSON.parse(answer.body)).toHaveProperty('data');
    }
  }
  await one.stop();
});

test('treats an empty operation name as no name, by POST and by GET', async () => {
  const one = await startHandler();
  const query = 'query A { thing(id: 1) { id } }';
  const get = { ...request(''), method: 'GET', body: Buffer.alloc(0) };
  const search = `?operationName=&query=${encodeURIComponent(query)}`;
  for (const sent of [request({ query, operationName: '' }), { ...get, search }]) {
    expect(JSON.parse((await one.handle(sent)).body)).toEqual({ data: { thing: { id: '1' } } });
  }
  await one.stop();
});
