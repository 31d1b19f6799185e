/** Hostile documents of any size for the graph of `graph.ts`; each grows in one dimension only. */

/** Limits for a generated document: it stays just below the counting limits, so that later checks are exercised. */
export interface SizeLimits {
  /** Characters. */
  readonly size: number;
  readonly tokens: number;
  readonly selections: number;
}

export interface Shape {
  readonly name: string;
  /** A document of `room.size` characters, padded with spaces when no more parts fit. */
  document(limits: SizeLimits): string;
}

/** A document with as many repeated parts as fit. */
interface Parts {
  readonly head?: string;
  part(i: number): string;
  /** Text after the last part, numbered as the next part would be. */
  last?(i: number): string;
  readonly tail?: string;
  /** Selections of one part; set to stay within the limit. */
  readonly each?: number;
}

const TOKEN = /\.\.\.|"""[\s\S]*?"""|"[^"]*"|\w+|[^\s,\w]/g;
const tokensOf = (text: string): number => text.match(TOKEN)?.length ?? 0;

function fill(limits: SizeLimits, { head = '', part, last = () => '', tail = '', each = 0 }: Parts): string {
  const parts: string[] = [];
  const ends = head + last(1_000_000) + tail;
  let [left, tokens] = [limits.size - ends.length, limits.tokens - tokensOf(ends) - 1];
  for (let i = 0; (i + 1) * each < limits.selections; i++) {
    const next = part(i);
    left -= next.length;
    tokens -= tokensOf(next);
    if (left < 0 || tokens < 0) break;
    parts.push(next);
  }
  return (head + parts.join('') + last(parts.length) + tail).padEnd(limits.size);
}

const share = (limits: SizeLimits, part: number): SizeLimits => ({
  size: Math.floor(limits.size * part),
  tokens: Math.floor(limits.tokens * part),
  selections: limits.selections,
});
const shape = (name: string, form: Parts): Shape => ({ name, document: (limits) => fill(limits, form) });
const text = (name: string, made: (size: number) => string): Shape => ({ name, document: ({ size }) => made(size) });

/** Nested brackets, below every limit. */
const nest = (open: string, inner: string, close: string, depth: number): string =>
  open.repeat(depth) + inner + close.repeat(depth);
/** One fragment per part, named `f0`, `f1`, … */
const row = (name: string, head: string, on: string, inner: (i: number) => string, end: string, each = 0): Shape =>
  shape(name, {
    head,
    part: (i) => `fragment f${i} on ${on}{${inner(i)}}`,
    last: (i) => `fragment f${i} on ${on}{${end}}`,
    each,
  });
const tree = (depth: number): string => (depth === 0 ? '{i}' : `{t${tree(depth - 1)}r${tree(depth - 1)}}`);
const pair = (i: number, field = ''): string => (field ? `t{...f${i}}r{...f${i}}` : `...f${i} ...f${i}`);

/** As many fragments as fit, every `nth` spread in one place; each has `each` selections and about `tokens` tokens. */
const spread = (
  name: string,
  head: string,
  part: (i: number) => string,
  each: number,
  tokens: number,
  nth = 1,
): Shape => ({
  name,
  document: (limits) => {
    const limit =
      Math.min(limits.size / (part(10_000).length + 10), limits.tokens / tokens, limits.selections / each) - 5;
    const count = Math.floor(limit / nth) * nth;
    const all = Array.from({ length: count }, (_, i) => i);
    const spreads = all.filter((i) => i % nth === 0).map((i) => `...f${i}`);
    return `${head}{t{${spreads.join(' ')}}}${all.map(part).join('')}`.padEnd(limits.size);
  },
});

export const SHAPES: readonly Shape[] = [
  row('fragments: a chain', '{...f0}', 'Query', (i) => `...f${i + 1}`, 'a'),
  row('fragments: a chain with a field in each', '{t{...f0}}', 'T', (i) => `t{...f${i + 1}}`, 'i'),
  row('fragments: a ring', '{...f0}', 'Query', (i) => `...f${i + 1}`, '...f0'),
  row('fragments: a chain that comes back at each', '{...f0}', 'Query', (i) => `...f${i + 1} ...f0`, 'a'),
  row('fragments: each spreads the next twice', '{...f0}', 'Query', (i) => pair(i + 1), 'a'),
  row('fragments: each spreads the next in two fields', '{t{...f0}}', 'T', (i) => pair(i + 1, 't'), 'i'),
  row('fragments: the same, spread by nobody', '{a}', 'T', (i) => pair(i + 1, 't'), 'i'),
  row('fragments: spread by nobody', '{a}', 'Query', () => 'a', 'a', 1),
  row('fragments: a chain spread by nobody', '{a}', 'Query', (i) => `...f${i + 1}`, 'a'),
  spread('fragments: beside each other, with the same fields', '', (i) => `fragment f${i} on T{t{i}}`, 3, 16),
  spread(
    'fragments: chains of forty beside each other',
    '',
    (i) => (i % 40 === 39 ? `fragment f${i} on T{i}` : `fragment f${i} on T{...f${i + 1}}`),
    2,
    13,
    40,
  ),
  shape('fragments: one, spread again and again', {
    head: 'fragment f on T{i s t{i s}}{t{',
    part: () => 't{...f}',
    tail: '}}',
    each: 7,
  }),
  shape('fragments: one, spread beside itself', {
    head: 'fragment f on T{i}{t{',
    part: () => '...f ',
    tail: '}}',
    each: 2,
  }),
  shape('fragments: of the same name', { head: '{...f}', part: () => 'fragment f on Query{a}' }),
  shape('fragments: of unknown names', { head: '{t{', part: (i) => `...x${i} `, tail: '}}', each: 1 }),
  shape('fragments: inline, within each other', {
    head: '{t{',
    part: () => nest('...{', 'i', '}', 40),
    tail: '}}',
    each: 41,
  }),
  shape('fragments: inline, of every type', {
    head: '{n{',
    part: (i) => ['...on T{i s}', '...on V{i v}', '...on N{i}'][i % 3] as string,
    tail: '}}',
    each: 3,
  }),
  shape('fields: one, again and again', { head: '{t{', part: () => 'i ', tail: '}}', each: 1 }),
  shape('fields: one with selections, again and again', { head: '{t{', part: () => 't{i}', tail: '}}', each: 2 }),
  shape('fields: one with arguments, again and again', { head: '{t{', part: () => 'b(x:1)', tail: '}}', each: 1 }),
  shape('fields: one in a few aliases that contradict', {
    head: '{t{',
    part: (i) => (i < 20 ? `c:b(x:${i})` : `b(x:${i})`),
    tail: '}}',
    each: 1,
  }),
  shape('fields: contradicting far below', { head: '{t{', part: (i) => `t{t{t{t{b(x:${i})}}}}`, tail: '}}', each: 5 }),
  shape('fields: of unknown names', { head: '{t{', part: (i) => `fieldOfAlpha${i}x `, tail: '}}', each: 1 }),
  shape('fields: within each other', { head: '{t{', part: () => nest('t{', 'i', '}', 11), tail: '}}', each: 12 }),
  shape('fields: twice at each depth', { head: '{', part: () => `t${tree(8)}`, tail: '}', each: 767 }),
  shape('fields: of interfaces beside those of types', {
    head: '{n{',
    part: (i) => `n{...on T{n{i}}...on V{n{i}}n{i}}${i % 2 ? 'n{i}' : ''}`,
    tail: '}}',
    each: 10,
  }),
  shape('names: long', { head: '{t{', part: (i) => `${'n'.repeat(900)}${i} `, tail: '}}', each: 1 }),
  text('names: one', (size) => `{${'n'.repeat(size - 2)}}`),
  {
    name: 'aliases: a hundred mutations',
    document: ({ size }) => {
      const long = 'x'.repeat(Math.floor(size / 100) - 40);
      return `mutation{${Array.from({ length: 100 }, (_, i) => `m${i}:m(x:${i} s:"${long}")`).join(' ')}}`.padEnd(size);
    },
  },
  shape('aliases: as many as there is room for', { head: '{t{', part: (i) => `z${i}:i `, tail: '}}', each: 1 }),
  shape('directives: one, on one field', { head: '{a', part: () => '@include(if:true)', tail: '}' }),
  shape('directives: of unknown names', { head: '{a', part: (i) => `@x${i}`, tail: '}' }),
  shape('directives: on a variable', { head: 'query($v:Int', part: () => '@x', tail: '){b(x:$v)}' }),
  shape('directives: one on each field', { head: '{t{', part: () => 'i@skip(if:false)', tail: '}}', each: 1 }),
  shape('variables: very many', { head: 'query(', part: (i) => `$v${i}:Int `, tail: '){a}' }),
  shape('variables: of one name', { head: 'query(', part: () => '$v:Int ', tail: '){b(x:$v)}' }),
  shape('variables: of types within brackets', {
    head: 'query(',
    part: (i) => `$v${i}:${nest('[', 'Int', ']', 40)} `,
    tail: '){a}',
  }),
  shape('variables: used, not declared', { head: '{t{', part: (i) => `b(x:$v${i})`, tail: '}}', each: 1 }),
  row('variables: in each fragment of a chain', 'query($v:Int){...f0}', 'Query', (i) => `b(x:$v)...f${i + 1}`, 'a'),
  spread('variables: in each of many fragments', 'query($v:Int)', (i) => `fragment f${i} on T{b(x:$v)}`, 2, 18),
  shape('arguments: of one name', { head: '{b(', part: () => 'x:1 ', tail: ')}' }),
  shape('arguments: of unknown names', { head: '{b(', part: (i) => `x${i}:1 `, tail: ')}' }),
  shape('lists: of numbers', { head: '{l(x:[', part: () => '1 ', tail: '])}' }),
  shape('lists: within each other', { head: '{l(d:[', part: () => nest('[', '1', ']', 30), tail: '])}' }),
  shape('objects: within each other', { head: '{l(o:{m:[', part: () => nest('{o:', '{s:"x"}', '}', 20), tail: ']})}' }),
  shape('objects: of unknown fields', { head: '{l(o:{', part: (i) => `x${i}:1 `, tail: '})}' }),
  shape('objects: of one field, again and again', { head: '{l(o:{', part: () => 's:1 ', tail: '})}' }),
  text('numbers: of very many digits', (size) => `{b(x:${'7'.repeat(size - 7)})}`),
  text('strings: of escapes', (size) => `{l(s:"${'\\u00e9'.repeat(Math.floor(size / 7) - 2)}")}`),
  {
    name: 'strings: blocks',
    document: (limits) =>
      fill(share(limits, 0.7), { head: '{l(ids:[', part: () => '"""\n\n  a\n b\n"""', tail: '])}' }),
  },
  text('strings: one block of lines', (size) => `{l(s:"""${'\n '.repeat(Math.floor(size / 3) - 8)}""")}`),
  text('strings: not closed', (size) => `{l(s:"${'x'.repeat(size - 7)}`),
  shape('operations: very many', { part: (i) => `query q${i}{a}` }),
  {
    name: 'operations: many, over a chain of fragments',
    document: (limits) =>
      Array.from({ length: 9 }, (_, i) => `query q${i}{...f0}`).join('') +
      fill(
        { ...limits, size: limits.size - 200 },
        {
          part: (i) => (i < 90 ? `fragment f${i} on Query{...f${i + 1}}` : ''.padEnd(limits.size)),
          last: (i) => `fragment f${i} on Query{a}`,
        },
      ),
  },
  shape('operations: without names', { part: () => '{a}' }),
  shape('introspection: again and again', { head: '{', part: () => '__schema{types{name}}', tail: '}' }),
  shape('introspection: one part again and again', {
    head: '{__schema{',
    part: () => 'types{fields{name type{name}}}',
    tail: '}}',
    each: 5,
  }),
  shape('introspection: in aliases', {
    head: '{__schema{',
    part: (i) => (i < 29 ? `s${i}:types{fields{name type{name fields{name}}}}` : 'types{name}'),
    tail: '}}',
    each: 7,
  }),
  row(
    'introspection: fragments, each twice',
    '{__schema{types{...f0}}}',
    '__Type',
    (i) => `ofType{${pair(i + 1)}}`,
    'name',
  ),
  text('text: comments', (size) => `{a}${'#{{{\n'.repeat(Math.floor((size - 3) / 6))}`),
  text('text: commas', (size) => `${','.repeat(size - 3)}{a}`),
  text('text: byte order marks', (size) => `${'\ufeff'.repeat(size / 3 - 3)}{a}`),
  text('text: brackets', (size) => '{a'.repeat(size / 2)),
  text('text: closing brackets', (size) => `{a${'}'.repeat(size - 2)}`),
];

/** An ordinary document of that size: fragments, aliases, variables and a long list of ids. */
export const ordinaryDocument = (limits: SizeLimits): string =>
  fill(limits, {
    head: `query Page($first: Int = 10, $deep: Boolean = true) {
  a
  one: t { ...Thing t { i far } }
  two: t { ...Thing r { ...Thing } }
  n { i ... on T { s } ... on V { v } }
  b(x: $first)
  l(x: [1, 2, 3], ids: [
`,
    part: (i) => `    8140459${String(i).padStart(12, '0')}, # ${i}\n`,
    tail: `  ])
}
fragment Thing on T { i s far other: t @include(if: $deep) { i s } }
`,
  });
