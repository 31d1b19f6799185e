/** docs/audit.md says what is so: its commands, options, settings, defaults, codes, messages, queries and files exist. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { buildSchema, isEnumType, parse, validate } from 'graphql';
import { expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { NO_AUDIT, readAudit } from '../connectors/kit/audit.ts';
import { ERRORS } from '../connectors/kit/errors.ts';
import { addAudit, addExport, addVerify } from '../gateway/commands/records.ts';
import { STATEMENT_KINDS } from '../gateway/trust/audit-statement.ts';
import { headFolder, keyFile } from '../gateway/trust-place.ts';

const ROOT = join(import.meta.dirname, '..');
const read = (...path: string[]) => readFileSync(join(ROOT, ...path), 'utf8');
const page = read('docs', 'audit.md');
const fences = [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)].map(([, kind = '', text = '']) => ({ kind, text }));
const prose = page.replace(/^```[\s\S]*?^```/gm, '');
const code = [...prose.matchAll(/`([^`]+)`/g)].map((match) => match[1] as string);
/** Rows of the table with that first heading. */
const table = (heading: string): string[][] => {
  const [, rows = ''] = page.split(`| ${heading} |`);
  return (rows.split('\n\n')[0] ?? '')
    .split('\n')
    .slice(2)
    .map((row) =>
      row
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
};
const quoted = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] as string);

test('its commands run as they are written: names, arguments and options', () => {
  const program = new Command('isthmus');
  for (const add of [addAudit, addExport, addVerify]) add(program);
  const shell = fences.filter((one) => one.kind === 'sh').flatMap((one) => one.text.split('\n'));
  const lines = [...shell, ...code].flatMap((line) => /^(?:npx )isthmus (.*)$/.exec(line)?.[1] ?? []);
  expect(lines.length).toBeGreaterThan(5);
  for (const line of lines) {
    let command: Command = program;
    const words = line.split(/\s+/);
    for (let next = words[0]; ; next = words[0]) {
      const found = command.commands.find((one) => one.name() === next);
      if (!found) break;
      command = found;
      words.shift();
    }
    const { operands, unknown } = command.parseOptions(words);
    expect([line, command.registeredArguments.length, unknown]).toEqual([line, operands.length, []]);
  }
  const options = ['audit', 'export', 'verify'].flatMap((name) => {
    const one = program.commands.find((command) => command.name() === name) as Command;
    return [one, ...one.commands].flatMap((command) => command.options.map((option) => option.long));
  });
  expect(code.filter((one) => /^--\w+$/.test(one) && !options.includes(one))).toEqual([]);
});

test('its settings are read without a fault, and their defaults are those of its table', () => {
  const settings = code.filter((one) => /^audit: \{ \w+: .*\}$/.test(one));
  expect(settings.length).toBeGreaterThan(1);
  const faults: string[] = [];
  for (const one of settings) readAudit((parseYaml(one) as { audit: unknown }).audit, (fault) => faults.push(fault));
  expect(faults).toEqual([]);
  const rows = table('setting of `audit`').map(([name, , fallback = '']) => [
    quoted(name)[0],
    fallback.startsWith('none') ? null : quoted(fallback)[0],
  ]);
  expect(Object.fromEntries(rows)).toEqual(NO_AUDIT);
  const schema = JSON.parse(read('schema', 'isthmus.schema.json'));
  expect(Object.keys(schema.properties.audit.properties).sort()).toEqual(Object.keys(NO_AUDIT).sort());
});

test('its files, variables and scripts exist, and its places are those of the hub', () => {
  expect([keyFile({ data: '/d', signingKey: null }), headFolder('/d')]).toEqual([
    '/d/signing-key.pem',
    '/d/audit-heads',
  ]);
  expect(code).toEqual(expect.arrayContaining(['signing-key.pem', 'audit-heads']));
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const wrong = [
    ...code.filter((one) => /^(gateway|tests|docs|connectors)\/\S+$/.test(one) && !existsSync(join(ROOT, one))),
    ...code.flatMap((one) => /^npm run (\S+)/.exec(one)?.[1] ?? []).filter((name) => !scripts[name]),
    ...code.filter((one) => /^ISTHMUS_/.test(one) && !read('gateway', 'settings.ts').includes(one)),
  ];
  expect(wrong).toEqual([]);
});

test('its codes and kinds are those that there are, and its queries are valid', () => {
  const api = buildSchema(read('schema', 'api.graphql'), { assumeValidSDL: true });
  const enums = Object.values(api.getTypeMap()).flatMap((type) =>
    isEnumType(type) ? type.getValues().map((value) => value.name) : [],
  );
  const words = code.filter((one) => /^[A-Z]+(_[A-Z]+)*$/.test(one) && !one.startsWith('ISTHMUS_'));
  expect(words.length).toBeGreaterThan(3);
  expect(words.filter((one) => !(one in ERRORS) && !enums.includes(one))).toEqual([]);
  expect(
    table('kind')
      .flatMap(([kinds]) => quoted(kinds))
      .sort(),
  ).toEqual([...STATEMENT_KINDS].sort());
  const documents = fences.filter((one) => one.kind === 'graphql').map((one) => one.text);
  expect(documents.length).toBeGreaterThan(1);
  for (const text of documents) expect(validate(api, parse(text))).toEqual([]);
});

test('its messages are those of the verifier', () => {
  const folder = join(ROOT, 'gateway', 'trust');
  const verifier = readdirSync(folder)
    .filter((name) => /^audit-(verify|told|compare)\.ts$/.test(name))
    .map((name) => read('gateway', 'trust', name))
    .join('');
  const rows = table('message').flatMap(([messages]) => quoted(messages));
  expect(rows.length).toBeGreaterThan(8);
  const parts = rows.map((one) => one.replace(/^entry \d+ /, ''));
  expect(parts.filter((one) => !verifier.includes(one))).toEqual([]);
});

test('its figures carry date, commit and command', () => {
  const paragraphs = prose.split('\n\n').filter((one) => /\d (ms|s|MiB)\b/.test(one) && !one.startsWith('|'));
  expect(paragraphs.length).toBeGreaterThan(0);
  for (const one of paragraphs) {
    const carries = [/\b20\d\d-\d\d-\d\d\b/, /`[0-9a-f]{7}`/, /`npm run \S+`/].map((mark) => mark.test(one));
    expect([one, carries]).toEqual([one, [true, true, true]]);
  }
});
