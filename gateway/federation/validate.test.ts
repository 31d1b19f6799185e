/** Validation against that of graphql-js: the same documents are valid, whatever overlaps in them. */
import fc from 'fast-check';
import { buildSchema, type DocumentNode, parse, validate } from 'graphql';
import { describe, expect, test } from 'vitest';
import { compact, isCompact } from './compact.ts';
import { overlappingFields } from './overlapping-fields.ts';
import { validateDocument } from './validate.ts';

const schema = buildSchema(`
  type Query { n: N u: U t: T a(x: Int, o: In): Int b(x: Int): Int c: [Int] d: [Int!] }
  interface N { i: ID! n: N s: String }
  type T implements N { i: ID! n: N s: String t: T a(x: Int, o: In): Int b: Int c: String }
  type V implements N { i: ID! n: V s: String t: V a(x: Int, o: In): Int b: String c: Int }
  union U = T | V
  input In { p: Int q: [Int] }
`);
const faultsOf = (text: string, document: DocumentNode = parse(text, { noLocation: true })) =>
  validateDocument(schema, document, text).faults;

describe('random documents', () => {
  const leaf = fc.constantFrom(
    'i',
    's',
    'b',
    'c',
    'a',
    'a(x:1)',
    'a(x:2)',
    'b(x:1)',
    'a(o:{p:1 q:[2]})',
    'a(o:{q:[2] p:1})',
    '__typename',
  );
  const alias = fc.constantFrom('', '', '', 'a:', 'k:');
  const { set } = fc.letrec<{ set: string; one: string }>((tie) => ({
    one: fc.oneof(
      { maxDepth: 4, depthSize: 'small' },
      fc.tuple(alias, leaf).map(([key, field]) => key + field),
      fc
        .tuple(alias, fc.constantFrom('n', 't', 'u'), tie('set'))
        .map(([key, field, inner]) => `${key}${field}${inner}`),
      fc
        .tuple(fc.constantFrom('', 'on T', 'on V', 'on N', 'on U'), tie('set'))
        .map(([on, inner]) => `...${on}${inner}`),
      fc.constantFrom('...F', '...G'),
    ),
    set: fc.array(tie('one'), { minLength: 1, maxLength: 4 }).map((all) => `{${all.join(' ')}}`),
  }));
  const documents = fc
    .tuple(set, set, set)
    .map(
      ([root, f, g]) =>
        `${root} fragment F on T ${f} fragment G on N ${g.replaceAll('...F', '...on T{s}').replaceAll('...G', 's')}`,
    );

  test('are valid here where they are valid in graphql-js, and as well without their repetitions', () => {
    fc.assert(
      fc.property(documents, (text) => {
        const valid = validate(schema, parse(text)).length === 0;
        const document = parse(text, { noLocation: true });
        expect([faultsOf(text, document).length === 0, faultsOf(text, compact(document)).length === 0]).toEqual([
          valid,
          valid,
        ]);
      }),
      { numRuns: 3_000 },
    );
  });

  test('without other faults conflict where they conflict in graphql-js', () => {
    const overlap = (text: string) => validate(schema, parse(text)).filter(({ message }) => /conflict/.test(message));
    const others = (text: string) => validate(schema, parse(text)).length - overlap(text).length;
    fc.assert(
      fc.property(documents, (text) => {
        fc.pre(others(text) === 0);
        expect(overlappingFields(schema, parse(text)).conflicts.length > 0).toBe(overlap(text).length > 0);
      }),
      { numRuns: 1_000, maxSkipsPerRun: 1_000 },
    );
  });
});

test('faults say where they stand, in ten places at most, and a hundred of them at most', () => {
  expect(faultsOf('{ t {\n  i nothing\n} }')).toEqual([
    {
      message: 'Cannot query field "nothing" on type "T".',
      locations: [{ line: 2, column: 5 }],
      extensions: { code: 'GRAPHQL_VALIDATION_FAILED' },
    },
  ]);
  expect(faultsOf(`{ a(${'x: 1 '.repeat(50)}) }`)[0]?.locations).toHaveLength(10);
  expect(faultsOf(`{ ${Array.from({ length: 500 }, (_, i) => `no${i}`).join(' ')} }`)).toHaveLength(101);
  expect(faultsOf(`{ ${'x'.repeat(5_000)} }`)[0]?.message.length).toBeLessThanOrEqual(1_001);
});

test('circles of fragments are named with their way, before anything follows them', () => {
  const text =
    '{ ...a } fragment a on Query { ...b } fragment b on Query { ...c } fragment c on Query { ...a nothing }';
  expect(faultsOf(text)).toMatchObject([{ message: 'Cannot spread fragment "a" within itself via "b", "c".' }]);
});

test('a comparison without end is refused with the figure', () => {
  // Each level doubles what must be compared together: interfaces beside chains of two types.
  const chain = (depth: number): string => (depth === 0 ? '{i}' : `{n${chain(depth - 1)}}`);
  const level = (depth: number): string =>
    depth === 0 ? '{i}' : `{n${level(depth - 1)} ...on T{n${chain(depth)}} ...on V{n${chain(depth)}}}`;
  const [fault] = faultsOf(`{n${level(24)}}`);
  expect(fault).toMatchObject({ extensions: { code: 'LIMIT_COST', limit: 250_000 } });
});

test('repetitions are merged in place, what has directives or stands between stays', () => {
  const smaller = (text: string) => compact(parse(text, { noLocation: true }));
  const same = (text: string, other: string) => expect(smaller(text)).toEqual(parse(other, { noLocation: true }));
  same('{t{i} a(x:1) t{s i} a(x:1) a(x:1)@skip(if:true)}', '{t{i s} a(x:1) a(x:1)@skip(if:true)}');
  same('{n{...on T{i} ...on T{s} s ...on T{b} ...on T{i}}}', '{n{...on T{i s} s ...on T{b}}}');
  expect(isCompact(smaller('{a}'))).toBe(true);
});
