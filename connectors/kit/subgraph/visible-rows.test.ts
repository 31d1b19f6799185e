import { buildSchema, execute, type GraphQLError, parse } from 'graphql';
import { expect, test } from 'vitest';
import { SCALARS } from '../../../schema/graph/scalars.ts';
import { HubError } from '../errors.ts';
import { makeLog } from '../log.ts';
import { shown } from './subgraph-schema.ts';

const schema = buildSchema(`
  scalar USCC
  scalar JSON
  input Filter { in: [String!] uscc: USCC }
  type Query { company(uscc: USCC, any: JSON, filter: Filter): USCC }
`);
const uscc = SCALARS.get('USCC');
Object.assign(schema.getType('USCC') as object, {
  parseValue: uscc?.parseValue,
  parseLiteral: uscc?.parseLiteral,
  serialize: uscc?.serialize,
});
Object.assign(schema.getType('JSON') as object, {
  parseValue: () => {
    throw new TypeError('this JSON is not ours');
  },
});

async function told(query: string, variableValues: Record<string, unknown>, company: () => unknown = () => null) {
  const lines: string[] = [];
  const log = makeLog((line) => lines.push(line), 'info');
  const { errors = [] } = await execute({ schema, document: parse(query), variableValues, rootValue: { company } });
  return { errors: errors.map((one: GraphQLError) => shown(one, 'test', log)), lines };
}

test.each([
  ['a scalar', 'query ($v: USCC) { company(uscc: $v) }', { v: 'x' }, /got invalid value "x"; USCC expected/],
  [
    'a scalar in an object',
    'query ($v: Filter) { company(filter: $v) }',
    { v: { uscc: 'x' } },
    /at "v.uscc"; USCC exp/,
  ],
  ['a scalar that throws what it likes', 'query ($v: JSON) { company(any: $v) }', { v: 1 }, /Expected type "JSON"/],
  [
    'a null within',
    'query ($v: String = "a") { company(filter: { in: [$v] }) }',
    { v: null },
    /Argument "filter" has inv/,
  ],
])(
  'a value of a variable that cannot be read is bad input, and no line in the log: %s',
  async (_, query, variables, message) => {
    const { errors, lines } = await told(query, variables);
    expect(errors).toHaveLength(1);
    expect(errors[0]?.message).toMatch(message);
    expect(errors[0]?.extensions).toEqual({ code: 'BAD_USER_INPUT' });
    expect(lines).toEqual([]);
  },
);

test('what a source gives in another form stays a fault of the hub, with its id in the log', async () => {
  const { errors, lines } = await told('{ company }', {}, () => 'no code');
  expect(errors[0]?.extensions).toMatchObject({ code: 'INTERNAL', errorId: expect.any(String) });
  expect(lines.join()).toContain(String(errors[0]?.extensions?.['errorId']));
});

test('a refusal of a resolver keeps its words', async () => {
  const { errors } = await told('{ company }', {}, () => {
    throw new HubError('CURSOR_INVALID', 'not ours');
  });
  expect(errors[0]).toMatchObject({ message: 'not ours', extensions: { code: 'CURSOR_INVALID' } });
});
