/** Every argument of the graph with values that cannot be read: each is refused before anything is executed, wherever it comes in. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type GraphQLInputType, getNamedType, getNullableType, isInputObjectType, isListType } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HUB_PRINCIPAL } from '../connectors/kit/auth/principal.ts';
import { DEFAULT_LIMITS } from '../connectors/kit/config/sections/limits.ts';
import type { Subgraph } from '../connectors/kit/connector.ts';
import { makeLog } from '../connectors/kit/log.ts';
import { createFederation } from '../gateway/federation/index.ts';
import { type GraphqlFace, graphqlFace } from '../gateway/http/apollo-server.ts';
import { Operations } from '../gateway/operation/operations.ts';
import { readPolicy } from '../gateway/trust/rights/field-policy.ts';
import { LONGEST_ID, SCALARS } from '../schema/graph/scalars.ts';
import { documentOf, places, right } from './graph-arguments.ts';

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
  log: makeLog((line) => log.push(line), 'info'),
  inputs: { scalars: SCALARS, longestId: LONGEST_ID },
});
const operations = new Operations({
  federation,
  policy: readPolicy(supergraph),
  limits: { ...DEFAULT_LIMITS, rate: 0 },
});
const { schema } = federation;

const ALL = places(schema);
const NUL = 'a\u0000b';
const HALF = 'a\ud800b';
const LONG = 'x'.repeat(LONGEST_ID + 1);
/** What a leaf of that type does not take. */
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
  /** Where in the value, as messages tell it. */
  readonly path: string;
  readonly leaf: string;
}
/** The type's values that are right but in one leaf, for each leaf and each way in which it can be wrong. */
function bad(type: GraphQLInputType): Bad[] {
  const bare = getNullableType(type);
  if (isListType(bare)) return bad(bare.ofType).map((one) => ({ ...one, value: [one.value], path: `[0]${one.path}` }));
  if (isInputObjectType(bare)) {
    return Object.values(bare.getFields()).flatMap((field) =>
      bad(field.type).map((one) => ({
        ...one,
        value: { ...(right(bare) as object), [field.name]: one.value },
        path: `.${field.name}${one.path}`,
      })),
    );
  }
  return wrong(bare.name).map((value) => ({ value, path: '', leaf: bare.name }));
}

const cases = ALL.flatMap((place) =>
  place.field.args.flatMap((argument) => bad(argument.type).map((one) => ({ place, argument, ...one }))),
);

describe('values that cannot be read', () => {
  let face: GraphqlFace;
  beforeAll(async () => {
    face = await graphqlFace(operations, { introspection: true });
  });
  afterAll(() => face.stop());

  test('every custom scalar and every input type of the graph is among them', () => {
    const types = new Set(cases.map((one) => one.leaf));
    const inputs = Object.values(schema.getTypeMap()).filter(
      (one) => isInputObjectType(one) && !one.name.startsWith('__'),
    );
    const reached = new Set<string>();
    const walk = (type: GraphQLInputType): void => {
      const named = getNamedType(type);
      if (!isInputObjectType(named) || reached.has(named.name)) return;
      reached.add(named.name);
      for (const one of Object.values(named.getFields())) walk(one.type);
    };
    for (const { field } of ALL) for (const one of field.args) walk(one.type);
    // Input types that no argument of the graph takes are only there for other subgraphs to use.
    const unused = inputs.map((one) => one.name).filter((name) => !reached.has(name));
    console.info(
      `values: ${ALL.length} fields with arguments, ${cases.length} wrong values; input types not used by any argument: ${unused.join(' ') || 'none'}`,
    );
    for (const name of ['USCC', 'Plate', 'DateTime', 'Period', 'Decimal', 'Cursor', 'ID', 'String'])
      expect(types).toContain(name);
    expect(cases.length).toBeGreaterThan(1_000);
  });

  test('as a variable: BAD_USER_INPUT with its path and what is expected, no data, no call, no line in the log', async () => {
    for (const { place, argument, value, path, leaf } of cases) {
      const query = documentOf(place, argument);
      const where = `${query} ${JSON.stringify(value).slice(0, 80)}`;
      const variables = { v: value };
      const answer =
        place.root === 'subscription'
          ? { errors: operations.variableFaults(operations.parse(query).definitions[0] as never, variables) }
          : await operations.run({ query, variables, principal: HUB_PRINCIPAL, signal: new AbortController().signal });
      expect(answer, where).not.toHaveProperty('data');
      expect(
        answer.errors?.map((one) => one.extensions?.['code']),
        where,
      ).toEqual(['BAD_USER_INPUT']);
      const message = answer.errors?.[0]?.message ?? '';
      expect(message, where).toContain('Variable "$v" got invalid value ');
      // A wrong object may be told at its first field.
      if (path !== '') expect(message, where).toContain(` at "v${path}`);
      if (SCALARS.has(leaf) && value !== NUL) expect(message, where).toMatch(/expected/i);
      expect(message.length, where).toBeLessThan(500);
    }
    expect(called).toBe(0);
    expect(log).toEqual([]);
  });

  test('as a literal: the same code, no data, no call', async () => {
    for (const { place, argument, value, leaf } of cases.filter(
      (one) => typeof one.value !== 'object' || SCALARS.has(one.leaf),
    )) {
      if (!SCALARS.has(leaf) && leaf !== 'ID' && leaf !== 'String') continue;
      // A document that holds half a character is no document.
      if (JSON.stringify(value).includes('\\ud800')) continue;
      const text = literal(value);
      const query = documentOf(place, argument, text);
      const faults = operations.faults(query, operations.parse(query));
      const codes = new Set(faults.map((one) => one.extensions?.['code']));
      // Enum values stand in the rest of a mutation's input as text, which is a fault of its own.
      const code =
        ['ID', 'String'].includes(leaf) && typeof value !== 'string' ? 'GRAPHQL_VALIDATION_FAILED' : 'BAD_USER_INPUT';
      expect([...codes], query.slice(0, 300)).toContain(code);
    }
    expect(called).toBe(0);
  });

  test('over HTTP: 400 in the newer media type and 200 as JSON, from variables and from literals', async () => {
    const ask = (body: object, accept: string) =>
      face.answer({
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
        const answer = await ask(body, accept);
        const told = JSON.parse(answer.body);
        expect([answer.status, told.errors[0].extensions.code]).toEqual([status, 'BAD_USER_INPUT']);
        expect(told).not.toHaveProperty('data');
      }
    }
    expect(called).toBe(0);
  });

  test('right values pass, and an id as long as may be', async () => {
    for (const place of ALL) {
      for (const argument of place.field.args) {
        const query = documentOf(place, argument);
        const operation = operations.parse(query).definitions[0] as never;
        expect([query, operations.variableFaults(operation, { v: right(argument.type) })]).toEqual([query, []]);
      }
    }
    const operation = operations.parse('query ($v: ID!) { building(id: $v) { id } }').definitions[0] as never;
    expect(operations.variableFaults(operation, { v: 'x'.repeat(LONGEST_ID) })).toEqual([]);
    expect(operations.variableFaults(operation, { v: '雪😀\n\t' })).toEqual([]);
  });
});

/** As a document has it. */
function literal(value: unknown): string {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return `{ ${Object.entries(value)
      .map(([name, one]) => `${name}: ${literal(one)}`)
      .join(', ')} }`;
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  return JSON.stringify(value);
}
