/** Checks docs/architecture.md against the code: imports between modules, where packages are used, and what every connector has. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ERRORS } from '../connectors/kit/errors.ts';

const ROOT = join(import.meta.dirname, '..');
const ARCHITECTURE = readFileSync(join(ROOT, 'docs', 'architecture.md'), 'utf8');

/** Rows of the table below a heading: cells without their marks. */
function table(heading: string): string[][] {
  const part = ARCHITECTURE.slice(ARCHITECTURE.indexOf(`## ${heading}`));
  const rows = part.slice(0, part.indexOf('\n## ', 4) > 0 ? part.indexOf('\n## ', 4) : undefined).split('\n');
  return rows
    .filter((row) => row.startsWith('| `'))
    .map((row) =>
      row
        .slice(1, row.lastIndexOf('|'))
        .split('|')
        .map((cell) => cell.trim()),
    );
}
const names = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] as string);

const IMPORT_TABLE = 'Which module may import which';
const groups = new Map(
  table(IMPORT_TABLE)
    .slice(0, 1)
    .map(([name, modules]) => [names(name as string)[0] as string, names(modules as string)]),
);
/** Names in a cell, with each group replaced by its modules. */
const modulesOf = (cell: string): string[] => names(cell).flatMap((name) => groups.get(name) ?? [name]);

const rules = table(IMPORT_TABLE)
  .slice(1)
  .flatMap(([modules, allowed]) =>
    modulesOf(modules as string).map((module) => ({ module, allowed: modulesOf(allowed ?? '') })),
  );

function files(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return ['fixtures', 'page', 'node_modules'].includes(entry.name) ? [] : files(path);
    return /\.ts$/.test(entry.name) ? [path] : [];
  });
}
const all = ['gateway', 'connectors', 'schema', 'migrations', 'tests'].flatMap(files);
const bare = (file: string): string => file.replace(/\.ts$/, '');

/** Whether a file belongs to a module: the module is that file, or the folder that directly contains it. */
function belongsTo(file: string, module: string): boolean {
  if (module === '**') return true;
  const path = bare(file).split('/');
  const deep = module.endsWith('/**');
  const parts = (deep ? module.slice(0, -3) : module).split('/');
  if (!parts.every((part, i) => (part === '*' && path[i] !== 'kit') || part === path[i])) return false;
  return deep || path.length <= parts.length + 1 || NESTED_MODULES.some((name) => parts.at(-1) === name);
}
/** Modules that may be a folder of any depth. */
const NESTED_MODULES = ['graph', 'source', 'mapping', 'simulator', 'tests', 'explorer', 'park'];

const ruleOf = (file: string) =>
  rules
    .filter(({ module }) => belongsTo(file, module))
    .sort(
      (a, b) =>
        b.module.split('/').length - a.module.split('/').length ||
        Number(a.module.includes('*')) - Number(b.module.includes('*')),
    )[0];

const connectorOf = (file: string): string => file.split('/').slice(0, 2).join('/');

function imports(file: string): { spec: string; file: string | null }[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return [
    ...text.matchAll(
      /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?from\s*['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]|(?:^|\n)import\s+['"]([^'"]+)['"]/g,
    ),
  ].map((match) => {
    const spec = (match[1] ?? match[2] ?? match[3]) as string;
    return { spec, file: spec.startsWith('.') ? relative(ROOT, join(ROOT, dirname(file), spec)) : null };
  });
}

const allowedIn = (file: string, target: string, allowed: readonly string[]): boolean =>
  allowed.some((one) => belongsTo(target, one.startsWith('./') ? `${connectorOf(file)}/${one.slice(2)}` : one));

describe('docs/architecture.md', () => {
  test('has a row in the import table for every file', () => {
    expect(all.filter((file) => !/\.test\.ts$/.test(file) && !ruleOf(file))).toEqual([]);
  });

  test('allows every import that the code makes', () => {
    const wrong = all.flatMap((file) => {
      const rule = ruleOf(file);
      const isTest = /\.test\.ts$/.test(file);
      return imports(file).flatMap((one) => {
        if (one.file === null) return [];
        const extra = isTest
          ? [`${connectorOf(file)}/**`, 'connectors/kit/**', 'schema/**', 'migrations', 'tests', dirname(file)]
          : [];
        if (isTest && /\/testing\//.test(one.file)) return [];
        const fine = allowedIn(file, one.file, [...(rule?.allowed ?? []), ...extra]);
        return fine ? [] : [`${file} imports ${one.file}`];
      });
    });
    expect(wrong).toEqual([]);
  });

  test('names every module that uses a listed package', () => {
    const places = new Map(
      table('Which package is used where').map(([name, modules]) => [
        names(name as string)[0] as string,
        names(modules as string),
      ]),
    );
    const wrong = all.flatMap((file) =>
      imports(file).flatMap(({ spec }) => {
        const name = spec
          .split('/')
          .slice(0, spec.startsWith('@') ? 2 : 1)
          .join('/');
        const modules = places.get(name);
        if (!modules || /\.test\.ts$/.test(file) || file.startsWith('tests/')) return [];
        return modules.some((module) => belongsTo(file, module)) ? [] : [`${file} imports ${spec}`];
      }),
    );
    expect(wrong).toEqual([]);
  });

  test('names only files that exist, as do the tour and the glossary', () => {
    const missing = ['architecture', 'tour', 'glossary'].flatMap((page) =>
      names(readFileSync(join(ROOT, 'docs', `${page}.md`), 'utf8').replace(/^```[\s\S]*?^```/gm, ''))
        .filter((name) => /^(gateway|connectors|schema|migrations|tests|bin)\/[\w./-]+(\.\w+|\/)$/.test(name))
        .filter((name) => !existsSync(join(ROOT, name)))
        .map((name) => `docs/${page}.md names ${name}`),
    );
    expect(missing).toEqual([]);
  });

  test('every connector has the required modules and a README with the required headings', () => {
    const skip = ['kit', 'configured'];
    const folders = readdirSync(join(ROOT, 'connectors'), { withFileTypes: true }).filter(
      (one) => one.isDirectory() && !skip.includes(one.name),
    );
    const problems = folders.flatMap(({ name }) => {
      const has = (module: string) =>
        existsSync(join(ROOT, 'connectors', name, `${module}.ts`)) ||
        existsSync(join(ROOT, 'connectors', name, module, 'index.ts'));
      const modules = [
        'index',
        'graph',
        'source',
        'mapping',
        'model',
        'settings',
        ...(name === 'hub' ? [] : ['simulator']),
      ];
      const missing = modules.filter((module) => !has(module)).map((module) => `${name} has no ${module}`);
      const readmePath = join(ROOT, 'connectors', name, 'README.md');
      const readme = existsSync(readmePath) ? readFileSync(readmePath, 'utf8') : '';
      const headings = ['What it knows', 'Where it comes from', 'Settings', 'Words', 'Quirks', 'Try it'];
      return [
        ...missing,
        ...headings
          .filter((heading) => !readme.includes(`## ${heading}`))
          .map((heading) => `${name}/README.md has no "## ${heading}"`),
      ];
    });
    expect(problems).toEqual([]);
  });

  test('docs/errors.md lists exactly the error codes of the code', () => {
    const documented = [...readFileSync(join(ROOT, 'docs', 'errors.md'), 'utf8').matchAll(/^\| `([A-Z_]+)` \|/gm)].map(
      (match) => match[1],
    );
    expect(documented.sort()).toEqual(Object.keys(ERRORS).sort());
  });

  test('docs/operations.md lists every diagnostics channel', () => {
    const document = readFileSync(join(ROOT, 'docs', 'operations.md'), 'utf8');
    const used = all.flatMap((file) =>
      [...readFileSync(join(ROOT, file), 'utf8').matchAll(/channel\('(isthmus:[a-z:]+)'\)/g)].map(
        (match) => match[1] as string,
      ),
    );
    expect(used.filter((name) => !document.includes(`\`${name}\``))).toEqual([]);
    expect(used.length).toBeGreaterThan(0);
  });

  test('no file contains a machine path or a registry address', () => {
    const wrong = [...all, 'README.md', 'package.json', 'package-lock.json'].filter((file) => {
      const path = join(ROOT, file);
      return (
        existsSync(path) &&
        file !== 'tests/architecture.test.ts' &&
        /\/work\/main|\/work\/shared|registry\.npmjs|artifactory|"resolved":/.test(readFileSync(path, 'utf8'))
      );
    });
    expect(wrong).toEqual([]);
  });
});
