/** The style check finds what it is meant to find; `npm run check` runs it on the repository. */
import { expect, test } from 'vitest';
import { cycleFaults, nameFaults, sizeFaults, wordFaults } from './style/check.ts';

const sources = (files: Record<string, string>): Map<string, string> => new Map(Object.entries(files));

test('style check: names a file of 300 lines and folders with too many files, tests and migrations excepted', () => {
  const many = (folder: string, count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`${folder}/file-${i}.ts`, '']));
  expect(
    sizeFaults(
      sources({
        'schema/long.ts': '\n'.repeat(300),
        'schema/short.ts': '\n'.repeat(299),
        'schema/long.test.ts': '\n'.repeat(400),
        ...many('connectors/kit', 13),
        ...many('connectors/tax', 12),
        ...many('gateway', 7),
        ...many('migrations', 20),
        'connectors/tax/tax.test.ts': '',
      }),
    ),
  ).toEqual([
    'schema/long.ts: 300 lines, fewer than 300 are allowed',
    'connectors/kit/: 13 source files, 12 are allowed',
    'gateway/: 7 source files, 6 are allowed',
  ]);
});

test('style check: finds an import cycle, of types and of dynamic imports too', () => {
  const files = {
    'gateway/a.ts': "import type { B } from './b.ts';",
    'gateway/b.ts': "export { c } from './live/c.ts';",
    'gateway/live/c.ts': "const a = () => import('../a.ts');",
    'gateway/d.ts': "import { a } from './a.ts';",
  };
  expect(cycleFaults(sources(files))).toEqual(['import cycle: gateway/a.ts, gateway/b.ts, gateway/live/c.ts']);
  expect(cycleFaults(sources({ ...files, 'gateway/live/c.ts': '' }))).toEqual([]);
});

test('style check: finds replaced names of files and exports, and leaves the names of the park alone', () => {
  expect(
    nameFaults(
      sources({
        'gateway/http/shield.ts': '',
        'gateway/http/sound-socket.ts': '',
        'gateway/live/a.ts': 'export class Pace {}\nexport const toldOnce = 1;\nconst told = 2;\nexport { told };',
        'gateway/live/b.ts': 'export function pageSize() {}\nexport type Gateway = 1;\nexport const roofless = 1;',
        'connectors/access-control/model.ts': 'export interface Door {}',
      }),
    ),
  ).toEqual([
    'gateway/http/shield.ts: the file has a replaced name',
    'gateway/http/sound-socket.ts: the file has a replaced name',
    'gateway/live/a.ts: exports the replaced name Pace',
    'gateway/live/a.ts: exports the replaced name toldOnce',
    'gateway/live/a.ts: exports the replaced name told',
  ]);
});

test('style check: finds replaced words in strings, templates, comments and documents, with their line', () => {
  const found = wordFaults(
    sources({
      'gateway/a.ts': [
        "import { x } from './told.ts';",
        'const text = `the hub is',
        'told by $' + '{x} and heals`;',
        '/** What stands here. */',
        "const lent = { colour: 'Dark' };",
      ].join('\n'),
      'gateway/explorer/page.ts': "const scheme = 'dark';",
      'docs/page.md': 'A warehouse.\n\nThe house.',
      'isthmus.demo.yaml': '# lent\n',
    }),
  );
  expect(found.map((one) => one.split(' — ')[0])).toEqual([
    'gateway/a.ts:3: "told"',
    'gateway/a.ts:3: "heals"',
    'gateway/a.ts:5: "Dark"',
    'gateway/a.ts:4: "stands"',
    'docs/page.md:3: "house"',
    'isthmus.demo.yaml:1: "lent"',
  ]);
});
