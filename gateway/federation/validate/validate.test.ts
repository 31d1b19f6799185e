/** Compares validation with graphql-js on random documents with overlapping fields. */
import fc from 'fast-check';
import { buildSchema, type DocumentNode, parse, validate } from 'graphql';
import { expect, test } from 'vitest';
import { compactDocument, isCompacted } from './compact-document.ts';
import { validateDocument } from './validate.ts';

const schema = buildSchema(`
  type Query { n: N u: U t: T a(x: Int, o: In): Int b(x: Int): Int c: [Int] d: [Int!] }
  interface N { i: ID! n: N s: String }
  type T implements N { i: ID! n: N s: String t: T a(x: Int, o: In): Int b: Int c: String }
  type V implements N { i: ID! n: V s: String t: V a(x: Int, o: In): Int b: String c: Int }
  union U = T | V
  input In { p: Int q: [Int] }
`);
const errorsOf = (text: string, document: DocumentNode = parse(text, { noLocation: true })) =>
  validateDocument(schema, document, text).errors;

/** Selections that are valid for the type, except that they may overlap. */
const FIELDS = {
  Query: {
    leaves: ['a', 'c', 'd', 'o:a(o:{p:1 q:[2]})', 'o:a(o:{q:[2] p:1})', 'b(x:1)', 'b(x:1)', 'b(x:2)'],
    below: { n: 'N', t: 'T', u: 'U' },
    on: [],
  },
  N: { leaves: ['i', 's', '__typename', '...G'], below: { n: 'N' }, on: ['T', 'V', 'N'] },
  T: {
    leaves: ['i', 'i', 's', 's', 'a', 'a', 'a(x:1)', 'b', '...F', '...G'],
    below: { n: 'N', t: 'T' },
    on: ['T', 'N', 'U'],
  },
  V: { leaves: ['i', 'i', 's', 's', 'a', 'a(x:1)', 'c', 'c', '...G'], below: { n: 'V', t: 'V' }, on: ['V', 'N'] },
  U: { leaves: ['__typename', '...F'], below: {}, on: ['T', 'V', 'N'] },
} as const;
const { Query: root, ...sets } = fc.letrec<Record<keyof typeof FIELDS, string>>((tie) => {
  const setOf = (type: keyof typeof FIELDS) => {
    const { leaves, below, on } = FIELDS[type];
    const key = fc.constantFrom(...Array<string>(40).fill(''), 'i:', 'k:');
    const keyed = (inner: fc.Arbitrary<string>) =>
      fc.tuple(key, inner).map(([name, field]) => (/^(\.\.\.|o:)/.test(field) ? field : name + field));
    const inner = Object.entries(below).map(([name, of]) => keyed(tie(of).map((set) => name + set)));
    const inline = on.map((of) => tie(of).map((set) => `...on ${of}${set}`));
    const selection = fc.oneof(
      { maxDepth: 4, depthSize: 'small' },
      keyed(fc.constantFrom(...leaves)),
      ...inner,
      ...inline,
    );
    return fc.array(selection, { minLength: 1, maxLength: 3 }).map((all) => `{${all.join(' ')}}`);
  };
  return { Query: setOf('Query'), N: setOf('N'), T: setOf('T'), V: setOf('V'), U: setOf('U') };
});
/** Both fragments are spread, neither within itself. */
const documents = fc.tuple(root, sets.T, sets.N).map(([all, f, g]) => {
  const without = (set: string, ...names: string[]) =>
    names.reduce((left, name) => left.replaceAll(`...${name}`, '__typename'), set);
  return `{y:t{...F} z:n{...G} ${all.slice(1)} fragment F on T ${without(f, 'F')} fragment G on N ${without(g, 'F', 'G')}`;
});

test('validation: accepts the random documents that graphql-js accepts, also after compacting', () => {
  const found = { valid: 0, overlapping: 0 };
  fc.assert(
    fc.property(documents, (text) => {
      const errors = validate(schema, parse(text));
      const valid = errors.length === 0;
      if (valid) found.valid++;
      else if (errors.every(({ message }) => /conflict because/.test(message))) found.overlapping++;
      const document = parse(text, { noLocation: true });
      expect([errorsOf(text, document).length === 0, errorsOf(text, compactDocument(document)).length === 0]).toEqual([
        valid,
        valid,
      ]);
    }),
    { numRuns: 1_000 },
  );
  // Otherwise nothing has been compared.
  expect(Math.min(found.valid, found.overlapping)).toBeGreaterThan(25);
});

test('validation: reports up to ten locations for an error, and up to a hundred errors', () => {
  expect(errorsOf('{ t {\n  i nothing\n} }')).toEqual([
    {
      message: 'Cannot query field "nothing" on type "T".',
      locations: [{ line: 2, column: 5 }],
      extensions: { code: 'GRAPHQL_VALIDATION_FAILED' },
    },
  ]);
  expect(errorsOf(`{ a(${'x: 1 '.repeat(50)}) }`)[0]?.locations).toHaveLength(10);
  expect(errorsOf(`{ ${Array.from({ length: 500 }, (_, i) => `no${i}`).join(' ')} }`)).toHaveLength(101);
  expect(errorsOf(`{ ${'x'.repeat(5_000)} }`)[0]?.message.length).toBeLessThanOrEqual(1_001);
});

test('validation: names the fragments of a cycle', () => {
  const text =
    '{ ...a } fragment a on Query { ...b } fragment b on Query { ...c } fragment c on Query { ...a nothing }';
  expect(errorsOf(text)).toMatchObject([{ message: 'Cannot spread fragment "a" within itself via "b", "c".' }]);
});

test('validation: rejects documents whose fields take too long to compare, with the limit', () => {
  // Each level doubles what must be compared together: interfaces beside chains of two types.
  const chain = (depth: number): string => (depth === 0 ? '{i}' : `{n${chain(depth - 1)}}`);
  const level = (depth: number): string =>
    depth === 0 ? '{i}' : `{n${level(depth - 1)} ...on T{n${chain(depth)}} ...on V{n${chain(depth)}}}`;
  const [error] = errorsOf(`{n${level(24)}}`);
  expect(error).toMatchObject({ extensions: { code: 'LIMIT_COST', limit: 250_000 } });
});

test('validation: compacting merges repeated selections in place, except around directives and other selections', () => {
  const smaller = (text: string) => compactDocument(parse(text, { noLocation: true }));
  const same = (text: string, other: string) => expect(smaller(text)).toEqual(parse(other, { noLocation: true }));
  same('{t{i} a(x:1) t{s i} a(x:1) a(x:1)@skip(if:true)}', '{t{i s} a(x:1) a(x:1)@skip(if:true)}');
  same('{n{...on T{i} ...on T{s} s ...on T{b} ...on T{i}}}', '{n{...on T{i s} s ...on T{b}}}');
  expect(isCompacted(smaller('{a}'))).toBe(true);
});

test('validation: visits each fragment once, however many paths lead to it', () => {
  const work = (levels: number): number => {
    const level = (i: number) =>
      ['F', 'G'].map((name) => `fragment ${name}${i} on T { i ${i < levels ? `...F${i + 1} ...G${i + 1}` : ''} }`);
    const text = `{ t { ...F1 ...G1 } } ${Array.from({ length: levels }, (_, i) => level(i + 1).join(' ')).join(' ')}`;
    const { errors, work } = validateDocument(schema, parse(text, { noLocation: true }), text);
    expect(errors).toEqual([]);
    return work;
  };
  // Twice as many levels have a thousand times as many ways.
  expect(work(20)).toBeLessThanOrEqual(2.2 * work(10) + 100);
});
