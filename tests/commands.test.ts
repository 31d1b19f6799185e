/** Runs every command with invalid inputs derived from the program itself: each must print a message, exit with 1 and create nothing. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createProgram } from '../gateway/commands/program.ts';
import { rejectionProblems, runCommand } from './run-command.ts';

const ROOT = join(import.meta.dirname, '..');
const home = mkdtempSync(join(tmpdir(), 'isthmus-commands-'));
/** The working directory of every command; it must stay empty. */
const here = join(home, 'here');
const given = join(home, 'given');
const file = (name: string): string => join(given, name);

/** A valid isthmus.yaml, for inputs that are invalid elsewhere. */
const VALID_CONFIG = 'parks: [ { id: lakeside, name: Lakeside Software Park, region: "500112" } ]\n';

beforeAll(() => {
  mkdirSync(here);
  mkdirSync(join(given, 'folder'), { recursive: true });
  writeFileSync(file('empty'), '');
  writeFileSync(file('binary'), Buffer.from(Array.from({ length: 1024 }, (_, i) => (i * 37) % 256)));
  writeFileSync(file('words.md'), '# Some words\n\nThey are neither settings nor a schema: [x\n');
  writeFileSync(file('null.json'), 'null');
  writeFileSync(file('list.json'), '[1, 2]');
  writeFileSync(file('scalar.yaml'), 'just words');
  writeFileSync(file('shut'), 'nobody reads this');
  chmodSync(file('shut'), 0);
  symlinkSync('loop', file('loop'));
  writeFileSync(file('sound.yaml'), VALID_CONFIG);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Paths of files and folders that are not what a command expects. */
const folders = () => [file('folder'), '/', '..'];
const files = () => [
  ...['empty', 'binary', 'words.md', 'null.json', 'list.json', 'scalar.yaml', 'shut', 'loop'].map(file),
  ...[file('missing'), file('missing/x'), file('empty/x'), '/nonexistent/x', '/dev/null', 'x'.repeat(5_000)],
  // A file that can be opened but not read, even by root.
  ...(existsSync('/proc/self/mem') ? ['/proc/self/mem'] : []),
];
const invalidWords = [
  ...[
    '',
    ' ',
    '0',
    '-1',
    '1.5',
    '1e99',
    'NaN',
    '99999999999999999999',
    'NOPE',
    '__proto__',
    'constructor',
    'a\nb',
    '💥',
  ],
  ...[
    'http://127.0.0.1:1/x',
    'http://',
    'nowhere://x',
    'postgres://127.0.0.1:1/x',
    '2026-02-31',
    '17:zz',
    'a=b',
    '${NOPE}',
  ],
];
const wrong = () => [...invalidWords, ...files(), ...folders()];

/** Valid options a command needs so that it gets as far as the invalid input. Commands without an entry need none. */
const VALID_OPTIONS: Readonly<Record<string, () => readonly string[]>> = {
  token: () => ['--role', 'developer'],
  onboard: () => ['--system', 'things', '--config', file('sound.yaml')],
  'audit trim': () => ['--before', '2026-01-31'],
};

/** Every command without subcommands, by its full name. */
function leafCommands(command: Command, name: readonly string[] = []): { name: string; command: Command }[] {
  const deeper = command.commands.flatMap((command) => leafCommands(command, [...name, command.name()]));
  return command.commands.length > 0 ? deeper : [{ name: name.join(' '), command }];
}
const commands = leafCommands(createProgram('0'));

/** Invalid inputs of a command, as arguments of `isthmus`. None of them may start the command's actual work. */
function wrongInputs(name: string, command: Command): string[][] {
  const own = name.split(' ');
  const right = VALID_OPTIONS[name]?.() ?? [];
  const parameters = command.registeredArguments;
  const inputs: string[][] = [
    [...own, '--frobnicate'],
    [...own, ...parameters.map(() => 'NOPE'), 'NOPE', 'NOPE'],
  ];
  if (parameters.some((parameter) => parameter.required)) inputs.push(own);
  /** The arguments with that value, except where choices are declared. */
  const all = (value: string): string[][] => {
    const [first, ...rest] = parameters;
    if (!first) return [];
    const firsts = [value, ...(rest.length > 0 ? (first.argChoices ?? []) : [])];
    return firsts.map((first) => [first, ...rest.map(() => value)]);
  };
  for (const value of wrong()) for (const args of all(value)) inputs.push([...own, ...right, '--', ...args]);
  const unknown = all(file('missing'));
  for (const option of command.options) {
    const flag = option.long ?? option.short ?? '';
    // A flag alone may be valid, so it is combined with an invalid argument.
    if (!option.required && !option.optional) {
      inputs.push([...own, flag, '--', ...(unknown.at(-1) ?? ['NOPE'])]);
      continue;
    }
    inputs.push([...own, flag]);
    const others = right.filter((_, i) => right[i - (i % 2)] !== flag);
    const isFolder = option.flags.includes('<folder>');
    for (const value of isFolder ? [...invalidWords, ...files()] : wrong()) {
      const end = option.variadic && parameters.length > 0 ? ['--'] : [];
      for (const args of unknown.length > 0 ? unknown : [[]]) {
        inputs.push([...own, ...others, `${flag}=${value}`, ...end, ...args]);
      }
    }
  }
  return inputs;
}

/** Runs each input and returns those that were not rejected correctly, with their output. */
async function problems(inputs: readonly string[][], variables: Readonly<Record<string, string>> = {}) {
  const found: string[] = [];
  for (const input of inputs) {
    const ran = await runCommand(input, here, variables);
    const wrongs = rejectionProblems(ran, here);
    if (wrongs.length === 0) continue;
    const named = input.map((one) => (one.length > 200 ? `${one.slice(0, 20)}…` : one)).join(' ');
    found.push(`isthmus ${named}: ${wrongs.join(', ')}: ${(ran.err || ran.out).slice(0, 400)}`);
    for (const name of readdirSync(here)) rmSync(join(here, name), { recursive: true, force: true });
  }
  return found;
}

test('isthmus commands: has more than ten commands to test; every prepared command exists', () => {
  expect(commands.length).toBeGreaterThan(10);
  expect(Object.keys(VALID_OPTIONS).filter((name) => !commands.some((command) => command.name === name))).toEqual([]);
});

test.each(commands)(
  'isthmus commands: isthmus $name rejects invalid inputs with a message',
  async ({ name, command }) => {
    const inputs = wrongInputs(name, command);
    expect(inputs.length).toBeGreaterThan(1);
    expect(await problems(inputs)).toEqual([]);
  },
);

test('isthmus commands: rejects unknown and missing commands, also in command groups', async () => {
  const groups = [
    [],
    ...createProgram('0')
      .commands.filter((command) => command.commands.length > 0)
      .map((command) => [command.name()]),
  ];
  expect(groups.length).toBeGreaterThan(2);
  expect(await problems(groups.flatMap((group) => [group, [...group, 'NOPE'], [...group, '--frobnicate']]))).toEqual(
    [],
  );
});

/** Commands that read the environment, with arguments that are valid otherwise. */
const READERS = () => [
  ['start', '--config', file('sound.yaml')],
  ['gateway'],
  ['connector', 'NOPE', '--config', file('sound.yaml')],
  ['migrate'],
  ['export', 'audit', 'audit.jsonl'],
  ['audit', 'trim', '--before', '2026-01-31'],
  ['audit', 'erase', 'Company', '91350211M000100Y46'],
  ['token', '--role', 'developer'],
  ['simulate', '--status'],
];

describe('with an invalid environment', () => {
  const down = { DATABASE_URL: 'postgres://127.0.0.1:1/isthmus' };
  const cases: [string, string[], Record<string, string>?][] = [
    ['PORT', ['abc', '-1', '65536', '1.5', ' ']],
    ['HOST', ['no such host', '999.1.1.1', '192.0.2.1'], down],
    ['ISTHMUS_LOG', ['loud', '__proto__'], down],
    ['ISTHMUS_DATA', [file('empty'), file('empty/x'), file('folder'), file('missing'), file('loop')]],
    [
      'DATABASE_URL',
      [
        'nowhere',
        'http://x',
        'postgres://',
        'postgres://[',
        'postgres://127.0.0.1:1/x',
        'postgres://127.0.0.1:99999/x',
      ],
    ],
    ['ISTHMUS_SIGNING_KEY', [...files(), file('folder')], down],
    [
      'SUPERGRAPH',
      [...files(), file('folder'), 'README.md', join(ROOT, 'README.md'), join(ROOT, 'schema/api.graphql')],
    ],
  ];
  test.each(cases)('%s is rejected with a message by each command that reads it', async (name, values, others = {}) => {
    for (const value of values) {
      const variables = { ...others, [name]: value };
      const readers = READERS().filter(([command]) => (name === 'SUPERGRAPH' ? command === 'gateway' : true));
      // `start` accepts a data folder that does not exist yet.
      const inputs = readers.filter(([command]) => command !== 'start' || others === down || name !== 'ISTHMUS_DATA');
      expect(await problems(inputs, variables)).toEqual([]);
    }
  });
});

test('invocation: adds how to run isthmus to errors that name a command', async () => {
  const named = await runCommand(['gateway', '--deadline', '0'], here);
  expect(named.err).toMatch(
    /example: isthmus gateway --deadline 10s\nRun isthmus here with: npx --no-install isthmus\n$/,
  );
  const other = await runCommand(['simulate', 'nope'], here);
  expect(other.err).not.toContain('npx');
});

test('isthmus commands: rejects inputs that once printed a stack or nothing (regressions)', async () => {
  const sound = file('sound.yaml');
  const cases: [string[], RegExp, Record<string, string>?][] = [
    [['export', 'audit', '/nonexistent/x'], /There is no folder \/nonexistent/],
    [['onboard', '--undo', 'x'], /isthmus\.yaml does not exist/],
    [['onboard', '--undo', 'x', '--config', sound], /has no system x/],
    [['onboard', '--undo', 'x', '--config', file('folder')], /is not a file/],
    [['gateway'], /SUPERGRAPH is not a valid supergraph/, { SUPERGRAPH: join(ROOT, 'README.md') }],
    [['bench', '--rounds', '0'], /--rounds must be a whole number from 1/],
    [['bench', '--hub', '--parks', '1'], /--parks must be a whole number from 2 to 99/],
    [['bench', '--hub', '--against', file('folder')], /--against and --hub cannot be combined/],
    [['token', '--role', 'company', '--company', '123'], /--company must be a unified social credit code, found "123"/],
    [
      ['token', '--role', 'operator', '--park', 'lakeside', '--minutes', '0'],
      /--minutes must be a whole number from 1 to 1440/,
    ],
    [['verify', file('words.md')], /is not a JSON response/],
    [['verify', file('missing')], /File .* does not exist/],
    [['verify', file('folder')], /is a folder/],
    [['audit', 'verify', file('folder')], /is a folder/],
    [['audit', 'verify', file('empty'), '--heads', file('missing')], /Head file or folder .* does not exist/],
    [
      ['connector', 'NOPE', '--config', sound],
      /Unknown connector NOPE\. Available: /,
      { DATABASE_URL: 'postgres://127.0.0.1:1/x' },
    ],
    [['simulate', 'nope'], /Unknown simulator nope/],
    [['simulate', 'constructor'], /Unknown simulator constructor/],
    [['start', '--config', file('scalar.yaml')], /must be a mapping/],
    [['start', '--config', ''], /cannot be read/],
    [['audit', 'trim', '--before', '2026-02-31'], /--before must be a day/],
    [
      ['onboard', 'csv', file('binary'), '--system', 'x', '--park', 'nope', '--config', sound],
      /There is no park "nope"/,
    ],
  ];
  for (const [args, sentence, variables] of cases) {
    const ran = await runCommand(args, here, variables);
    expect(rejectionProblems(ran, here), args.join(' ')).toEqual([]);
    expect(ran.err).toMatch(sentence);
  }
});
