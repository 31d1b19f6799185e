/** The house keeps its own rules: arrows, packages, rooms, catalogues. */
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

const rules = table('Who may import whom').flatMap(([rooms, allowed]) =>
  names(rooms as string).map((room) => ({ room, allowed: names(allowed ?? '') })),
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

/** Whether a file stands in a room: the room itself, or directly below it. */
function inRoom(file: string, room: string): boolean {
  if (room === '**') return true;
  const path = bare(file).split('/');
  const deep = room.endsWith('/**');
  const parts = (deep ? room.slice(0, -3) : room).split('/');
  if (!parts.every((part, i) => (part === '*' && path[i] !== 'kit') || part === path[i])) return false;
  return deep || path.length <= parts.length + 1 || ROOMS_WITH_FOLDERS.some((name) => parts.at(-1) === name);
}
/** Rooms that may grow into a folder of any depth. */
const ROOMS_WITH_FOLDERS = ['graph', 'source', 'mapping', 'simulator', 'tests', 'explorer', 'park'];

const ruleOf = (file: string) =>
  rules
    .filter(({ room }) => inRoom(file, room))
    .sort(
      (a, b) =>
        b.room.split('/').length - a.room.split('/').length ||
        Number(a.room.includes('*')) - Number(b.room.includes('*')),
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
  allowed.some((one) => inRoom(target, one.startsWith('./') ? `${connectorOf(file)}/${one.slice(2)}` : one));

describe('the house', () => {
  test('every file stands in a room', () => {
    expect(all.filter((file) => !/\.test\.ts$/.test(file) && !ruleOf(file))).toEqual([]);
  });

  test('arrows run downstairs', () => {
    const wrong = all.flatMap((file) => {
      const rule = ruleOf(file);
      const isTest = /\.test\.ts$/.test(file);
      return imports(file).flatMap((one) => {
        if (one.file === null) return [];
        const extra = isTest
          ? [`${connectorOf(file)}/**`, 'connectors/kit/**', 'schema/**', 'migrations', 'tests', dirname(file)]
          : [];
        const fine = allowedIn(file, one.file, [...(rule?.allowed ?? []), ...extra]);
        return fine ? [] : [`${file} imports ${one.file}`];
      });
    });
    expect(wrong).toEqual([]);
  });

  test('each package stands where it belongs', () => {
    const places = new Map(
      table('Which package stands where').map(([name, rooms]) => [
        names(name as string)[0] as string,
        names(rooms as string),
      ]),
    );
    const wrong = all.flatMap((file) =>
      imports(file).flatMap(({ spec }) => {
        const name = spec
          .split('/')
          .slice(0, spec.startsWith('@') ? 2 : 1)
          .join('/');
        const rooms = places.get(name);
        if (!rooms || /\.test\.ts$/.test(file) || file.startsWith('tests/')) return [];
        return rooms.some((room) => inRoom(file, room)) ? [] : [`${file} imports ${spec}`];
      }),
    );
    expect(wrong).toEqual([]);
  });

  test('every connector has the same rooms, a README with its headings, and recorded pairs', () => {
    const skip = ['kit', 'mesh'];
    const folders = readdirSync(join(ROOT, 'connectors'), { withFileTypes: true }).filter(
      (one) => one.isDirectory() && !skip.includes(one.name),
    );
    const faults = folders.flatMap(({ name }) => {
      const has = (room: string) =>
        existsSync(join(ROOT, 'connectors', name, `${room}.ts`)) ||
        existsSync(join(ROOT, 'connectors', name, room, 'index.ts'));
      const rooms = [
        'index',
        'graph',
        'source',
        'mapping',
        'model',
        'settings',
        ...(name === 'hub' ? [] : ['simulator']),
      ];
      const missing = rooms.filter((room) => !has(room)).map((room) => `${name} has no ${room}`);
      const readmePath = join(ROOT, 'connectors', name, 'README.md');
      const readme = existsSync(readmePath) ? readFileSync(readmePath, 'utf8') : '';
      const headings = ['What it knows', 'Where it comes from', 'Settings', 'Words', 'Quirks', 'Try it'];
      return [
        ...missing,
        ...headings.filter((one) => !readme.includes(`## ${one}`)).map((one) => `${name}/README.md has no "## ${one}"`),
      ];
    });
    expect(faults).toEqual([]);
  });

  test('errors and their document agree', () => {
    const documented = [...readFileSync(join(ROOT, 'docs', 'errors.md'), 'utf8').matchAll(/^\| `([A-Z_]+)` \|/gm)].map(
      (match) => match[1],
    );
    expect(documented.sort()).toEqual(Object.keys(ERRORS).sort());
  });

  test('diagnostics channels and their document agree', () => {
    const document = readFileSync(join(ROOT, 'docs', 'operations.md'), 'utf8');
    const used = all.flatMap((file) =>
      [...readFileSync(join(ROOT, file), 'utf8').matchAll(/channel\('(isthmus:[a-z:]+)'\)/g)].map(
        (match) => match[1] as string,
      ),
    );
    expect(used.filter((name) => !document.includes(`\`${name}\``))).toEqual([]);
    expect(used.length).toBeGreaterThan(0);
  });

  test('nothing in the repository names machines or registries', () => {
    const wrong = [...all, 'README.md', 'package.json', 'package-lock.json'].filter((file) => {
      const path = join(ROOT, file);
      return (
        existsSync(path) &&
        file !== 'tests/house.test.ts' &&
        /\/work\/main|\/work\/shared|registry\.npmjs|artifactory|"resolved":/.test(readFileSync(path, 'utf8'))
      );
    });
    expect(wrong).toEqual([]);
  });
});
