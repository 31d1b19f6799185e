/** Every argument of the graph with invalid values: each is rejected before execution, as a variable and as a literal. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type GraphQLInputType, getNamedType, getNullableType, isInputObjectType, isListType } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HUB_PRINCIPAL } from '../connectors/kit/auth/principal.ts';
import type { Subgraph } from '../connectors/kit/call.ts';
import { DEFAULT_LIMITS } from '../connectors/kit/config/sections/limits.ts';
import { createLog } from '../connectors/kit/log.ts';
import { createFederation } from '../gateway/federation/index.ts';
import { startApolloHandler } from '../gateway/http/apollo-server.ts';
import type { GraphqlHandler } from '../gateway/http/handlers.ts';
import { Operations } from '../gateway/operation/operations.ts';
import { readFieldPolicy } from '../gateway/trust/rights/field-policy.ts';
import { MAX_ID_LENGTH, SCALARS } from '../schema/graph/scalars.ts';
import { fieldsWithArguments, operationFor, validValue } from './graph-arguments.ts';

const supergraph = readFileSync(join(import.meta.dirname, '..', 'schema', 'supergraph.graphql'), 'utf8');
const log: string[] = [];
let called = 0;
const unreachable = (name: string): Subgraph => ({
  name,
  sdl: '',
  execute: async () => {
    called += 1;
    return { data: {} };
  },
});
const federation = createFederation({
  supergraph,
  subgraphs: unreachable,
  log: createLog((line) => log.push(line), 'info'),
  inputRules: { scalars: SCALARS, maxIdLength: MAX_ID_LENGTH },
});
const operations = new Operations({
  federation,
  policy: readFieldPolicy(supergraph),
  limits: { ...DEFAULT_LIMITS, rate: 0 },
});
const { schema } = federation;

const ALL = fieldsWithArguments(schema);
const NUL = 'a\u0000b';
const HALF = 'a\ud800b';
const LONG = 'x'.repeat(MAX_ID_LENGTH + 1);
/** Invalid values of a leaf type. */
function wrong(name: string): unknown[] {
  if (SCALARS.has(name))
    return ['', 7, true, { a: 1 }, NUL, HALF, 'x'.repeat(5_000), ...(name === 'Cursor' ? [] : ['x'])];
  if (name === 'ID') return [NUL, HALF, LONG, true, { a: 1 }];
  if (name === 'String') return [NUL, HALF, 7, { a: 1 }];
  if (name === 'Int') return ['x', 2 ** 40, 1.5];
  if (name === 'Float') return ['x', {}];
  if (name === 'Boolean') return ['x', 1];
  return ['NOPE', 7, NUL];
}

interface Bad {
  readonly value: unknown;
  /** Path within the value, as in error messages. */
  readonly path: string;
  readonly leaf: string;
}
/** Values of the type with exactly one invalid leaf, for each leaf and each kind of invalid value. */
function bad(type: GraphQLInputType): Bad[] {
  const bare = getNullableType(type);
  if (isListType(bare)) return bad(bare.ofType).map((one) => ({ ...one, value: [one.value], path: `[0]${one.path}` }));
  if (isInputObjectType(bare)) {
    return Object.values(bare.getFields()).flatMap((field) =>
      bad(field.type).map((one) => ({
        ...one,
        value: { ...(validValue(bare) as object), [field.name]: one.value },
        path: `.${field.name}${one.path}`,
      })),
    );
  }
  return wrong(bare.name).map((value) => ({ value, path: '', leaf: bare.name }));
}

const cases = ALL.flatMap((place) =>
  place.field.args.flatMap((argument) => bad(argument.type).map((one) => ({ place, argument, ...one }))),
);

describe('invalid input values', () => {
  let handler: GraphqlHandler;
  beforeAll(async () => {
    handler = await startApolloHandler(operations, { introspection: true });
  });
  afterAll(() => handler.stop());

  test('cover every custom scalar and every input type', () => {
    const types = new Set(cases.map((testCase) => testCase.leaf));
    const inputs = Object.values(schema.getTypeMap()).filter(
      (one) => isInputObjectType(one) && !one.name.startsWith('__'),
    );
    const reached = new Set<string>();
    const walk = (type: GraphQLInputType): void => {
      const named = getNamedType(type);
      if (!isInputObjectType(named) || reached.has(named.name)) return;
      reached.add(named.name);
      for (const field of Object.values(named.getFields())) walk(field.type);
    };
    for (const { field } of ALL) for (const arg of field.args) walk(arg.type);
    // Input types that no argument uses exist only for other subgraphs.
    const unused = inputs.map((input) => input.name).filter((name) => !reached.has(name));
    console.info(
      `Input validation: ${ALL.length} fields with arguments, ${cases.length} invalid values; input types not used by any argument: ${unused.join(' ') || 'none'}`,
    );
    for (const name of ['USCC', 'Plate', 'DateTime', 'Period', 'Decimal', 'Cursor', 'ID', 'String'])
      expect(types).toContain(name);
    expect(cases.length).toBeGreaterThan(1_000);
  });

  test('as variables: fail with BAD_USER_INPUT, path and expectation, without data, calls or log lines', async () => {
    for (const { place, argument, value, path, leaf } of cases) {
      const query = operationFor(place, argument);
      const where = `${query} ${JSON.stringify(value).slice(0, 80)}`;
      const variables = { v: value };
      const answer =
        place.root === 'subscription'
          ? {
              errors: operations.documents.validateVariables(
                operations.documents.parse(query).definitions[0] as never,
                variables,
              ),
            }
          : await operations.run({ query, variables, principal: HUB_PRINCIPAL, signal: new AbortController().signal });
      expect(answer, where).not.toHaveProperty('data');
      expect(
        answer.errors?.map((error) => error.extensions?.['code']),
        where,
      ).toEqual(['BAD_USER_INPUT']);
      const message = answer.errors?.[0]?.message ?? '';
      expect(message, where).toContain('Variable "$v" got invalid value ');
      // An invalid object may be reported at its first field.
      if (path !== '') expect(message, where).toContain(` at "v${path}`);
      if (SCALARS.has(leaf) && value !== NUL) expect(message, where).toMatch(/expected/i);
      expect(message.length, where).toBeLessThan(500);
    }
    expect(called).toBe(0);
    expect(log).toEqual([]);
  });

  test('as literals: fail with the same code, without data or calls', async () => {
    for (const { place, argument, value, leaf } of cases.filter(
      (testCase) => typeof testCase.value !== 'object' || SCALARS.has(testCase.leaf),
    )) {
      if (!SCALARS.has(leaf) && leaf !== 'ID' && leaf !== 'String') continue;
      // A document with a lone surrogate cannot be encoded.
      if (JSON.stringify(value).includes('\\ud800')) continue;
      const text = literal(value);
      const query = operationFor(place, argument, text);
      const errors = operations.documents.validate(query, operations.documents.parse(query));
      const codes = new Set(errors.map((fault) => fault.extensions?.['code']));
      // Enum values appear as strings in the rest of a mutation's input, which is another error.
      const code =
        ['ID', 'String'].includes(leaf) && typeof value !== 'string' ? 'GRAPHQL_VALIDATION_FAILED' : 'BAD_USER_INPUT';
      expect([...codes], query.slice(0, 300)).toContain(code);
    }
    expect(called).toBe(0);
  });

  test('over HTTP: respond 400 with graphql-response+json and 200 with application/json, as variables and literals', async () => {
    const post = (body: object, accept: string) =>
      handler.handle({
        method: 'POST',
        headers: { 'content-type': 'application/json', accept },
        search: '',
        body: Buffer.from(JSON.stringify(body)),
        principal: HUB_PRINCIPAL,
        signal: new AbortController().signal,
      });
    for (const body of [
      { query: 'query ($v: USCC!) { company(uscc: $v) { name } }', variables: { v: 'x' } },
      { query: 'query ($v: ID!) { building(id: $v) { id } }', variables: {} },
      { query: 'query ($v: ID!) { building(id: $v) { id } }', variables: { v: NUL } },
      { query: '{ company(uscc: "x") { name } }' },
      { query: '{ building(id: "a\\u0000b") { id } }' },
    ]) {
      for (const [accept, status] of [
        ['application/json', 200],
        ['application/graphql-response+json', 400],
      ] as const) {
        const answer = await post(body, accept);
        const responseBody = JSON.parse(answer.body);
        expect([answer.status, responseBody.errors[0].extensions.code]).toEqual([status, 'BAD_USER_INPUT']);
        expect(responseBody).not.toHaveProperty('data');
      }
    }
    expect(called).toBe(0);
  });

  test('accepts valid values, and ids up to the maximum length', async () => {
    for (const place of ALL) {
      for (const argument of place.field.args) {
        const query = operationFor(place, argument);
        const operation = operations.documents.parse(query).definitions[0] as never;
        expect([query, operations.documents.validateVariables(operation, { v: validValue(argument.type) })]).toEqual([
          query,
          [],
        ]);
      }
    }
    const operation = operations.documents.parse('query ($v: ID!) { building(id: $v) { id } }').definitions[0] as never;
    expect(operations.documents.validateVariables(operation, { v: 'x'.repeat(MAX_ID_LENGTH) })).toEqual([]);
    expect(operations.documents.validateVariables(operation, { v: '雪😀\n\t' })).toEqual([]);
  });
});

/** The value as a GraphQL literal. */
function literal(value: unknown): string {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return `{ ${Object.entries(value)
      .map(([name, one]) => `${name}: ${literal(one)}`)
      .join(', ')} }`;
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  return JSON.stringify(value);
}
