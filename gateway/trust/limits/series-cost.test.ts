import { buildSchema, getOperationAST, parse } from 'graphql';
import { expect, test } from 'vitest';
import { compose } from '../../../schema/compose.ts';
import { SERIES_COST } from '../../../schema/graph/directives.ts';
import { costVariables, operationCost, readCostModel } from './operation-cost.ts';

/** A graph of its own: the rule knows no field of the hub. */
const SDL = `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@composeDirective"])
    @link(url: "${SERIES_COST.url}", import: ["${SERIES_COST.name}"]) @composeDirective(name: "${SERIES_COST.name}")
  ${SERIES_COST.definition}
  enum Width { HOUR DAY }
  type Query { tides(since: String!, until: String!, step: Width = HOUR): Tides @seriesCost(from: "since", to: "until", bucket: "step", weight: "0.5", sizedFields: ["levels"])
    rain(from: String!, to: String!): [Rain!] @seriesCost(from: "from", to: "to", weight: "2") }
  type Tides { mean: Float levels: [Level!] }
  type Level { at: String gauges: [Gauge!] }
  type Gauge { id: ID }
  type Rain { sum: Float }`;
const { supergraph, api } = compose([{ name: 'sea', url: '', sdl: SDL }]);
const model = readCostModel(supergraph);
const schema = buildSchema(api);
const cost = (text: string, variables?: Record<string, unknown>) => {
  const document = parse(text);
  const operation = getOperationAST(document);
  if (!operation) throw new Error('no operation');
  return operationCost(model, schema, document, operation, variables);
};

const YEAR = 'since: "2026-01-01T00:00:00Z", until: "2027-01-01T00:00:00Z"';

test('series cost: each bucket of the range costs its weight, whether or not it is selected', () => {
  expect(cost(`{ tides(${YEAR}, step: DAY) { mean } }`)).toEqual({ points: 184, calls: { sea: 1 }, buckets: 365 });
  expect(cost(`{ tides(${YEAR}, step: DAY) { levels { at } } }`)).toMatchObject({ points: 184, buckets: 365 });
  // The default of the argument.
  expect(cost(`{ tides(${YEAR}) { mean } }`)).toMatchObject({ points: 4_381, buckets: 8_760 });
});

test('series cost: objects within a bucket count for each bucket', () => {
  expect(cost(`{ tides(${YEAR}, step: DAY) { levels { gauges { id } } } }`).points).toBe(184 + 365 * 20);
});

test('series cost: the range is read from variables and their defaults, too', () => {
  const text = 'query ($a: String!, $b: String!, $w: Width = DAY) { tides(since: $a, until: $b, step: $w) { mean } }';
  const range = { a: '2026-01-01T00:00:00Z', b: '2026-01-11T00:00:00Z' };
  expect(cost(text, range)).toMatchObject({ buckets: 10 });
  expect(cost(text, { ...range, w: 'HOUR' })).toMatchObject({ buckets: 240 });
  expect([...costVariables(model, parse(text))].sort()).toEqual(['a', 'b', 'w']);
});

test.each([
  ['2026-01', '2026-12', 12],
  ['2025-Q3', '2026-Q2', 4],
  ['2020', '2026', 7],
  ['2026-01', '2026-Q2', 1],
  ['2026-12', '2026-01', 1],
  ['soon', 'later', 1],
])('series cost: a list with a row for each period from %s to %s has %i', (from, to, rows) => {
  expect(cost(`{ rain(from: "${from}", to: "${to}") { sum } }`)).toEqual({
    points: 2 * rows,
    calls: { sea: 1 },
    buckets: rows,
  });
});

test('series cost: a range without readable times counts as one step, since it is rejected when it is executed', () => {
  expect(cost('{ tides(since: "x", until: "y") { mean } }').points).toBe(2);
  expect(cost('query ($a: String) { tides(since: $a, until: $a) { mean } }', { a: null }).points).toBe(2);
});

test('series cost: composition carries the directive into the supergraph, and clients do not see it', () => {
  expect(supergraph).toMatch(/tides\([^)]*\): Tides @seriesCost\(/);
  expect(api).not.toContain('seriesCost');
});
