import { describe, expect, test } from 'vitest';
import type { Subgraph } from '../../connectors/kit/call.ts';
import { hubCall } from '../../connectors/kit/host/services.ts';
import { executeOperation, federate } from '../../tests/test-federation.ts';
import { executeWhole, type FakeSubgraph, fakeSubgraph } from './testing/fake-subgraph.ts';
import { allResolvers } from './testing/random-graph.ts';
import { DEFAULT_SPLIT, subgraphsOf, wholeSchema } from './testing/random-split.ts';

const people = [
  { id: '1', name: 'Ada' },
  { id: '2', name: 'Bo' },
  { id: '3', name: 'Cy' },
];
const accounts = () =>
  fakeSubgraph(
    'accounts',
    'type Query { me: Person people: [Person!]! named(kind: Kind): [Named!]! } enum Kind { A B } interface Named { name: String } type Person implements Named @key(fields: "id") { id: ID! name: String friends: [Person!] } type Thing implements Named { name: String weight: Int } type Mutation { rename(id: ID!, name: String!): Person }',
    {
      Query: {
        me: () => people[0],
        people: () => people,
        named: () => [
          { __typename: 'Thing', name: 'rock', weight: 3 },
          { __typename: 'Person', ...people[1] },
        ],
      },
      Person: { friends: (person: { id: string }) => people.filter((other) => other.id !== person.id) },
      Mutation: { rename: (_: unknown, args: { id: string; name: string }) => args },
    },
    { Person: (reference: { id: string }) => people.find((person) => person.id === reference.id) },
  );
const reviews = (fail: (id: string) => unknown = () => undefined) =>
  fakeSubgraph(
    'reviews',
    'type Person @key(fields: "id") { id: ID! reviews: [Review!] score: Int rank: Int! } type Review { text: String! stars: Int author: Person }',
    {
      Person: {
        score: (person: { id: string }) => {
          const error = fail(person.id);
          if (error) throw error;
          return Number(person.id) * 10;
        },
      },
    },
    {
      Person: (reference: { id: string }) => ({
        id: reference.id,
        rank: reference.id === '2' ? null : 1,
        reviews: [{ text: `by ${reference.id}`, stars: 5, author: { id: reference.id } }],
      }),
    },
  );

describe('federation', () => {
  test('fetches entities by key in one batch, each entity once', async () => {
    const far = reviews();
    const answer = await executeOperation(
      federate(accounts(), far),
      '{ people { name reviews { text author { name } } } me { score } }',
    );
    expect(answer.errors).toBeUndefined();
    expect(answer.data?.['people']).toEqual(
      people.map((person) => ({
        name: person.name,
        reviews: [{ text: `by ${person.id}`, author: { name: person.name } }],
      })),
    );
    expect(answer.data?.['me']).toEqual({ score: 10 });
    expect(far.requests.length).toBeLessThanOrEqual(2);
  });

  test('merges equal selections and keeps aliases and fragments of the document', async () => {
    const answer = await executeOperation(
      federate(accounts(), reviews()),
      'query ($with: Boolean!) { me { friends { id } } me { friends { name } } a: me { t: __typename ...F @include(if: $with) score @skip(if: $with) } named { __typename name ... on Thing { weight } ... on Person { reviews { stars } } } } fragment F on Person { x: name name }',
      { with: true },
    );
    expect(answer).toEqual({
      data: {
        me: {
          friends: [
            { id: '2', name: 'Bo' },
            { id: '3', name: 'Cy' },
          ],
        },
        a: { t: 'Person', x: 'Ada', name: 'Ada' },
        named: [
          { __typename: 'Thing', name: 'rock', weight: 3 },
          { __typename: 'Person', name: 'Bo', reviews: [{ stars: 5 }] },
        ],
      },
    });
  });

  test('reports an error at each null of the entity', async () => {
    const federation = federate(
      accounts(),
      reviews((id) => (id === '2' ? new Error('no') : undefined)),
    );
    const answer = await executeOperation(federation, '{ people { id score } me { friends { score } } }');
    expect(answer.data?.['people']).toEqual([
      { id: '1', score: 10 },
      { id: '2', score: null },
      { id: '3', score: 30 },
    ]);
    expect(answer.errors?.map((error) => error.path?.join('.')).sort()).toEqual([
      'me.friends.0.score',
      'people.1.score',
    ]);
    expect(answer.errors?.[0]?.extensions).toEqual({ code: 'SOURCE_REJECTED' });
  });

  test('propagates the null of a non-null field to the nearest nullable parent', async () => {
    const answer = await executeOperation(federate(accounts(), reviews()), '{ me { friends { id rank } } }');
    expect(answer.data).toEqual({ me: { friends: null } });
    expect(answer.errors?.[0]?.path).toEqual(['me', 'friends', 0, 'rank']);
  });

  test('subgraph fetch: a subgraph that is unreachable, hangs or fails nulls only its own fields, each with one error', async () => {
    const broken = (execute: Subgraph['execute']) => ({ ...reviews(), execute });
    const cases: [Subgraph['execute'], string][] = [
      [
        async () => {
          throw Object.assign(new Error('x'), { code: 'ECONNREFUSED' });
        },
        'SOURCE_UNAVAILABLE',
      ],
      [() => new Promise(() => undefined), 'SOURCE_TIMEOUT'],
      [
        async () => ({
          data: null,
          errors: [
            { message: 'Source x rejected the request.', extensions: { code: 'SOURCE_REJECTED', secret: 'no' } },
          ],
        }),
        'SOURCE_REJECTED',
      ],
    ];
    for (const [execute, code] of cases) {
      const answer = await executeOperation(
        federate(accounts(), broken(execute)),
        '{ people { id score reviews { text } } }',
        {},
        {},
        hubCall(200, new AbortController().signal),
      );
      expect(answer.data?.['people']).toEqual(people.map(({ id }) => ({ id, score: null, reviews: null })));
      expect(answer.errors).toHaveLength(6);
      expect(new Set(answer.errors?.map((error) => error.extensions?.['code']))).toEqual(new Set([code]));
      expect(JSON.stringify(answer.errors)).not.toContain('secret');
    }
  });

  test('does not fetch a field whose access is denied: it is null with an error, other fields have their values', async () => {
    const far = reviews();
    const checkAccess = ({ type, field }: { type: string; field: string }) =>
      `${type}.${field}` === 'Person.score' ? { code: 'FORBIDDEN', message: 'no' } : null;
    const answer = await executeOperation(
      federate(accounts(), far),
      '{ me { name score } people { ...S } } fragment S on Person { score }',
      {},
      { checkAccess, accessKey: 'x' },
    );
    expect(answer.data?.['me']).toEqual({ name: 'Ada', score: null });
    expect(answer.errors?.map((error) => [error.path?.join('.'), error.extensions?.['code']])).toEqual([
      ['me.score', 'FORBIDDEN'],
      ...people.map((_, i) => [`people.${i}.score`, 'FORBIDDEN']),
    ]);
    expect(far.requests).toEqual([]);
  });

  test('response data may contain the keys then and __proto__', async () => {
    const answer = await executeOperation(
      federate(accounts(), reviews()),
      '{ then: me { __proto__: name constructor: id then: score } }',
    );
    expect(JSON.stringify(answer.data)).toBe('{"then":{"__proto__":"Ada","constructor":"1","then":10}}');
  });

  test('resolves @requires, @provides, composite and nested keys, @override and @interfaceObject', async () => {
    const catalog = fakeSubgraph(
      'catalog',
      'type Query { items: [Item!]! media: [Media!]! } type Item @key(fields: "id maker { code }") { id: ID! maker: Maker! size: Int weight: Int price: Int } type Maker { code: ID! @shareable } interface Media @key(fields: "id") { id: ID! } type Book implements Media @key(fields: "id") { id: ID! pages: Int } type Film implements Media @key(fields: "id") { id: ID! minutes: Int }',
      {
        Query: {
          items: () => [
            { id: '1', maker: { code: 'm' }, size: 2, weight: 3, price: 1 },
            { id: '2', maker: { code: 'm' }, size: 5, weight: 7, price: 1 },
          ],
          media: () => [
            { __typename: 'Book', id: 'b', pages: 9 },
            { __typename: 'Film', id: 'f', minutes: 90 },
          ],
        },
      },
      {
        Item: (reference: object) => reference,
        Book: (reference: object) => reference,
        Film: (reference: object) => reference,
      },
    );
    const shipping = fakeSubgraph(
      'shipping',
      'type Item @key(fields: "id maker { code }") { id: ID! maker: Maker! size: Int @external weight: Int @external price: Int @override(from: "catalog") fee(per: Int = 2): Int @requires(fields: "size weight") } type Maker { code: ID! @shareable }  type Media @key(fields: "id") @interfaceObject { id: ID! stock: Int }',
      {
        Item: {
          fee: (item: { size: number; weight: number }, args: { per: number }) => item.size * item.weight * args.per,
        },
      },
      {
        Item: (reference: object) => ({ ...reference, price: 99 }),
        Media: (reference: { id: string }) => ({ ...reference, stock: reference.id === 'b' ? 1 : 2 }),
      },
    );
    const answer = await executeOperation(
      federate(catalog, shipping),
      '{ items { id price fee(per: 10) } media { id stock ... on Book { pages } } }',
    );
    expect(answer).toEqual({
      data: {
        items: [
          { id: '1', price: 99, fee: 60 },
          { id: '2', price: 99, fee: 350 },
        ],
        media: [
          { id: 'b', stock: 1, pages: 9 },
          { id: 'f', stock: 2 },
        ],
      },
    });
  });

  const modes: readonly [string, (subgraph: FakeSubgraph) => Subgraph][] = [
    ['by request', (subgraph) => subgraph],
    ['in process', (subgraph) => ({ ...subgraph, ...subgraph.asInProcess })],
  ];
  test.each(modes)('plans @requires behind an entity of the same type and subgraph in parts, %s', async (_, mode) => {
    const friends: Record<string, string[]> = { '1': ['2', '3'], '2': ['3'], '3': [] };
    const names = fakeSubgraph(
      'names',
      'type Query { user(id: ID!): User } type User @key(fields: "id") { id: ID! name: String }',
      { Query: { user: (_, { id }) => ({ id, name: `name ${id}` }) } },
      { User: ({ id }: { id: string }) => ({ id, name: id === '3' ? null : `name ${id}` }) },
    );
    const greetings = fakeSubgraph(
      'greetings',
      'type User @key(fields: "id") { id: ID! name: String @external pal: User pals: [User!]! greeting(word: String = "Hi"): String @requires(fields: "name") }',
      {
        User: {
          pal: ({ id }) => (friends[id]?.[0] ? { id: friends[id][0] } : null),
          pals: ({ id }) => friends[id]?.map((friend) => ({ id: friend })),
          greeting: ({ name }, { word }) => (name ? `${word}, ${name}` : null),
        },
      },
      { User: (reference: object) => reference },
    );
    const federation = federate(mode(names), mode(greetings));
    const text =
      'query ($id: ID!, $word: String) { user(id: $id) { greeting pal { known: id hello: greeting(word: $word) name pal { greeting } } pals { other: id id greeting pal { id name greeting } } } }';
    expect(await executeOperation(federation, text, { id: '1', word: 'Hello' })).toEqual({
      data: {
        user: {
          greeting: 'Hi, name 1',
          pal: { known: '2', hello: 'Hello, name 2', name: 'name 2', pal: { greeting: null } },
          pals: [
            { other: '2', id: '2', greeting: 'Hi, name 2', pal: { id: '3', name: null, greeting: null } },
            { other: '3', id: '3', greeting: null, pal: null },
          ],
        },
      },
    });
  });

  test.each(modes)('resolves @requires on an entity that another @requires has fetched, %s', async (_, mode) => {
    const records = fakeSubgraph(
      'records',
      'type Query { pets: [Pet!]! } interface Pet { id: ID! } type Cat implements Pet @key(fields: "id") { id: ID! weight: Int } type Dog implements Pet @key(fields: "id") { id: ID! weight: Int } type Checkup @key(fields: "id") { id: ID! fee: Int }',
      {
        Query: {
          pets: () => [
            { __typename: 'Cat', id: '1', weight: 4 },
            { __typename: 'Dog', id: '2', weight: 9 },
            { __typename: 'Cat', id: '3', weight: 5 },
          ],
        },
      },
      {
        Cat: (reference: object) => reference,
        Dog: (reference: object) => reference,
        Checkup: ({ id }: { id: string }) => ({ id, fee: id.length }),
      },
    );
    const ages = fakeSubgraph(
      'ages',
      'type Cat @key(fields: "id") { id: ID! age: Int }',
      { Cat: { age: ({ id }) => Number(id) * 2 } },
      { Cat: (reference: object) => reference },
    );
    const clinic = fakeSubgraph(
      'clinic',
      'type Cat @key(fields: "id") { id: ID! weight: Int @external age: Int @external checkup: Checkup @requires(fields: "weight age") } type Checkup @key(fields: "id") { id: ID! fee: Int @external grade: Int @requires(fields: "fee") }',
      {
        Cat: { checkup: ({ id, weight, age }) => ({ id: 'c'.repeat(weight + age), of: id }) },
        Checkup: { grade: ({ fee }) => fee * 10 },
      },
      { Cat: (reference: object) => reference, Checkup: (reference: object) => reference },
    );
    const answer = await executeOperation(
      federate(mode(records), mode(ages), mode(clinic)),
      '{ pets { id ... on Cat { checkup { grade } } } }',
    );
    expect(answer).toEqual({
      data: {
        pets: [{ id: '1', checkup: { grade: 60 } }, { id: '2' }, { id: '3', checkup: { grade: 110 } }],
      },
    });
  });

  test('runs mutations in the order of the document', async () => {
    const near = accounts();
    const answer = await executeOperation(
      federate(near, reviews()),
      'mutation { a: rename(id: "1", name: "x") { name score } b: rename(id: "2", name: "y") { name } }',
    );
    expect(answer.data).toEqual({ a: { name: 'x', score: 10 }, b: { name: 'y' } });
  });

  test('allows inaccessible fields only in internal documents', async () => {
    const near = fakeSubgraph('near', 'type Query { open: Int secret: Int @inaccessible }', {
      Query: { open: () => 1, secret: () => 2 },
    });
    const federation = federate(near);
    expect((await executeOperation(federation, '{ secret }')).errors?.[0]?.extensions?.['code']).toBe(
      'GRAPHQL_VALIDATION_FAILED',
    );
    expect((await executeOperation(federation, '{ s: secret open }', {}, { internal: true })).data).toEqual({
      s: 2,
      open: 1,
    });
    const types = await executeOperation(federation, '{ __schema { queryType { fields { name } } } open }');
    expect(types.data).toEqual({ __schema: { queryType: { fields: [{ name: 'open' }] } }, open: 1 });
  });

  test('rejects invalid documents and variables with their code', async () => {
    const federation = federate(accounts(), reviews());
    const code = async (query: string, variables = {}) =>
      (await executeOperation(federation, query, variables)).errors?.[0]?.extensions?.['code'];
    expect(await code('{')).toBe('GRAPHQL_PARSE_FAILED');
    expect(await code('{ nothing }')).toBe('GRAPHQL_VALIDATION_FAILED');
    expect(await code('query A { me { id } } query B { me { id } }')).toBe('OPERATION_RESOLUTION_FAILURE');
    expect(await code('query ($k: Kind) { named(kind: $k) { name } }', { k: 'C' })).toBe('BAD_USER_INPUT');
  });

  test('data keys: an alias that equals a key or a required field does not replace its value', async () => {
    const answer = await executeOperation(
      federate(accounts(), reviews()),
      '{ me { id: name name: id score __typename: name } }',
    );
    expect(answer).toEqual({ data: { me: { id: 'Ada', name: '1', score: 10, __typename: 'Ada' } } });
  });

  test('impossible fragments select nothing, and conditions are resolved before fetching', async () => {
    const far = reviews();
    const federation = federate(accounts(), far);
    const query =
      'query ($more: Boolean = false) { named { ... on Person { ... on Named { ... on Thing { weight } } } } me { name score @include(if: $more) } empty: me { name @skip(if: true) } }';
    expect((await executeOperation(federation, query)).data).toEqual({
      named: [{}, {}],
      me: { name: 'Ada' },
      empty: {},
    });
    expect(far.requests).toEqual([]);
    expect((await executeOperation(federation, query, { more: true })).data?.['me']).toEqual({
      name: 'Ada',
      score: 10,
    });
    expect(far.requests).toHaveLength(1);
  });

  test('data keys: give the planner one meaning for each key: merging two has ended the process', async () => {
    const near = fakeSubgraph(
      'near',
      'type Query { all: [Media!] } type Media @key(fields: "id") @interfaceObject { id: ID! stock(of: Int): Int }',
      { Query: { all: () => [{ id: '1' }, { id: '2' }] }, Media: { stock: (_, { of }) => of ?? 0 } },
      { Media: (reference) => reference },
    );
    const far = fakeSubgraph(
      'far',
      'interface Media @key(fields: "id") { id: ID! maker: Maker } type Maker { name(long: Boolean): String } type Book implements Media @key(fields: "id") { id: ID! maker: Maker } type Film implements Media @key(fields: "id") { id: ID! maker: Maker }',
      { Maker: { name: (_, { long }) => (long ? 'long' : 'short') } },
      {
        Media: ({ id }) => ({ __typename: id === '1' ? 'Book' : 'Film', id, maker: {} }),
        Book: (reference) => ({ ...reference, maker: {} }),
        Film: (reference) => ({ ...reference, maker: {} }),
      },
    );
    const answer = await executeOperation(
      federate(near, far),
      '{ all { ... on Book { a: stock(of: 1) maker { name } } ... on Film { a: stock maker { name(long: true) } } } }',
    );
    expect(answer).toEqual({
      data: {
        all: [
          { a: 1, maker: { name: 'short' } },
          { a: 0, maker: { name: 'long' } },
        ],
      },
    });
  });

  test('collect representations: entities of other types are fetched when a field is required of one type only', async () => {
    const split = { ...DEFAULT_SPLIT, at: { 'User.level': 'd', 'User.score': 'a', 'User.kind': 'b' } };
    const resolvers = allResolvers({ count: 0 });
    const query = '{ media { ... on Film { author { level greeting } } ... on Book { author { kind risk } } } }';
    const answer = await executeOperation(federate(...subgraphsOf(resolvers, split)), query);
    const expected = await executeWhole(wholeSchema, resolvers, query, {});
    expect(answer).toEqual({ data: expected.data });
  });

  test('variables to send: subgraphs receive them as the client sent them, with defaults', async () => {
    const near = fakeSubgraph('near', 'type Query { echo(text: String, n: Int): String } type Mutation { one: Int }', {
      Query: { echo: (_, { text, n }) => `${text} ${n}` },
    });
    const federation = federate(near);
    const query = 'query ($t: String = "d", $n: Int = null) { echo(text: $t, n: $n) b: echo(text: $t) }';
    expect((await executeOperation(federation, query)).data).toEqual({ echo: 'd null', b: 'd undefined' });
    expect(near.requests[0]?.variables).toEqual({ t: 'd', n: null });
    expect((await executeOperation(federation, query, { t: null })).data).toEqual({
      echo: 'null null',
      b: 'null undefined',
    });
  });

  test('executes introspection without a subgraph, beside other fields and with conditions', async () => {
    const federation = federate(accounts(), reviews());
    const answer = await executeOperation(
      federation,
      'query ($n: String!) { __typename ...F t: __type(name: $n) { name } none: __type(name: "Nothing") { name } people { id } } fragment F on Query { __schema { queryType { ...T } } } fragment T on __Type { name }',
      { n: 'Person' },
    );
    expect(answer).toEqual({
      data: {
        __typename: 'Query',
        __schema: { queryType: { name: 'Query' } },
        t: { name: 'Person' },
        none: null,
        people: people.map(({ id }) => ({ id })),
      },
    });
  });

  test('normalized selection: rejects an operation with too many expanded fields', async () => {
    const fragments = Array.from(
      { length: 15 },
      (_, i) => `fragment F${i} on Person { a: best { ...F${i + 1} } b: best { ...F${i + 1} } }`,
    );
    const near = fakeSubgraph('near', 'type Query { me: Person } type Person { best: Person name: String }', {});
    const large = `{ me { ...F0 } } ${fragments.join(' ')} fragment F15 on Person { name }`;
    expect((await executeOperation(federate(near), large)).errors?.[0]?.extensions?.['code']).toBe('LIMIT_COST');
  });

  test('compile operation: rejects subscriptions', async () => {
    const federation = federate(accounts(), reviews());
    expect((await executeOperation(federation, 'subscription { nothing }')).errors?.[0]?.extensions?.['code']).toMatch(
      /^GRAPHQL_|^OPERATION_/,
    );
  });

  test('caches compiled operations by text, name, access key and schema', () => {
    const federation = federate(accounts(), reviews());
    const compiled = federation.compile({ query: '{ me { id } }' });
    expect(federation.compile({ query: '{ me { id } }' })).toBe(compiled);
    expect(federation.compile({ query: '{ me { id } }' }, { accessKey: 'other' })).not.toBe(compiled);
    expect(federation.compile({ query: '{ me { id } }' }, { internal: true })).not.toBe(compiled);
  });
});
