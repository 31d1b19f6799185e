import { buildSchema, execute, type GraphQLError, parse } from 'graphql';
import { expect, test } from 'vitest';
import { SCALARS } from '../../../schema/graph/scalars.ts';
import { HubError } from '../errors.ts';
import { createLog } from '../log.ts';
import { toPublicError } from './public-error.ts';

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

async function errorsOf(query: string, variableValues: Record<string, unknown>, company: () => unknown = () => null) {
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line), 'info');
  const { errors = [] } = await execute({ schema, document: parse(query), variableValues, rootValue: { company } });
  return { errors: errors.map((error: GraphQLError) => toPublicError(error, 'test', log)), lines };
}

test.each([
  [
    'a scalar',
    'query ($v: USCC) { company(uscc: $v) }',
    { v: 'x' },
    /got invalid value "x"; Expected a USCC such as "/,
  ],
  [
    'a scalar in an object',
    'query ($v: Filter) { company(filter: $v) }',
    { v: { uscc: 'x' } },
    /at "v.uscc"; Expected a USCC such as "/,
  ],
  ['a scalar that throws any error', 'query ($v: JSON) { company(any: $v) }', { v: 1 }, /Expected type "JSON"/],
  [
    'a null in a list',
    'query ($v: String = "a") { company(filter: { in: [$v] }) }',
    { v: null },
    /Argument "filter" has inv/,
  ],
])(
  'public error: reports an invalid variable as BAD_USER_INPUT without logging: %s',
  async (_, query, variables, message) => {
    const { errors, lines } = await errorsOf(query, variables);
    expect(errors).toHaveLength(1);
    expect(errors[0]?.message).toMatch(message);
    expect(errors[0]?.extensions).toEqual({ code: 'BAD_USER_INPUT' });
    expect(lines).toEqual([]);
  },
);

test('public error: reports an invalid value of a source as INTERNAL with its id in the log', async () => {
  const { errors, lines } = await errorsOf('{ company }', {}, () => 'no code');
  expect(errors[0]?.extensions).toMatchObject({ code: 'INTERNAL', errorId: expect.any(String) });
  expect(lines.join()).toContain(String(errors[0]?.extensions?.['errorId']));
});

test('public error: keeps message and code of a HubError', async () => {
  const { errors } = await errorsOf('{ company }', {}, () => {
    throw new HubError('CURSOR_INVALID', 'not ours');
  });
  expect(errors[0]).toMatchObject({ message: 'not ours', extensions: { code: 'CURSOR_INVALID' } });
});
