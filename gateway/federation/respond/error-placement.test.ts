import { describe, expect, test } from 'vitest';
import type { Call, Subgraph } from '../../../connectors/kit/connector.ts';
import { hubCall } from '../../../connectors/kit/host/services.ts';
import { ask as askAll, federate } from '../../../tests/federate.ts';
import type { Answer } from '../index.ts';
import { fake } from '../testing/fake-subgraph.ts';

type Execute = Subgraph['execute'];

const near = () =>
  fake(
    'near',
    'type Query { things: [Thing!] thing: Thing } type Thing @key(fields: "id") { id: ID! name: String! parts: [[Part]] } type Part { name: String! }',
    {
      Query: { things: () => [{ id: '1' }, { id: '2' }, { id: '1' }], thing: () => ({ id: '2' }) },
      Thing: {
        name: ({ id }) => `thing ${id}`,
        parts: () => [[{ name: 'a' }, { name: null }], [{ name: 'c' }]],
      },
    },
    { Thing: (one) => one },
  );

const FAR =
  'type Query { other: Int must: [Item!]! nested: Item } type Item { name: String! kind: Kind } enum Kind { A B @inaccessible } type Thing @key(fields: "id") { id: ID! size: Int color: String weight: Int! }';

/** The far subgraph with an answer made by hand. */
const far = (execute: Execute): Subgraph => ({ ...fake('far', FAR, {}, { Thing: (one) => one }), execute });

const ask = (execute: Execute, query: string, call?: Call) =>
  askAll(federate(near(), far(execute)), query, {}, {}, call);

const told = (answer: Omit<Answer, 'text'>) =>
  (answer.errors ?? []).map((one) => `${one.path?.join('.') ?? '-'} ${String(one.extensions?.['code'])}`).sort();

const entities = (...all: unknown[]) => ({ _entities: all });
const error = (path: (string | number)[] | undefined, code = 'SOURCE_REJECTED') => ({
  message: 'no',
  path,
  extensions: { code, source: 'far-1', retryable: false, errorId: 'x', stack: 'hidden' },
});

describe('faults of entity fetches', () => {
  test('an error of one field stands at every place of that entity, with only what a client may know', async () => {
    const answer = await ask(
      async () => ({
        data: entities({ s: null, color: 'red' }, { s: 2, color: 'blue' }),
        errors: [error(['_entities', 0, 's'])],
      }),
      '{ things { s: size color } }',
    );
    expect(answer.data?.['things']).toEqual([
      { s: null, color: 'red' },
      { s: 2, color: 'blue' },
      { s: null, color: 'red' },
    ]);
    expect(told(answer)).toEqual(['things.0.s SOURCE_REJECTED', 'things.2.s SOURCE_REJECTED']);
    expect(answer.errors?.[0]?.extensions).toEqual({
      code: 'SOURCE_REJECTED',
      source: 'far-1',
      retryable: false,
      errorId: 'x',
    });
  });

  test('an error of a whole entity, of the list, and of nothing in particular stands at each field that is null', async () => {
    const query = '{ things { size color } }';
    const whole = await ask(
      async () => ({ data: entities(null, { size: 2, color: null }), errors: [error(['_entities', 0])] }),
      query,
    );
    expect(told(whole)).toEqual(
      ['0.color', '0.size', '2.color', '2.size'].map((one) => `things.${one} SOURCE_REJECTED`),
    );
    const vague = await ask(
      async () => ({
        data: entities({ size: 1, color: null }, { size: 2, color: 'blue' }),
        errors: [error(undefined)],
      }),
      query,
    );
    expect(told(vague)).toEqual(['things.0.color SOURCE_REJECTED', 'things.2.color SOURCE_REJECTED']);
    const lost = await ask(async () => ({ data: null, errors: [error(['_entities', 1, 'size'])] }), query);
    expect(told(lost)).toHaveLength(6);
    const sound = await ask(
      async () => ({ data: entities({ size: 1, color: 'a' }, { size: 2, color: 'b' }), errors: [error(undefined)] }),
      query,
    );
    expect(told(sound)).toEqual(['- SOURCE_REJECTED']);
  });

  test('a fault of a field that nobody asked for is told at what it took along, and only there', async () => {
    const answer = await ask(
      async () => ({ data: entities(null, { size: 2, weight: 1 }), errors: [error(['_entities', 0, 'hidden'])] }),
      '{ things { id size } }',
    );
    expect(told(answer)).toEqual(['things.0.size SOURCE_REJECTED', 'things.2.size SOURCE_REJECTED']);
    const own = await ask(
      async () => ({ data: entities(null, { size: 2, weight: 1 }), errors: [error(['_entities', 0, 'weight'])] }),
      '{ things { id size weight } }',
    );
    expect(told(own)).toEqual(['things.0.weight SOURCE_REJECTED', 'things.2.weight SOURCE_REJECTED']);
  });

  test('answers that are none, too short or of the wrong form are malformed', async () => {
    const query = '{ things { size } }';
    expect(told(await ask(async () => ({}), query))).toHaveLength(3);
    expect(told(await ask(async () => ({ data: {} }), query))).toEqual(
      [0, 1, 2].map((i) => `things.${i}.size SOURCE_MALFORMED`),
    );
    expect(told(await ask(async () => ({ data: entities({ size: 1 }) }), query))).toEqual([
      'things.1.size SOURCE_MALFORMED',
    ]);
    expect(told(await ask(async () => ({ data: entities({ size: 'x' }, { size: 2 }) }), query))).toEqual([
      'things.0.size SOURCE_MALFORMED',
      'things.2.size SOURCE_MALFORMED',
    ]);
    expect(told(await ask(async () => ({ data: entities('x') }), '{ thing { size } }'))).toEqual([
      'thing.size SOURCE_MALFORMED',
    ]);
  });

  test('null in a non-null climbs, with one error at the field that failed', async () => {
    const answer = await ask(
      async () => ({ data: entities(null, { weight: 2 }), errors: [error(['_entities', 0, 'weight'])] }),
      '{ things { id weight } thing { weight } }',
    );
    expect(answer.data?.['things']).toBeNull();
    expect(told(answer)).toContain('things.0.weight SOURCE_REJECTED');
  });
});

describe('faults of root fetches', () => {
  test('null where the graph promises a value: the place is told, in nested lists too', async () => {
    const answer = await ask(async () => ({ data: { other: 1 } }), '{ thing { parts { name } } other }');
    expect(answer.data).toEqual({ thing: { parts: [[{ name: 'a' }, null], [{ name: 'c' }]] }, other: 1 });
    expect(told(answer)).toEqual(['thing.parts.0.1.name SOURCE_REJECTED']);
  });

  test('a non-null root field that fails takes all data with it', async () => {
    const answer = await ask(
      async () => ({ data: null, errors: [error(['must', 0, 'name'])] }),
      '{ must { name } thing { id } }',
    );
    expect(answer.data).toBeNull();
    expect(told(answer)).toEqual(['must.0.name SOURCE_REJECTED']);
    const all = await ask(
      async () => ({ data: null, errors: [error(['must', 0, 'name'])] }),
      '{ must { name } other }',
    );
    expect(told(all)).toEqual(['must.0.name SOURCE_REJECTED']);
  });

  test('a value of an enum that clients may not see is null', async () => {
    const answer = await ask(async () => ({ data: { nested: { name: 'x', kind: 'B' } } }), '{ nested { name kind } }');
    expect(answer.data).toEqual({ nested: { name: 'x', kind: null } });
    expect(told(answer)).toEqual(['nested.kind SOURCE_MALFORMED']);
  });

  test('an error of a field that nobody asked for is not told, one of a field that is there is kept', async () => {
    const answer = await ask(
      async () => ({ data: { other: 3 }, errors: [error(['other']), error(['nested']), error(['other'])] }),
      '{ other }',
    );
    expect(answer.data).toEqual({ other: 3 });
    expect(told(answer)).toEqual(['other SOURCE_REJECTED']);
  });
});

describe('time', () => {
  const hangs: Execute = () => new Promise(() => undefined);

  test('what does not answer by the deadline is abandoned, the rest answers', async () => {
    const began = performance.now();
    const answer = await ask(hangs, '{ thing { id size } other }', hubCall(100, new AbortController().signal));
    expect(performance.now() - began).toBeLessThan(1_500);
    expect(answer.data).toEqual({ thing: { id: '2', size: null }, other: null });
    expect(told(answer)).toEqual(['other SOURCE_TIMEOUT', 'thing.size SOURCE_TIMEOUT']);
    expect(answer.errors?.[0]?.extensions).toMatchObject({ source: 'far', retryable: true });
  });

  test('when the client goes away nothing is waited for', async () => {
    const gone = new AbortController();
    setTimeout(() => gone.abort(), 30);
    const began = performance.now();
    const call = { ...hubCall(60_000, new AbortController().signal), signal: gone.signal };
    expect(told(await ask(hangs, '{ other }', call))).toEqual(['other SOURCE_TIMEOUT']);
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  test('a deadline without end is no deadline', async () => {
    const call = { ...hubCall(1_000, new AbortController().signal), deadline: Number.POSITIVE_INFINITY };
    expect((await ask(async () => ({ data: { other: 1 } }), '{ other }', call)).data).toEqual({ other: 1 });
  });
});
