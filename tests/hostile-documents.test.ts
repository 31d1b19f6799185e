/** Hostile documents: validation work grows linearly with the size, and each is answered or rejected with the expected code. */
import { buildSchema, parse } from 'graphql';
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS, type DocumentLimits } from '../connectors/kit/config/sections/limits.ts';
import { HubError } from '../connectors/kit/errors.ts';
import { silentLog } from '../connectors/kit/log.ts';
import { COMPACT_ABOVE_SELECTIONS, compactDocument, createFederation } from '../gateway/federation/index.ts';
import { fakeSubgraph } from '../gateway/federation/testing/fake-subgraph.ts';
import { validateDocument } from '../gateway/federation/validate/validate.ts';
import { Operations } from '../gateway/operation/operations.ts';
import { STANDALONE_LIMITS } from '../gateway/standalone-gateway.ts';
import { checkDocument, checkDocumentText } from '../gateway/trust/limits/document-limits.ts';
import { readFieldPolicy } from '../gateway/trust/rights/field-policy.ts';
import { FAR, NEAR, RESOLVERS, supergraph } from './attack/graph.ts';
import { ordinaryDocument, SHAPES, type SizeLimits } from './attack/shapes.ts';

const limitsFor = (size: number, limits: DocumentLimits): SizeLimits => ({
  size,
  tokens: limits.tokens,
  selections: limits.fields,
});

/** Units of work from parsing to the last validation rule, whether or not the document is rejected. */
function workOf(text: string, limits: DocumentLimits): number {
  const seen = { work: 0 };
  try {
    checkDocumentText(text, limits);
    const document = parse(text, { noLocation: true });
    const large = checkDocument(document, limits, seen) > COMPACT_ABOVE_SELECTIONS;
    return seen.work + validateDocument(SCHEMA, large ? compactDocument(document) : document, text).work;
  } catch (error) {
    if (error instanceof HubError) return seen.work;
    if (error instanceof Error && error.name === 'GraphQLError') return 0;
    throw error;
  }
}
const SCHEMA = buildSchema(NEAR.replace(/@key\([^)]*\)/g, ''));

describe('validating twice the document size takes at most twice the work', () => {
  test.each(SHAPES)('$name', ({ document }) => {
    // Limits high enough that the whole document is visited.
    const limits = {
      ...STANDALONE_LIMITS,
      text: 1e9,
      tokens: 1e9,
      operations: 1e9,
      aliases: 1e9,
      rootFields: 1e9,
      directives: 1e9,
    };
    const [small, large] = [20_000, 40_000].map((size) => workOf(document(limitsFor(size, limits)), limits)) as [
      number,
      number,
    ];
    expect(large).toBeLessThanOrEqual(2.2 * small + 100);
  });
});

/** The expected outcome by shape name; shapes not listed are answered with data. */
const EXPECTED: Readonly<Record<string, RegExp>> = {
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
    limits: { ...DEFAULT_LIMITS, ...STANDALONE_LIMITS },
    size: 128_000,
    cost: ['fragments: one, spread beside itself'],
  },
])('$who', ({ limits, size, cost }) => {
  const text = supergraph('http://near.test', 'http://far.test');
  const operations = new Operations({
    federation: createFederation({
      supergraph: text,
      subgraphs: new Map([
        ['near', fakeSubgraph('near', NEAR, RESOLVERS)],
        ['far', fakeSubgraph('far', FAR, {}, { T: () => ({ i: '1', far: 4 }) })],
      ]),
      log: silentLog,
    }),
    policy: readFieldPolicy(text),
    limits,
  });
  const outcome = async (query: string, operationName?: string): Promise<string> => {
    const signal = new AbortController().signal;
    const { data, errors } = await operations.run({ query, operationName, principal: null, signal });
    return String(errors?.[0]?.extensions?.['code'] ?? (data ? 'answered' : 'nothing'));
  };

  test.each(SHAPES)('$name', async ({ name, document }) => {
    const kind = Object.keys(EXPECTED).find((one) => EXPECTED[one]?.test(name));
    const expected = cost.includes(name) ? 'LIMIT_COST' : (CODES[kind ?? ''] ?? 'answered');
    expect(await outcome(document(limitsFor(size, limits)))).toBe(expected);
  });

  test('answers an ordinary document of the same size', async () => {
    expect(await outcome(ordinaryDocument(limitsFor(size, limits)), 'Page')).toBe('answered');
  });
});
