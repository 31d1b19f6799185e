import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, print, validate } from 'graphql';
import { expect, test } from 'vitest';
import { executeOperation, federate } from '../../../tests/test-federation.ts';
import { readSupergraph } from '../supergraph.ts';
import { executeWhole, fakeSubgraph } from '../testing/fake-subgraph.ts';
import { allResolvers } from '../testing/random-graph.ts';
import { subgraphsOf, wholeSchemaOf } from '../testing/random-split.ts';
import type { PlanStep } from './plan-types.ts';
import { createPlanner } from './planner.ts';
import { toPlannerDocument } from './planner-document.ts';

const reject = () => {
  throw new Error('rejected by the source');
};
const MEDIA = [
  { __typename: 'Book', id: '1' },
  { __typename: 'Film', id: '2' },
];
const kinds = () =>
  fakeSubgraph(
    'kinds',
    `type Query { media: [Media!]! }
     interface Media @key(fields: "id") { id: ID! }
     type Book implements Media @key(fields: "id") { id: ID! }
     type Film implements Media @key(fields: "id") { id: ID! }`,
    { Query: { media: () => MEDIA } },
    {
      Book: (reference) => reference,
      Film: (reference) => reference,
      Media: ({ id }) => MEDIA.find((medium) => medium.id === id) as (typeof MEDIA)[number],
    },
  );
const stock = () =>
  fakeSubgraph(
    'stock',
    'type Query { stocked: [Media!] } type Media @key(fields: "id") @interfaceObject { id: ID! stock: Int! shelf: String }',
    {
      Query: { stocked: () => MEDIA.map(({ id }) => ({ __typename: 'Media', id })) },
      Media: { stock: ({ id }) => (id === '1' ? reject() : 7), shelf: ({ id }) => `S${id}` },
    },
    { Media: (reference) => reference },
  );
test('narrow plan: a failing field of films does not null the selected fields of books', async () => {
  const split = { places: { 'User.best': 'd' }, nonNull: new Set(['User.best']) };
  const all = subgraphsOf(allResolvers({ count: 0 }), split);
  const query = '{ stocked { ... on Film { author { best { id } } } ... on Book { author { name } } } }';
  expect(await executeOperation(federate(...all), query)).toEqual({
    data: (await executeWhole(wholeSchemaOf(split), allResolvers({ count: 0 }), query, {})).data,
  });
  // The types, the authors, and their names.
  expect(all.map((subgraph) => subgraph.requests.length)).toEqual([1, 0, 2, 2]);
});

test('narrow plan: a failing field does not null those of other types of an interface object, in one request', async () => {
  const [first, second] = [kinds(), stock()];
  const answer = await executeOperation(
    federate(first, second),
    '{ media { ... on Film { stock shelf } ... on Book { shelf } } }',
  );
  expect(answer).toEqual({ data: { media: [{ shelf: 'S1' }, { stock: 7, shelf: 'S2' }] } });
  expect(second.requests).toHaveLength(1);
});

test('a null of a selected field has an error when a field that only the planner needs has failed', async () => {
  const near = fakeSubgraph(
    'near',
    'type Query { thing: Thing } type Thing { part: Part } type Part @key(fields: "id") { id: ID! score: Int! }',
    { Query: { thing: () => ({}) }, Thing: { part: () => ({ id: '1' }) }, Part: { score: reject } },
    {},
  );
  const far = fakeSubgraph(
    'far',
    'type Query { other: Int } type Part @key(fields: "id") { id: ID! score: Int! @external risk: Int @requires(fields: "score") }',
    { Part: { risk: ({ score }) => Number(score) + 1 } },
    { Part: (reference) => reference },
  );
  const answer = await executeOperation(federate(near, far), '{ thing { part { risk } } }');
  expect(answer.data).toEqual({ thing: { part: null } });
  expect(answer.errors?.map((error) => [error.path, error.message])).toEqual([
    [['thing', 'part'], 'rejected by the source'],
  ]);
});

test('plans in parts when the planner fails on many fields with @requires', async () => {
  const split = { places: { 'User.friends': 'd', 'User.score': 'a', 'User.level': 'd' }, nonNull: new Set<string>() };
  const all = subgraphsOf(allResolvers({ count: 0 }), split);
  const query =
    '{ users(first: 2) { shown { title ... on Film { stock } } level risk reach a: risk b: reach c: risk } comments { id } }';
  expect(await executeOperation(federate(...all), query)).toEqual({
    data: (await executeWhole(wholeSchemaOf(split), allResolvers({ count: 0 }), query, {})).data,
  });
});

test('planner: plans the reference operations with the expected number of fetches', () => {
  const root = join(import.meta.dirname, '..', '..', '..');
  const text = readFileSync(join(root, 'schema', 'supergraph.graphql'), 'utf8');
  const supergraph = readSupergraph(text);
  const planner = createPlanner(text);
  const wanted: Record<string, number> = { Companies: 1, Company360: 6, ParkNow: 3, Sources: 1, History: 1 };
  const counted = readdirSync(join(root, 'gateway', 'explorer', 'operations')).flatMap((file) => {
    const name = file.replace('.graphql', '');
    if (!file.endsWith('.graphql') || !wanted[name]) return [];
    const document = parse(readFileSync(join(root, 'gateway', 'explorer', 'operations', file), 'utf8'));
    // The fields of a connector that is not registered are not in the graph.
    if (validate(supergraph.publicSchema, document).length > 0) return [];
    const operation = document.definitions.find((definition) => definition.kind === 'OperationDefinition');
    const query = supergraph.publicSchema.getQueryType();
    if (operation?.kind !== 'OperationDefinition' || !query) throw new Error('no operation');
    const { reservedNames, partlyHiddenTypes } = supergraph;
    const prepared = toPlannerDocument(
      {
        schema: supergraph.publicSchema,
        reservedNames,
        accessError: () => null,
        partlyHiddenTypes,
        hiddenFields: null,
        provenance: null,
      },
      document,
      operation,
      query,
    );
    return [[name, fetches(prepared.operation && planner.plan(print(prepared.operation), null))] as const];
  });
  expect(counted.map(([name]) => name)).toEqual(expect.arrayContaining(['Companies', 'Sources', 'History']));
  for (const [name, count] of counted) expect(count, name).toBe(wanted[name]);
});

function fetches(step: PlanStep | null): number {
  if (!step) return 0;
  if ('nodes' in step) return step.nodes.reduce((sum, node) => sum + fetches(node), 0);
  return step.kind === 'Flatten' ? fetches(step.node) : 1;
}
