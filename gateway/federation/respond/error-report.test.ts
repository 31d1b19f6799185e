import { expect, test } from 'vitest';
import type { Subgraph, SubgraphError } from '../../../connectors/kit/call.ts';
import { hubCall } from '../../../connectors/kit/host/services.ts';
import { createLog } from '../../../connectors/kit/log.ts';
import { compose } from '../../../schema/compose.ts';
import { createFederation } from '../index.ts';

const sdl = 'type Query { a: Int b: Int }';

/** The client's errors for these errors of a subgraph, and the log lines. */
async function report(errors: readonly SubgraphError[], data: Record<string, unknown> | null = { a: 1, b: null }) {
  const lines: Record<string, unknown>[] = [];
  const far: Subgraph = { name: 'far', sdl, execute: async () => ({ data, errors }) };
  const { supergraph } = compose([{ name: 'far', sdl, url: 'http://far.test' }]);
  const federation = createFederation({
    supergraph,
    subgraphs: new Map([['far', far]]),
    log: createLog((line) => lines.push(JSON.parse(line)), 'info'),
  });
  const compiled = federation.compile({ query: '{ a b }' });
  if ('errors' in compiled) throw new Error(compiled.errors[0]?.message);
  const call = hubCall(2_000, new AbortController().signal);
  const response = await federation.execute(compiled, { variables: {}, call });
  return { errors: response.errors ?? [], lines };
}

test.each([
  [undefined],
  [{}],
  [{ code: null }],
  [{ code: 'INTERNAL_SERVER_ERROR' }],
  [{ classification: 'DataFetchingException' }],
])('error report: adds an errorId to an error with extensions %j and logs it', async (extensions) => {
  const { errors, lines } = await report([
    { message: 'ORA-00942', path: ['b'], ...(extensions ? { extensions } : {}) },
  ]);
  expect(errors).toHaveLength(1);
  expect(errors[0]).toMatchObject({ message: 'ORA-00942', path: ['b'] });
  const errorId = errors[0]?.extensions?.['errorId'];
  expect(errorId).toMatch(/^[0-9a-f-]{36}$/);
  expect(lines).toMatchObject([{ errorId, subgraph: 'far', messages: ['ORA-00942'], path: 'b' }]);
});

test('error report: adds an errorId to an error without path and data', async () => {
  const { errors, lines } = await report([{ message: 'no' }], null);
  expect(errors.length).toBeGreaterThan(0);
  for (const error of errors) expect(error.extensions?.['errorId']).toBe(lines[0]?.['errorId']);
});

test('error report: logs many errors of one response in one line', async () => {
  const many = Array.from({ length: 1_000 }, () => ({ message: 'x'.repeat(10_000), path: ['b'] }));
  const { lines } = await report(many);
  expect(lines).toMatchObject([{ count: 1_000 }]);
  expect(JSON.stringify(lines).length).toBeLessThan(5_000);
});

test('error report: keeps the code or errorId of the subgraph', async () => {
  const own = { code: 'INTERNAL', errorId: 'theirs' };
  for (const extensions of [{ code: 'FORBIDDEN' }, own]) {
    const { errors, lines } = await report([{ message: 'no', path: ['b'], extensions }]);
    expect(errors[0]?.extensions).toEqual(extensions);
    expect(lines).toEqual([]);
  }
});
