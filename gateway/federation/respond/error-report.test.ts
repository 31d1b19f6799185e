import { expect, test } from 'vitest';
import type { Subgraph, SubgraphError } from '../../../connectors/kit/connector.ts';
import { hubCall } from '../../../connectors/kit/host/services.ts';
import { makeLog } from '../../../connectors/kit/log.ts';
import { compose } from '../../../schema/compose.ts';
import { createFederation } from '../index.ts';

const sdl = 'type Query { a: Int b: Int }';

/** What a client is told of these errors of a subgraph, and what the log has. */
async function told(errors: readonly SubgraphError[], data: Record<string, unknown> | null = { a: 1, b: null }) {
  const lines: Record<string, unknown>[] = [];
  const far: Subgraph = { name: 'far', sdl, execute: async () => ({ data, errors }) };
  const { supergraph } = compose([{ name: 'far', sdl, url: 'http://far.test' }]);
  const federation = createFederation({
    supergraph,
    subgraphs: new Map([['far', far]]),
    log: makeLog((line) => lines.push(JSON.parse(line)), 'info'),
  });
  const compiled = federation.compile({ query: '{ a b }' });
  if ('errors' in compiled) throw new Error(compiled.errors[0]?.message);
  const call = hubCall(2_000, new AbortController().signal);
  const answer = await federation.execute(compiled, { variables: {}, call });
  return { errors: answer.errors ?? [], lines };
}

test.each([
  [undefined],
  [{}],
  [{ code: null }],
  [{ code: 'INTERNAL_SERVER_ERROR' }],
  [{ classification: 'DataFetchingException' }],
])('an error of a subgraph with the extensions %j gets an errorId, under which the log has it', async (extensions) => {
  const { errors, lines } = await told([{ message: 'ORA-00942', path: ['b'], ...(extensions ? { extensions } : {}) }]);
  expect(errors).toHaveLength(1);
  expect(errors[0]).toMatchObject({ message: 'ORA-00942', path: ['b'] });
  const errorId = errors[0]?.extensions?.['errorId'];
  expect(errorId).toMatch(/^[0-9a-f-]{36}$/);
  expect(lines).toMatchObject([{ errorId, subgraph: 'far', messages: ['ORA-00942'], path: 'b' }]);
});

test('also where it says no place and there are no data', async () => {
  const { errors, lines } = await told([{ message: 'no' }], null);
  expect(errors.length).toBeGreaterThan(0);
  for (const one of errors) expect(one.extensions?.['errorId']).toBe(lines[0]?.['errorId']);
});

test('many are one line of the log', async () => {
  const many = Array.from({ length: 1_000 }, () => ({ message: 'x'.repeat(10_000), path: ['b'] }));
  const { lines } = await told(many);
  expect(lines).toMatchObject([{ count: 1_000 }]);
  expect(JSON.stringify(lines).length).toBeLessThan(5_000);
});

test('a code of its own and an id of its own stay', async () => {
  const own = { code: 'INTERNAL', errorId: 'theirs' };
  for (const extensions of [{ code: 'FORBIDDEN' }, own]) {
    const { errors, lines } = await told([{ message: 'no', path: ['b'], extensions }]);
    expect(errors[0]?.extensions).toEqual(extensions);
    expect(lines).toEqual([]);
  }
});
