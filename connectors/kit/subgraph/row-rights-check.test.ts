import { expect, test } from 'vitest';
import { HUB_PRINCIPAL } from '../auth/principal.ts';
import { PART, type ParkLookup, RowRights, type RowRules } from '../auth/row-rights.ts';
import type { GraphContext, SdlGraph } from '../connector.ts';
import { createLog } from '../log.ts';
import { buildGraph, createExecutor } from './subgraph-schema.ts';

const SDL = `
type Query { one(id: ID!): Thing  all: [Thing!]  page: ThingConnection  holder: Holder }
type Thing @key(fields: "id") { id: ID!  part: Part  next: Thing }
type Part { text: String  thing: Thing }
type Holder { things: [Thing] }
type ThingEdge { cursor: String!  node: Thing! }
type ThingConnection { nodes: [Thing!]!  edges: [ThingEdge!]!  totalCount: Int }`;
const rows: RowRules = {
  Thing: ({ id }: { id: string }) => ({ company: id }),
  Part: PART,
  Holder: () => ({}),
};
const thing = (id: string, next: unknown = null): object => ({
  id,
  part: { text: `of ${id}`, thing: { id: 'other' } },
  next,
});
const graph = (change: Partial<SdlGraph> = {}): SdlGraph => ({
  sdl: SDL,
  rows,
  fields: {
    Query: {
      one: (_root, { id }: { id: string }) => thing(id, async () => thing('other')),
      all: async () => [thing('mine'), thing('other')],
      page: (_root, _args) => {
        const nodes = [thing('mine'), thing('other')];
        return { nodes, edges: nodes.map((node) => ({ cursor: 'c', node })), totalCount: 2 };
      },
      holder: () => ({ things: [thing('other'), thing('mine')] }),
    },
  },
  references: { Thing: async ({ id }: { id: string }) => thing(id) },
  ...change,
});

const lookup: ParkLookup = {
  parkOfBuilding: () => null,
  parkOfRecord: () => null,
  parksOfCompany: async () => [],
};
async function execute(query: string, companies: string[] | null) {
  const lines: string[] = [];
  const principal = { ...HUB_PRINCIPAL, companies };
  const context = { principal, rows: new RowRights(principal, lookup) } as unknown as GraphContext<object>;
  const run = createExecutor(
    await buildGraph('things', graph()),
    () => context,
    createLog((line) => lines.push(line)),
  );
  const variables = { r: ['mine', 'other'].map((id) => ({ __typename: 'Thing', id })) };
  const response = await run({ query, variables, call: undefined as never });
  return { ...response, lines };
}

test('row rights check: returns null for a row of another owner, from any resolver', async () => {
  const query =
    '{ mine: one(id: "mine") { id next { id } part { text thing { id } } } other: one(id: "other") { id } all { id } holder { things { id } } }';
  expect((await execute(query, ['mine'])).data).toEqual({
    mine: { id: 'mine', next: null, part: { text: 'of mine', thing: null } },
    other: null,
    all: [{ id: 'mine' }],
    holder: { things: [{ id: 'mine' }] },
  });
  expect(JSON.stringify((await execute(query, null)).data)).toContain('of mine');
  expect((await execute(query, null)).data?.['all']).toHaveLength(2);
});

test('row rights check: returns null for an entity of another owner', async () => {
  const query = 'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Thing { id } } }';
  expect((await execute(query, ['mine'])).data).toEqual({ _entities: [{ id: 'mine' }, null] });
});

test('row rights check: fails a connection with a row of another owner and logs the field', async () => {
  const { data, errors, lines } = await execute('{ page { totalCount nodes { id } } }', ['mine']);
  expect(data).toEqual({ page: null });
  expect(errors?.[0]?.extensions?.['code']).toBe('INTERNAL');
  expect(lines.join()).toContain('Query.page returned rows that the caller may not see');
});

test('row rights check: rejects a type without a rule, and a part as root field', async () => {
  const { Part: _, ...few } = rows;
  await expect(buildGraph('things', graph({ rows: few }))).rejects.toThrow(/things without a row rule: Part/);
  await expect(buildGraph('things', graph({ rows: { ...rows, Holder: PART } }))).rejects.toThrow(
    /Query.holder of things returns Holder, which is declared as part of another row/,
  );
});
