/** Validation against that of graphql-js: the same documents are valid, whatever overlaps in them. */
import fc from 'fast-check';
import { buildSchema, type DocumentNode, parse, validate } from 'graphql';
import { expect, test } from 'vitest';
import { compact, isCompact } from '../plan/compact-document.ts';
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

/** Selections that fit the type, but for what overlaps. */
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
    const one = fc.oneof({ maxDepth: 4, depthSize: 'small' }, keyed(fc.constantFrom(...leaves)), ...inner, ...inline);
    return fc.array(one, { minLength: 1, maxLength: 3 }).map((all) => `{${all.join(' ')}}`);
  };
  return { Query: setOf('Query'), N: setOf('N'), T: setOf('T'), V: setOf('V'), U: setOf('U') };
});
/** Both fragments are spread, neither within itself. */
const documents = fc.tuple(root, sets.T, sets.N).map(([all, f, g]) => {
  const without = (set: string, ...names: string[]) =>
    names.reduce((left, name) => left.replaceAll(`...${name}`, '__typename'), set);
  return `{y:t{...F} z:n{...G} ${all.slice(1)} fragment F on T ${without(f, 'F')} fragment G on N ${without(g, 'F', 'G')}`;
});

test('random documents are valid where they are valid in graphql-js, and as well without their repetitions', () => {
  const found = { valid: 0, overlapping: 0 };
  fc.assert(
    fc.property(documents, (text) => {
      const errors = validate(schema, parse(text));
      const valid = errors.length === 0;
      if (valid) found.valid++;
      else if (errors.every(({ message }) => /conflict because/.test(message))) found.overlapping++;
      const document = parse(text, { noLocation: true });
      expect([faultsOf(text, document).length === 0, faultsOf(text, compact(document)).length === 0]).toEqual([
        valid,
        valid,
      ]);
    }),
    { numRuns: 1_000 },
  );
  // Else nothing has been compared.
  expect(Math.min(found.valid, found.overlapping)).toBeGreaterThan(25);
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

test('fragments that lead to each other by very many ways are looked at once each', () => {
  const work = (levels: number): number => {
    const level = (i: number) =>
      ['F', 'G'].map((name) => `fragment ${name}${i} on T { i ${i < levels ? `...F${i + 1} ...G${i + 1}` : ''} }`);
    const text = `{ t { ...F1 ...G1 } } ${Array.from({ length: levels }, (_, i) => level(i + 1).join(' ')).join(' ')}`;
    const { faults, work } = validateDocument(schema, parse(text, { noLocation: true }), text);
    expect(faults).toEqual([]);
    return work;
  };
  // Twice as many levels have a thousand times as many ways.
  expect(work(20)).toBeLessThanOrEqual(2.2 * work(10) + 100);
});
