/** Adding an entry to isthmus.yaml changes no other byte, and removing it restores the file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { addEntry, readYamlFile, removeEntries } from './yaml-entry.ts';

const entryOf = (system: string, more: object = {}): object => ({
  id: `lakeside-${system}`,
  connector: 'mesh',
  system,
  headers: { 'x-api-key': `\${${system.toUpperCase()}_KEY}` },
  entities: {
    Air: { description: 'Air: at a "building" # 3.\nTwo lines.', fields: { pm25: 'pm25' }, none: {}, ...more },
  },
});
const AIR = entryOf('air');
const remove = (text: string, system: string) => removeEntries(text, (entry) => entry['system'] === system);

/** Parts of generated files, with \n as line ending. */
const BEFORE = [
  '',
  '# 园区 of the test, { as written }\n',
  "parks:\n    - { id: a, known: [B01],   name: 'x' }   # why\n    -   id: b\n        known: [ B02,B03 ]\n",
  'parks:\n- id: a\n  name: >-\n    folded over\n    two lines\n\n\n',
  'subgraphs: {a: {url: "http://a"}}\nnote: |+\n  kept\n\n\n',
];
const AFTER = [
  '',
  '\n',
  '# Two islands.\nanonymous: developer\n',
  '\n\nauth: { demo: true }   # end\n# the end\n',
  'auth:\n',
  'guard: [1,\n  2]\n...\n',
];
const ITEMS = [
  'id: a\nconnector: tax\n# poll: 5s\n',
  'id: a # the first\n# more of it\n\n# poll: 5s\n',
  'id: a\nnote: |\n  # not a comment\n',
  'id: a\nnone:\n',
  '{ id: a, system: other }   # in braces\n',
  'id:   a\nlist: [ a,b,\n  c ]\n',
  '"id": "a"\nlist:\n- 1\n-   2\n',
];
const FLOWS = [
  '[]',
  '[ ]   # none yet',
  '[ # none\n  ]',
  '[{id: a},{ id: b }]',
  '[\n  { id: a }, # one\n  { id: b } ,\n  ]',
  '[ id: a , ]',
];
const NONE = ['installations:', 'installations:   # none yet', 'installations:\n  # - id: a\n\n    #   park: x'];

const block = fc
  .record({
    column: fc.constantFrom(0, 2, 4),
    dash: fc.constantFrom('- ', '-   '),
    items: fc.array(fc.constantFrom(...ITEMS), { minLength: 1, maxLength: 3 }),
    between: fc.constantFrom('', '\n', '  # the next\n', '\n# the next\n'),
  })
  .map(({ column, dash, items, between }) => {
    const lines = (item: string) =>
      item.replace(/^(?=.)/gm, ' '.repeat(column + dash.length)).replace(/^ +/, `${' '.repeat(column)}${dash}`);
    return `installations:\n${items.map(lines).join(between)}`;
  });
const list = fc.oneof(
  fc.constant(''),
  fc.constantFrom(...NONE).map((text) => `${text}\n`),
  fc.constantFrom(...FLOWS).map((text) => `installations: ${text}\n`),
  block,
  block,
);
const file = fc
  .record({
    bom: fc.constantFrom('', '', '\uFEFF'),
    start: fc.constantFrom('', '', '---\n'),
    before: fc.constantFrom(...BEFORE),
    list,
    after: fc.constantFrom(...AFTER),
    eol: fc.constantFrom('\n', '\r\n'),
    open: fc.boolean(),
  })
  .map(({ bom, start, before, list, after, eol, open }) => {
    const text = bom + start + before + list + after;
    return (open ? text.replace(/\n$/, '') : text).replaceAll('\n', eol);
  })
  .filter((text) => typeof parse(text) === 'object' && parse(text) !== null);

test('yaml entry: an entry is written in the style of its neighbours', () => {
  const spaced =
    'parks: [ {id: a,known: [B01]} ]\ninstallations:\n    - id: a\n      # poll: 5s\n\n    - id: b\n      # own\n\n# auth\n';
  expect(addEntry(spaced, { id: 'c', list: [1] }).text).toBe(
    spaced.replace('# own\n', '# own\n\n    - id: c\n      list:\n          - 1\n'),
  );
  expect(addEntry('installations: [] # none\n', { id: 'c', list: [1] }).text).toBe(
    'installations: # in place of [] by isthmus onboard # none\n  - id: c\n    list:\n      - 1\n',
  );
  expect(addEntry('installations: [ # none\n]\n', { id: 'c', list: [1] }).text).toBe(
    'installations: [{\n    "id": "c",\n    "list": [\n      1\n    ]\n  } # none\n]\n',
  );
  expect(addEntry('anonymous: developer', { id: 'c' }).text).toBe(
    'anonymous: developer\ninstallations: # added by isthmus onboard\n  - id: c',
  );
});

test('yaml entry: removing an entry that a user wrote removes its comments and keeps those of its neighbours', () => {
  const text =
    'installations:\n  # the air\n  - id: x # air\n    system: air\n    # key: y\n  # noise\n  - { id: n }\n';
  expect(remove(text, 'air')).toEqual({
    text: 'installations:\n  # the air\n  # noise\n  - { id: n }\n',
    exact: true,
  });
  const braces = 'installations: [ {id: a, system: air}, # air\n  {id: b, system: air} ,\n  {id: c} ]\n';
  expect(remove(braces, 'air')).toEqual({ text: 'installations: [ # air\n  \n  {id: c} ]\n', exact: true });
  expect(remove(text, 'water')).toBeNull();
});

test('yaml entry: rewrites the document if the text cannot be edited; rejects an edit that would change its meaning', () => {
  const rewritten = addEntry('{parks: [{id: a}]}\n', AIR);
  expect(rewritten.exact).toBe(false);
  expect(parse(rewritten.text)).toEqual({ parks: [{ id: 'a' }], installations: [AIR] });
  expect(addEntry('installations: ~ # none\n', AIR).exact).toBe(false);
  const anchored = 'installations: [&a {id: a, system: air}]\n';
  expect(remove(anchored, 'air')).toEqual({ text: 'installations: []\n', exact: false });
  const alias = 'x: &x [{id: a, system: air}]\ninstallations: *x\n';
  expect(() => addEntry(alias, AIR)).toThrow('Nothing was written');
  expect(() => remove(alias, 'air')).toThrow('Nothing was written');
  expect(() => addEntry('a: [', AIR)).toThrow('not valid YAML');
});

test('yaml entry: rejects a file in another encoding', () => {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-entry-'));
  const config = join(folder, 'isthmus.yaml');
  try {
    writeFileSync(config, Buffer.from('23c6bdb60a', 'hex'));
    expect(() => readYamlFile(config)).toThrow('Save it as UTF-8');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('yaml entry: for generated files: only the entry is added, the result parses as expected, and removing restores the file', () => {
  fc.assert(
    fc.property(file, fc.boolean(), fc.boolean(), (text, lastFirst, nested) => {
      const [one, two] = [AIR, entryOf('noise', nested ? { on: [{ deep: ['x', { y: null }] }] } : {})];
      const first = addEntry(text, one);
      const both = addEntry(first.text, two);
      for (const [old, next] of [[text, first] as const, [first.text, both] as const]) {
        expect(next.exact).toBe(true);
        // An empty list in brackets becomes a comment; otherwise text is only inserted.
        const before = old.replace(/^(\uFEFF?installations:\s*)(\[ *\])/m, '$1# in place of $2 by isthmus onboard');
        let same = 0;
        while (same < before.length && before[same] === next.text[same]) same++;
        expect(next.text.endsWith(before.slice(same))).toBe(true);
        if (text.includes('\r\n')) expect(next.text).not.toMatch(/[^\r]\n/);
      }
      const was = parse(text) as { installations?: unknown[] };
      expect(parse(both.text)).toEqual({ ...was, installations: [...(was.installations ?? []), one, two] });
      let back = both.text;
      for (const system of lastFirst ? ['noise', 'air'] : ['air', 'noise']) back = remove(back, system)?.text ?? '';
      expect(back).toBe(text);
    }),
    { numRuns: Number(process.env['ISTHMUS_CASES'] ?? 40), seed: Number(process.env['ISTHMUS_SEED'] ?? 1) },
  );
});
