/** Hostile documents by size, over the graph of `graph.ts`: each grows with its size alone, in one direction. */

export interface Shape {
  readonly name: string;
  /** A document of about `size` characters, never more. */
  document(size: number): string;
}

/** As many parts as fit between `head` and `tail`; parts that belong to `i` may put one piece into each of the two. */
function filled(
  size: number,
  head: string,
  part: (i: number) => string,
  tail: string,
  last: (i: number) => string = () => '',
): string {
  const parts: string[] = [];
  let left = size - head.length - tail.length;
  for (let i = 0; ; i++) {
    const next = part(i);
    left -= next.length;
    if (left < last(i + 1).length) break;
    parts.push(next);
  }
  return head + parts.join('') + last(parts.length) + tail;
}

/** A pattern of brackets as often as fits, 40 within each other: no limit is met by the depth. */
const nest = (open: string, inner: string, close: string, depth = 40): string =>
  open.repeat(depth) + inner + close.repeat(depth);

const shape = (name: string, document: (size: number) => string): Shape => ({ name, document });

export const SHAPES: readonly Shape[] = [
  shape('fragments: a chain', (size) =>
    filled(size, '{...f0}', (i) => `fragment f${i} on Query{...f${i + 1}}`, '', (i) => `fragment f${i} on Query{a}`),
  ),
  shape('fragments: a chain with a field in each', (size) =>
    filled(size, '{t{...f0}}', (i) => `fragment f${i} on T{t{...f${i + 1}}}`, '', (i) => `fragment f${i} on T{i}`),
  ),
  shape('fragments: a ring', (size) =>
    filled(
      size,
      '{...f0}',
      (i) => `fragment f${i} on Query{...f${i + 1}}`,
      '',
      (i) => `fragment f${i} on Query{...f0}`,
    ),
  ),
  shape('fragments: a chain that comes back at each', (size) =>
    filled(
      size,
      '{...f0}',
      (i) => `fragment f${i} on Query{...f${i + 1} ...f0}`,
      '',
      (i) => `fragment f${i} on Query{a}`,
    ),
  ),
  shape('fragments: each spreads the next twice', (size) =>
    filled(
      size,
      '{...f0}',
      (i) => `fragment f${i} on Query{...f${i + 1} ...f${i + 1}}`,
      '',
      (i) => `fragment f${i} on Query{a}`,
    ),
  ),
  shape('fragments: twice, in two fields each', (size) =>
    filled(
      size,
      '{t{...f0}}',
      (i) => `fragment f${i} on T{t{...f${i + 1}}r{...f${i + 1}}}`,
      '',
      (i) => `fragment f${i} on T{i}`,
    ),
  ),
  shape('fragments: twice, spread by nobody', (size) =>
    filled(
      size,
      '{a}',
      (i) => `fragment f${i} on T{t{...f${i + 1}}r{...f${i + 1}}}`,
      '',
      (i) => `fragment f${i} on T{i}`,
    ),
  ),
  shape('fragments: spread by nobody', (size) => filled(size, '{a}', (i) => `fragment f${i} on Query{a}`, '')),
  shape('fragments: a chain spread by nobody', (size) =>
    filled(size, '{a}', (i) => `fragment f${i} on Query{...f${i + 1}}`, '', (i) => `fragment f${i} on Query{a}`),
  ),
  shape('fragments: beside each other, all with the same fields', (size) =>
    `{${filled(size / 3, '', (i) => `...f${i} `, '')}}`.concat(
      filled((size * 2) / 3 - 10, '', (i) => `fragment f${i} on Query{t{i}}`, ''),
    ),
  ),
  shape('fragments: one, spread again and again', (size) =>
    filled(size, 'fragment f on T{i s t{i s}}{', () => 't{...f}', '}'),
  ),
  shape('fragments: of the same name', (size) => filled(size, '{...f}', () => 'fragment f on Query{a}', '')),
  shape('fragments: of unknown names', (size) => filled(size, '{', (i) => `...x${i} `, '}')),
  shape('fragments: inline, within each other', (size) => filled(size, '{', () => nest('...{', 'a', '}'), '}')),
  shape('fragments: inline, of every type', (size) =>
    filled(size, '{n{', (i) => ['...on T{i s}', '...on V{i v}', '...on N{i}'][i % 3] as string, '}}'),
  ),
  shape('fields: one, again and again', (size) => filled(size, '{', () => 'a ', '}')),
  shape('fields: one with selections, again and again', (size) => filled(size, '{', () => 't{i}', '}')),
  shape('fields: one with arguments, again and again', (size) => filled(size, '{', () => 'b(x:1)', '}')),
  shape('fields: one in aliases that contradict', (size) => filled(size, '{', (i) => `c:b(x:${i})`, '}')),
  shape('fields: contradicting far below', (size) =>
    filled(size, '{', (i) => `t{t{t{t{c:b(x:${i})}}}}`, '}'),
  ),
  shape('fields: of unknown names', (size) => filled(size, '{', (i) => `fieldOfAlpha${i}x `, '}')),
  shape('fields: within each other', (size) => filled(size, '{', () => nest('t{', 'i', '}', 12), '}')),
  shape('fields: twice at each depth', (size) => {
    const tree = (depth: number): string => (depth === 0 ? '{i}' : `{t${tree(depth - 1)}r${tree(depth - 1)}}`);
    return filled(size, '{', () => `t${tree(9)}`, '}');
  }),
  shape('names: long', (size) => filled(size, '{', (i) => `${'n'.repeat(900)}${i} `, '}')),
  shape('names: one', (size) => `{${'n'.repeat(size - 2)}}`),
  shape('aliases: a hundred mutations', (size) =>
    filled(size, 'mutation{', (i) => (i < 100 ? `m${i}:m(x:${i} s:"${'x'.repeat(size / 100 - 40)}")` : ' '.repeat(size)), '}'),
  ),
  shape('aliases: as many as there is room for', (size) => filled(size, '{', (i) => `z${i}:a `, '}')),
  shape('directives: one, on one field', (size) => filled(size, '{a', () => '@include(if:true)', '}')),
  shape('directives: of unknown names', (size) => filled(size, '{a', (i) => `@x${i}`, '}')),
  shape('directives: on a variable', (size) => filled(size, 'query($v:Int', () => '@x', '){b(x:$v)}')),
  shape('directives: one on each field', (size) => filled(size, '{', () => 'a@skip(if:false)', '}')),
  shape('variables: very many', (size) => filled(size, 'query(', (i) => `$v${i}:Int `, '){a}')),
  shape('variables: of one name', (size) => filled(size, 'query(', () => '$v:Int ', '){b(x:$v)}')),
  shape('variables: of types within brackets', (size) =>
    filled(size, 'query(', (i) => `$v${i}:${nest('[', 'Int', ']')} `, '){a}'),
  ),
  shape('variables: used, not declared', (size) => filled(size, '{', (i) => `b(x:$v${i})`, '}')),
  shape('variables: one in each of many fragments', (size) =>
    filled(
      size,
      'query($v:Int){...f0}',
      (i) => `fragment f${i} on Query{b(x:$v)...f${i + 1}}`,
      '',
      (i) => `fragment f${i} on Query{a}`,
    ),
  ),
  shape('arguments: of one name', (size) => filled(size, '{b(', () => 'x:1 ', ')}')),
  shape('arguments: of unknown names', (size) => filled(size, '{b(', (i) => `x${i}:1 `, ')}')),
  shape('lists: of numbers', (size) => filled(size, '{l(x:[', () => '1 ', '])}')),
  shape('lists: within each other', (size) => filled(size, '{l(d:[', () => nest('[', '1', ']', 30), '])}')),
  shape('objects: within each other', (size) => filled(size, '{l(o:{m:[', () => nest('{o:', '{s:"x"}', '}', 20), ']})}')),
  shape('objects: of unknown fields', (size) => filled(size, '{l(o:{', (i) => `x${i}:1 `, '})}')),
  shape('objects: of one field, again and again', (size) => filled(size, '{l(o:{', () => 's:"" ', '})}')),
  shape('numbers: of very many digits', (size) => `{b(x:${'7'.repeat(size - 7)})}`),
  shape('strings: of escapes', (size) => filled(size / 2, '{l(s:"', () => '\\u00e9', '")}')),
  shape('strings: blocks', (size) => filled(size / 2, '{l(x:[', () => '"""\n\n  a\n b\n"""', '])}')),
  shape('strings: one block of lines', (size) => filled(size / 2, '{l(s:"""', () => '\n ', '""")}')),
  shape('strings: not closed', (size) => `{l(s:"${'x'.repeat(size - 7)}`),
  shape('operations: very many', (size) => filled(size, '', (i) => `query q${i}{a}`, '')),
  shape('operations: many, over a chain of fragments', (size) => {
    const operations = filled(size / 2, '', (i) => (i < 400 ? `query q${i}{...f0}` : ' '.repeat(size)), '');
    return (
      operations +
      filled(size - operations.length, '', (i) => `fragment f${i} on Query{...f${i + 1}}`, '', (i) => `fragment f${i} on Query{a}`)
    );
  }),
  shape('operations: without names', (size) => filled(size, '', () => '{a}', '')),
  shape('introspection: again and again', (size) => filled(size, '{', () => '__schema{types{name}}', '}')),
  shape('introspection: circular', (size) =>
    filled(size, '{', (i) => `s${i}:__schema{types{${nest('fields{type{', 'name', '}}', 6)}}}`, '}'),
  ),
  shape('introspection: fragments, each twice', (size) =>
    filled(
      size,
      '{__schema{types{...f0}}}',
      (i) => `fragment f${i} on __Type{ofType{...f${i + 1} ...f${i + 1}}}`,
      '',
      (i) => `fragment f${i} on __Type{name}`,
    ),
  ),
  shape('text: comments', (size) => filled(size, '{a}', () => '#{{{{\n', '')),
  shape('text: commas', (size) => `${','.repeat(size - 3)}{a}`),
  shape('text: byte order marks', (size) => `${'\ufeff'.repeat(size / 3 - 3)}{a}`),
  shape('text: brackets', (size) => '{a'.repeat(size / 2)),
  shape('text: closing brackets', (size) => `{a${'}'.repeat(size - 2)}`),
];

/** An ordinary document of that size: fragments, aliases, variables, and a list of ids that somebody has collected. */
export function harmless(size: number): string {
  const head = `query Page($first: Int = 10, $deep: Boolean = true) {
  a
  one: t { ...Thing t { i far } }
  two: t { ...Thing r { ...Thing } }
  n { i ... on T { s } ... on V { v } }
  b(x: $first)
  l(x: [1, 2, 3], ids: [
`;
  const tail = `  ])
}
fragment Thing on T { i s far other: t @include(if: $deep) { i s } }
`;
  return filled(size, head, (i) => `    "8f14e45f-ceea-467f-9575-${String(i).padStart(12, '0')}", # ${i}\n`, tail);
}
