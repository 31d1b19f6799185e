/** Hostile documents: the work for each grows no faster than the document, and each is answered or refused by the right code. */
import { buildSchema, parse } from 'graphql';
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS, type DocumentLimits } from '../connectors/kit/config/sections/limits.ts';
import { HubError } from '../connectors/kit/errors.ts';
import { silentLog } from '../connectors/kit/log.ts';
import { compact, createFederation, LARGE } from '../gateway/federation/index.ts';
import { fake } from '../gateway/federation/testing/fake-subgraph.ts';
import { validateDocument } from '../gateway/federation/validate/validate.ts';
import { Operations } from '../gateway/operation/operations.ts';
import { PLAIN_LIMITS } from '../gateway/standalone-gateway.ts';
import { checkDocument, checkText } from '../gateway/trust/limits/document-limits.ts';
import { readPolicy } from '../gateway/trust/rights/field-policy.ts';
import { FAR, NEAR, RESOLVERS, supergraph } from './attack/graph.ts';
import { harmless, type Room, SHAPES } from './attack/shapes.ts';

const room = (size: number, limits: DocumentLimits): Room => ({
  size,
  tokens: limits.tokens,
  selections: limits.fields,
});

/** What is looked at, from the text to the last rule; how far it came does not matter. */
function workOf(text: string, limits: DocumentLimits): number {
  const seen = { work: 0 };
  try {
    checkText(text, limits);
    const document = parse(text, { noLocation: true });
    const large = checkDocument(document, limits, seen) > LARGE;
    return seen.work + validateDocument(SCHEMA, large ? compact(document) : document, text).work;
  } catch (error) {
    if (error instanceof HubError) return seen.work;
    if (error instanceof Error && error.name === 'GraphQLError') return 0;
    throw error;
  }
}
const SCHEMA = buildSchema(NEAR.replace(/@key\([^)]*\)/g, ''));

describe('the work for a document twice as large is at most twice as much:', () => {
  test.each(SHAPES)('$name', ({ document }) => {
    // No limit by count is met, so that the walk goes to its end.
    const limits = {
      ...PLAIN_LIMITS,
      text: 1e9,
      tokens: 1e9,
      operations: 1e9,
      aliases: 1e9,
      rootFields: 1e9,
      directives: 1e9,
    };
    const [small, large] = [20_000, 40_000].map((size) => workOf(document(room(size, limits)), limits)) as [
      number,
      number,
    ];
    expect(large).toBeLessThanOrEqual(2.2 * small + 100);
  });
});

/** What each comes to; `answered`: it has data. All others are answered. */
const REFUSED: Readonly<Record<string, RegExp>> = {
  DEPTH:
    /^fragments: (a chain|a ring|each spreads|the same)|in each fragment of a chain|introspection: fragments|text: brackets/,
  COST: /^(aliases: as|directives|operations: (very|without)|introspection: again)/,
  INVALID:
    /^(fragments: (spread by nobody|of the same|of unknown)|fields: (one in a few|contradicting|of unknown)|names|variables: (very|of|used)|arguments|objects: of|numbers)/,
  PARSE: /not closed|closing brackets/,
  RESOLUTION: /^operations: many/,
};
const CODES: Readonly<Record<string, string>> = {
  DEPTH: 'LIMIT_DEPTH',
  COST: 'LIMIT_COST',
  INVALID: 'GRAPHQL_VALIDATION_FAILED',
  PARSE: 'GRAPHQL_PARSE_FAILED',
  RESOLUTION: 'OPERATION_RESOLUTION_FAILURE',
};

describe.each([
  { who: 'the hub', limits: DEFAULT_LIMITS, size: 99_000, cost: ['aliases: a hundred mutations'] },
  {
    who: 'the gateway',
    limits: { ...DEFAULT_LIMITS, ...PLAIN_LIMITS },
    size: 128_000,
    cost: ['fragments: one, spread beside itself'],
  },
])('$who', ({ limits, size, cost }) => {
  const text = supergraph('http://near.test', 'http://far.test');
  const operations = new Operations({
    federation: createFederation({
      supergraph: text,
      subgraphs: new Map([
        ['near', fake('near', NEAR, RESOLVERS)],
        ['far', fake('far', FAR, {}, { T: () => ({ i: '1', far: 4 }) })],
      ]),
      log: silentLog,
    }),
    policy: readPolicy(text),
    limits,
  });
  const outcome = async (query: string, operationName?: string): Promise<string> => {
    const signal = new AbortController().signal;
    const { data, errors } = await operations.run({ query, operationName, principal: null, signal });
    return String(errors?.[0]?.extensions?.['code'] ?? (data ? 'answered' : 'nothing'));
  };

  test.each(SHAPES)('$name', async ({ name, document }) => {
    const kind = Object.keys(REFUSED).find((one) => REFUSED[one]?.test(name));
    const expected = cost.includes(name) ? 'LIMIT_COST' : (CODES[kind ?? ''] ?? 'answered');
    expect(await outcome(document(room(size, limits)))).toBe(expected);
  });

  test('answers an ordinary document of that size', async () => {
    expect(await outcome(harmless(room(size, limits)), 'Page')).toBe('answered');
  });
});
