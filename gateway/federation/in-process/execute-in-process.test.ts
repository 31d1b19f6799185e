import { execute, type GraphQLError, type GraphQLResolveInfo, type GraphQLSchema, isObjectType, parse } from 'graphql';
import { describe, expect, test } from 'vitest';
import { plainSchema, type Resolvers } from '../testing/fake-subgraph.ts';
import { ALIASES, allResolvers, hashOf } from '../testing/random-graph.ts';
import { randomNumbers } from '../testing/random-numbers.ts';
import { randomOperation } from '../testing/random-operations.ts';
import { wholeSdl } from '../testing/random-split.ts';
import { compileInProcess } from './execute-in-process.ts';

const SEED = Number(process.env['ISTHMUS_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const CASES = Number(process.env['ISTHMUS_CASES'] ?? 300);

const asIs = (error: GraphQLError) => ({ message: error.message, path: error.path });

/** A schema with the resolvers attached to its fields. */
function attached(
  sdl: string,
  resolvers: Resolvers,
  wrap: (value: unknown, mark: string) => unknown = (value) => value,
) {
  const schema = plainSchema(sdl);
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type)) continue;
    for (const [name, resolve] of Object.entries(resolvers[type.name] ?? {})) {
      const field = type.getFields()[name];
      if (!field) continue;
      field.resolve = (source, args, _context, info) =>
        wrap(resolve(source, args), `${name}${(source as { id?: string } | undefined)?.id ?? ''}${info.path.key}`);
    }
  }
  return schema;
}

async function both(
  schema: GraphQLSchema,
  query: string,
  variables: Record<string, unknown> = {},
  context: unknown = {},
) {
  const run = compileInProcess(schema, query, asIs);
  if (!run) throw new Error(`not compiled: ${query}`);
  const made = await run(variables, context);
  const result = await execute({ schema, document: parse(query), variableValues: variables, contextValue: context });
  const theirs = { data: result.data ?? null, ...(result.errors ? { errors: result.errors.map(asIs) } : {}) };
  return {
    ours: JSON.parse(JSON.stringify({ data: made.data ?? null, ...(made.errors ? { errors: made.errors } : {}) })),
    theirs: JSON.parse(JSON.stringify(theirs)),
  };
}

const queryOnly = wholeSdl.replace(/type Mutation \{[^}]*\}/, '');

describe(`random operations, ISTHMUS_SEED=${SEED}`, () => {
  const cases = (schema: GraphQLSchema, count: number, from = 0) =>
    Array.from({ length: count }, (_, i) => SEED + from + i)
      .map((seed) => ({ ...randomOperation(schema, randomNumbers(seed), ALIASES), seed }))
      // Conditions are resolved before an operation is compiled.
      .filter((operation) => !/@(skip|include)/.test(operation.query));

  test(
    'returns the values, promises and errors of graphql-js',
    async () => {
      const kinds: ((value: unknown, mark: string) => unknown)[] = [
        (value) => value,
        (value, mark) => (hashOf(mark) % 3 === 0 ? Promise.resolve(value) : value),
        (value, mark) => {
          if (hashOf(mark) % 4 === 0) throw new Error(`no ${mark}`);
          return hashOf(mark) % 5 === 1 ? null : value;
        },
      ];
      let failed = 0;
      let climbed = 0;
      for (const wrap of kinds) {
        const schema = attached(queryOnly, allResolvers({ count: 0 }), wrap);
        // How many of a few hundred operations fail is random: more are generated until enough have failed.
        const isFew = () => wrap === kinds.at(-1) && (failed <= CASES / 20 || climbed === 0);
        for (let from = 0; from === 0 || (isFew() && from < 4 * CASES); from += CASES) {
          for (const { query, variables, seed } of cases(schema, CASES, from)) {
            const { ours, theirs } = await both(schema, query, variables);
            const mark = `ISTHMUS_SEED=${seed}\n${query}`;
            expect(ours, mark).toEqual(theirs);
            expect(JSON.stringify(ours.data), mark).toBe(JSON.stringify(theirs.data));
            if (theirs.errors) failed++;
            if (theirs.errors?.some((error: { message: string }) => /non-nullable/.test(error.message))) climbed++;
          }
        }
      }
      expect(failed).toBeGreaterThan(CASES / 20);
      expect(climbed).toBeGreaterThan(0);
    },
    20_000 + 50 * CASES,
  );
});

const SMALL = `
  scalar Odd
  enum Colour { RED BLUE }
  input Wish { size: Int = 3 of: Odd }
  interface Named { name: String }
  union Any = One | Two
  type One implements Named { name: String must: String! odd: Odd colour: Colour odds: [Odd] self: One ints: [Int!] }
  type Two implements Named { name: String }
  type Query { one: One named: [Named] any: [Any!] wish(wish: Wish, colour: Colour = BLUE, list: [Int]): String int: Int plain: [String!]! }
`;

describe('in-process execution as graphql-js', () => {
  const small = (resolvers: Resolvers) => attached(SMALL, resolvers);

  test('execution frame: completes methods, properties, iterables and values that need serialization', async () => {
    const schema = small({
      Query: {
        one: () => ({
          name: () => 'called',
          must(args: object, context: { mark: string }, info: GraphQLResolveInfo) {
            return `${Object.keys(args).length} ${context.mark} ${info.fieldName} ${JSON.stringify(info.path)}`;
          },
          colour: 'RED',
          ints: new Set([1, 2]),
          odds: [new Date(0), 1, null, true],
          odd: { any: ['thing'] },
          self: Promise.resolve({ name: Promise.resolve(5), must: true, ints: 'no', colour: 'GREEN' }),
        }),
        int: () => '12',
        plain: () => ['a', Promise.resolve('b')],
      },
    });
    const query = '{ one { name must colour ints odds odd self { name must ints colour } } int plain __typename }';
    const { ours, theirs } = await both(schema, query, {}, { mark: 'context' });
    expect(ours).toEqual(theirs);
    expect(ours.errors).toHaveLength(2);
  });

  test('handles returned errors, failed items, null propagation, and fields after them', async () => {
    const schema = small({
      Query: {
        one: () => ({ name: new Error('returned'), must: null, self: { must: null } }),
        named: () => [
          { __typename: 'One', name: 'a' },
          new Error('item'),
          { __typename: 'Nothing' },
          { __typename: 'Query' },
          {},
          null,
          5,
        ],
        any: () => [{ __typename: 'Two' }, null],
        int: () => 1.5,
        plain: () => ['a', null],
      },
    });
    for (const query of [
      '{ one { name must self { must } } int }',
      '{ one { self { must name } name } }',
      '{ named { name } any { __typename } }',
      '{ int plain }',
      '{ int any { ... on Two { name } } }',
    ]) {
      const { ours, theirs } = await both(schema, query);
      expect(ours, query).toEqual(theirs);
      expect(ours.errors, query).toBeDefined();
    }
  });

  test('computes arguments from defaults and variables, a new object for each call', async () => {
    const received: unknown[] = [];
    const schema = small({
      Query: {
        wish: (_, args) => {
          received.push(args);
          const json = JSON.stringify(args);
          args.list?.push(99);
          args.colour = 'changed';
          return json;
        },
      },
    });
    const query =
      'query ($size: Int, $colour: Colour, $list: [Int] = [1]) { a: wish b: wish c: wish(wish: { size: $size, of: { x: $size } }) d: wish(colour: $colour, list: $list) e: wish(list: $list) f: wish(list: [4], wish: {}) g: wish(list: [4], wish: {}) }';
    for (const variables of [{}, { size: 7 }, { colour: 'RED', list: null }, { list: [1, 2] }]) {
      const { ours, theirs } = await both(schema, query, variables);
      expect(ours, JSON.stringify(variables)).toEqual(theirs);
    }
    expect(new Set(received).size).toBe(received.length);
    const { ours, theirs } = await both(schema, 'query ($size: Int!) { wish(wish: { size: $size }) }', { size: 'x' });
    expect(ours).toEqual(theirs);
  });

  test('does not compile mutations, directives and invalid operations', () => {
    const schema = plainSchema('type Query { a: Int } type Mutation { b: Int }');
    expect(compileInProcess(schema, 'mutation { b }', asIs)).toBeNull();
    expect(compileInProcess(schema, '{ nothing }', asIs)).toBeNull();
    expect(compileInProcess(schema, '{ a @skip(if: true) }', asIs)).toBeNull();
  });
});
