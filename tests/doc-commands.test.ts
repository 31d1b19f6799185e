/** Commands in documents, messages and help: each works in a clone, and none can install a package of the public registry. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, describe, expect, test } from 'vitest';
import { createProgram } from '../gateway/commands/program.ts';

const ROOT = join(import.meta.dirname, '..');
const home = mkdtempSync(join(tmpdir(), 'isthmus-npx-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  readonly name: string;
  readonly private: boolean;
  readonly bin: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
};
const tracked = execFileSync('git', ['ls-files'], { cwd: ROOT, encoding: 'utf8' }).trim().split('\n');
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const documents = tracked.filter((file) => file.endsWith('.md'));
/** Files that print text for people or are run by them. */
const sources = tracked.filter(
  (file) =>
    /^(gateway|connectors|schema|migrations|bin|\.ci)\/.*\.(ts|tsx|js|html|sh|yaml|yml)$|^[^/]+\.(json|ya?ml)$|^Dockerfile$|^\.ci\//.test(
      file,
    ) &&
    !file.endsWith('.test.ts') &&
    file !== 'package-lock.json',
);

/** Every npx call in a text, up to the name of the program. */
const calls = (text: string): string[] =>
  [...text.matchAll(/\bnpx ((?:--?[a-z-]+(?:=\S+)? )*)(@?[a-z][\w@/.-]*)/g)].map(([call]) => call);

/** Commands of the program in a document: lines of shell blocks and inline code, without variables and `npx`. */
function typed(text: string): { line: string; typed: boolean; inBlock: boolean }[] {
  const blocks = [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)].flatMap(([, kind = '', block = '']) =>
    block
      .split('\n')
      .filter((line) => ['sh', ''].includes(kind) || line.startsWith('$ '))
      .map((line) => ({ line: line.replace(/^\$ /, '').replace(/\s+#.*$/, ''), inBlock: true })),
  );
  const sentences = [...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`\n]+)`/g)].map(([, line = '']) => ({
    line,
    inBlock: false,
  }));
  return [...blocks, ...sentences].flatMap(({ line, inBlock }) => {
    if (line.includes('\\n')) return [];
    const [, variables = '', npx = '', rest = ''] =
      /^((?:[A-Z_]+=\S+ )*)(npx [^|]*?)?\bisthmus ([a-z].*)$/.exec(line) ?? [];
    const first = rest.split(' ')[0] ?? '';
    if (!program.commands.some((command) => command.name() === first)) return [];
    return [{ line: rest, typed: npx !== '' || (!inBlock && variables === '' && isName(rest)), inBlock }];
  });
}
const program = createProgram('0');

/** Resolves the command; the remaining words are arguments and options. */
function resolved(line: string): { command: Command; words: string[] } {
  const words = line.trim().split(/\s+/);
  let command: Command = program;
  for (;;) {
    const found = command.commands.find((command) => command.name() === words[0]);
    if (!found) return { command, words };
    command = found;
    words.shift();
  }
}
/** Whether a line only names a command, such as `isthmus audit verify`. */
const isName = (line: string): boolean => resolved(line).words.length === 0;

describe('npx', () => {
  test('every call uses --no-install and runs this program or a declared development dependency', () => {
    const known = [...Object.keys(manifest.bin), ...Object.keys(manifest.devDependencies)];
    const found = [...documents, ...sources].flatMap((file) => calls(read(file)).map((call) => ({ file, call })));
    expect(found.length).toBeGreaterThan(20);
    const wrong = found.filter(
      ({ call }) => !call.startsWith('npx --no-install ') || !known.includes(call.split(' ').at(-1) ?? ''),
    );
    expect(wrong).toEqual([]);
  });

  test('the package is private and scoped, so its name cannot resolve to the public registry', () => {
    expect(manifest.private).toBe(true);
    expect(manifest.name).toMatch(/^@[a-z-]+\/isthmus$/);
    expect(JSON.parse(read('package-lock.json'))).toMatchObject({ name: manifest.name });
  });
});

describe.each(documents.filter((file) => basename(file) !== 'CHANGELOG.md'))('%s', (file) => {
  test('contains only commands that work as written, with existing arguments and options', () => {
    const wrong = typed(read(file)).flatMap(({ line, typed, inBlock }) => {
      // Three dots mark an abbreviated command, which is not meant to be copied.
      if (line.includes('...')) return [];
      if (!typed) return [`${line}: is not written as it must be typed in a clone`];
      const { command, words } = resolved(line);
      if (command.commands.length > 0 && words.length > 0) return [`${line}: there is no such command`];
      const { operands, unknown } = command.parseOptions(words);
      const maxArguments = command.registeredArguments.length;
      const minArguments = inBlock
        ? command.registeredArguments.filter((registeredArgument) => registeredArgument.required).length
        : 0;
      const isWrong = unknown.length > 0 || operands.length > maxArguments || operands.length < minArguments;
      return isWrong ? [`${line}: ${unknown.join(' ')}`] : [];
    });
    expect(wrong).toEqual([]);
  });
});

test('help texts contain only commands that can be copied', () => {
  let printed = '';
  const collect = (command: Command): void => {
    command.configureOutput({ writeOut: (text) => (printed += text), writeErr: (text) => (printed += text) });
    command.outputHelp();
    command.commands.forEach(collect);
  };
  collect(createProgram('0'));
  expect(printed).toContain('npx --no-install isthmus <command>');
  expect(calls(printed).filter((call) => !call.startsWith('npx --no-install isthmus'))).toEqual([]);
});

describe('npx in a shell', () => {
  /** A fake registry that contains a foreign package `isthmus`. */
  const requestedPaths: string[] = [];
  const registry = createServer((request, response) => {
    requestedPaths.push(request.url ?? '');
    const { port } = registry.address() as AddressInfo;
    const dist = { tarball: `http://127.0.0.1:${port}/isthmus.tgz`, shasum: '0'.repeat(40) };
    const version = { name: 'isthmus', version: '6.6.6', bin: { isthmus: 'strange.js' }, dist };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ name: 'isthmus', 'dist-tags': { latest: '6.6.6' }, versions: { '6.6.6': version } }));
  });
  const npx = async (folder: string, ...args: string[]) => {
    if (!registry.listening) await new Promise<void>((ready) => registry.listen(0, '127.0.0.1', ready));
    const { port } = registry.address() as AddressInfo;
    const child = spawn('npx', args, {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        HOME: home,
        npm_config_cache: join(home, 'cache'),
        npm_config_registry: `http://127.0.0.1:${port}/`,
        npm_config_update_notifier: 'false',
      },
    });
    const output = { out: '', err: '' };
    child.stdout.on('data', (text) => (output.out += text));
    child.stderr.on('data', (text) => (output.err += text));
    const [code] = await once(child, 'close');
    return { code, ...output };
  };
  afterAll(() => void registry.close());

  test('runs in a subfolder of a clone without contacting a registry', async () => {
    // A clone made of links and marked as built, because npx runs `prepare`, which would build it. Its dist runs the sources.
    const clone = join(home, 'clone');
    mkdirSync(join(clone, 'docs'), { recursive: true });
    cpSync(join(ROOT, 'bin'), join(clone, 'bin'), { recursive: true });
    cpSync(join(ROOT, 'package.json'), join(clone, 'package.json'));
    for (const name of ['gateway', 'connectors', 'schema', 'migrations', 'node_modules', 'tsconfig.json'])
      symlinkSync(join(ROOT, name), join(clone, name));
    mkdirSync(join(clone, 'dist'));
    writeFileSync(join(clone, 'dist', '.built'), '');
    mkdirSync(join(clone, 'dist', 'gateway'));
    const run = `process.env.TSX_TSCONFIG_PATH = ${JSON.stringify(join(clone, 'tsconfig.json'))};
      const { register } = await import('tsx/esm/api');
      register();
      await import('../../gateway/cli.ts');`;
    writeFileSync(join(clone, 'dist', 'gateway', 'cli.js'), run);
    const { version } = JSON.parse(read('package.json')) as { version: string };
    const ran = await npx(join(clone, 'docs'), '--no-install', 'isthmus', '--version');
    expect(ran).toMatchObject({ code: 0, out: `${version}\n` });
    expect(requestedPaths).toEqual([]);
  }, 60_000);

  test('installs nothing outside a clone', async () => {
    const ran = await npx(home, '--no-install', 'isthmus', '--version');
    expect(ran.code).not.toBe(0);
    expect(requestedPaths.filter((path) => path.includes('.tgz'))).toEqual([]);
  }, 60_000);
});
