import { describe, expect, test } from 'vitest';
import type { Call, Subgraph } from '../../../connectors/kit/call.ts';
import { hubCall } from '../../../connectors/kit/host/services.ts';
import { executeOperation as askAll, federate } from '../../../tests/test-federation.ts';
import type { FederatedResponse } from '../index.ts';
import { fakeSubgraph } from '../testing/fake-subgraph.ts';

type Execute = Subgraph['execute'];

const near = () =>
  fakeSubgraph(
    'near',
    'type Query { things: [Thing!] thing: Thing } type Thing @key(fields: "id") { id: ID! name: String! parts: [[Part]] } type Part { name: String! }',
    {
      Query: { things: () => [{ id: '1' }, { id: '2' }, { id: '1' }], thing: () => ({ id: '2' }) },
      Thing: {
        name: ({ id }) => `thing ${id}`,
        parts: () => [[{ name: 'a' }, { name: null }], [{ name: 'c' }]],
      },
    },
    { Thing: (reference) => reference },
  );

const FAR =
  'type Query { other: Int must: [Item!]! nested: Item } type Item { name: String! kind: Kind } enum Kind { A B @inaccessible } type Thing @key(fields: "id") { id: ID! size: Int color: String weight: Int! }';

/** The far subgraph with a handwritten response. */
const far = (execute: Execute): Subgraph => ({
  ...fakeSubgraph('far', FAR, {}, { Thing: (reference) => reference }),
  execute,
});

const ask = (execute: Execute, query: string, call?: Call) =>
  askAll(federate(near(), far(execute)), query, {}, {}, call);

const errorsOf = (response: Omit<FederatedResponse, 'json'>) =>
  (response.errors ?? [])
    .map((error) => `${error.path?.join('.') ?? '-'} ${String(error.extensions?.['code'])}`)
    .sort();

const entities = (...all: unknown[]) => ({ _entities: all });
const error = (path: (string | number)[] | undefined, code = 'SOURCE_REJECTED') => ({
  message: 'no',
  path,
  extensions: { code, source: 'far-1', retryable: false, errorId: 'x', stack: 'hidden' },
});

describe('errors of entity fetches', () => {
  test('an error of one field is reported at each occurrence of the entity, with public extensions only', async () => {
    const response = await ask(
      async () => ({
        data: entities({ s: null, color: 'red' }, { s: 2, color: 'blue' }),
        errors: [error(['_entities', 0, 's'])],
      }),
      '{ things { s: size color } }',
    );
    expect(response.data?.['things']).toEqual([
      { s: null, color: 'red' },
      { s: 2, color: 'blue' },
      { s: null, color: 'red' },
    ]);
    expect(errorsOf(response)).toEqual(['things.0.s SOURCE_REJECTED', 'things.2.s SOURCE_REJECTED']);
    expect(response.errors?.[0]?.extensions).toEqual({
      code: 'SOURCE_REJECTED',
      source: 'far-1',
      retryable: false,
      errorId: 'x',
    });
  });

  test('an error of a whole entity, of the list, or without a path is reported at each null field', async () => {
    const query = '{ things { size color } }';
    const whole = await ask(
      async () => ({ data: entities(null, { size: 2, color: null }), errors: [error(['_entities', 0])] }),
      query,
    );
    expect(errorsOf(whole)).toEqual(
      ['0.color', '0.size', '2.color', '2.size'].map((field) => `things.${field} SOURCE_REJECTED`),
    );
    const withoutPath = await ask(
      async () => ({
        data: entities({ size: 1, color: null }, { size: 2, color: 'blue' }),
        errors: [error(undefined)],
      }),
      query,
    );
    expect(errorsOf(withoutPath)).toEqual(['things.0.color SOURCE_REJECTED', 'things.2.color SOURCE_REJECTED']);
    const lost = await ask(async () => ({ data: null, errors: [error(['_entities', 1, 'size'])] }), query);
    expect(errorsOf(lost)).toHaveLength(6);
    const complete = await ask(
      async () => ({ data: entities({ size: 1, color: 'a' }, { size: 2, color: 'b' }), errors: [error(undefined)] }),
      query,
    );
    expect(errorsOf(complete)).toEqual(['- SOURCE_REJECTED']);
  });

  test('an error of a field that was not selected is reported at the selected fields that it nulls, and only there', async () => {
    const response = await ask(
      async () => ({ data: entities(null, { size: 2, weight: 1 }), errors: [error(['_entities', 0, 'hidden'])] }),
      '{ things { id size } }',
    );
    expect(errorsOf(response)).toEqual(['things.0.size SOURCE_REJECTED', 'things.2.size SOURCE_REJECTED']);
    const own = await ask(
      async () => ({ data: entities(null, { size: 2, weight: 1 }), errors: [error(['_entities', 0, 'weight'])] }),
      '{ things { id size weight } }',
    );
    expect(errorsOf(own)).toEqual(['things.0.weight SOURCE_REJECTED', 'things.2.weight SOURCE_REJECTED']);
  });

  test('missing, too short and invalid responses are malformed', async () => {
    const query = '{ things { size } }';
    expect(errorsOf(await ask(async () => ({}), query))).toHaveLength(3);
    expect(errorsOf(await ask(async () => ({ data: {} }), query))).toEqual(
      [0, 1, 2].map((i) => `things.${i}.size SOURCE_MALFORMED`),
    );
    expect(errorsOf(await ask(async () => ({ data: entities({ size: 1 }) }), query))).toEqual([
      'things.1.size SOURCE_MALFORMED',
    ]);
    expect(errorsOf(await ask(async () => ({ data: entities({ size: 'x' }, { size: 2 }) }), query))).toEqual([
      'things.0.size SOURCE_MALFORMED',
      'things.2.size SOURCE_MALFORMED',
    ]);
    expect(errorsOf(await ask(async () => ({ data: entities('x') }), '{ thing { size } }'))).toEqual([
      'thing.size SOURCE_MALFORMED',
    ]);
  });

  test('propagates the null of a non-null field, with one error at the failed field', async () => {
    const response = await ask(
      async () => ({ data: entities(null, { weight: 2 }), errors: [error(['_entities', 0, 'weight'])] }),
      '{ things { id weight } thing { weight } }',
    );
    expect(response.data?.['things']).toBeNull();
    expect(errorsOf(response)).toContain('things.0.weight SOURCE_REJECTED');
  });
});

describe('errors of root fetches', () => {
  test('reports the path of a null in a non-null field, also in nested lists', async () => {
    const response = await ask(async () => ({ data: { other: 1 } }), '{ thing { parts { name } } other }');
    expect(response.data).toEqual({ thing: { parts: [[{ name: 'a' }, null], [{ name: 'c' }]] }, other: 1 });
    expect(errorsOf(response)).toEqual(['thing.parts.0.1.name SOURCE_REJECTED']);
  });

  test('a failed non-null root field nulls all data', async () => {
    const response = await ask(
      async () => ({ data: null, errors: [error(['must', 0, 'name'])] }),
      '{ must { name } thing { id } }',
    );
    expect(response.data).toBeNull();
    expect(errorsOf(response)).toEqual(['must.0.name SOURCE_REJECTED']);
    const all = await ask(
      async () => ({ data: null, errors: [error(['must', 0, 'name'])] }),
      '{ must { name } other }',
    );
    expect(errorsOf(all)).toEqual(['must.0.name SOURCE_REJECTED']);
  });

  test('an inaccessible enum value is null', async () => {
    const response = await ask(
      async () => ({ data: { nested: { name: 'x', kind: 'B' } } }),
      '{ nested { name kind } }',
    );
    expect(response.data).toEqual({ nested: { name: 'x', kind: null } });
    expect(errorsOf(response)).toEqual(['nested.kind SOURCE_MALFORMED']);
  });

  test('drops an error of a field that was not selected, and keeps one of a field with a value', async () => {
    const response = await ask(
      async () => ({ data: { other: 3 }, errors: [error(['other']), error(['nested']), error(['other'])] }),
      '{ other }',
    );
    expect(response.data).toEqual({ other: 3 });
    expect(errorsOf(response)).toEqual(['other SOURCE_REJECTED']);
  });
});

describe('deadline', () => {
  const hangs: Execute = () => new Promise(() => undefined);

  test('does not wait for a subgraph beyond the deadline; other fields have their values', async () => {
    const began = performance.now();
    const response = await ask(hangs, '{ thing { id size } other }', hubCall(100, new AbortController().signal));
    expect(performance.now() - began).toBeLessThan(1_500);
    expect(response.data).toEqual({ thing: { id: '2', size: null }, other: null });
    expect(errorsOf(response)).toEqual(['other SOURCE_TIMEOUT', 'thing.size SOURCE_TIMEOUT']);
    expect(response.errors?.[0]?.extensions).toMatchObject({ source: 'far', retryable: true });
  });

  test('does not wait after the client has disconnected', async () => {
    const gone = new AbortController();
    setTimeout(() => gone.abort(), 30);
    const began = performance.now();
    const call = { ...hubCall(60_000, new AbortController().signal), signal: gone.signal };
    expect(errorsOf(await ask(hangs, '{ other }', call))).toEqual(['other SOURCE_TIMEOUT']);
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  test('an infinite deadline never expires', async () => {
    const call = { ...hubCall(1_000, new AbortController().signal), deadline: Number.POSITIVE_INFINITY };
    expect((await ask(async () => ({ data: { other: 1 } }), '{ other }', call)).data).toEqual({ other: 1 });
  });
});
