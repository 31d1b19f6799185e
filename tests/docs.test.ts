/** Checks the pages on security, audit, errors, operations and events: everything they name exists. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSchema, isEnumType } from 'graphql';
import { describe, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { MIN_COMPANY_COUNT, MIN_PERSON_COUNT } from '../connectors/kit/auth/principal.ts';
import { ROLE_NAMES, ROLES } from '../connectors/kit/auth/roles.ts';
import { readAuth } from '../connectors/kit/config/sections/auth.ts';
import { DEFAULT_LIMITS, type Limits } from '../connectors/kit/config/sections/limits.ts';
import { ERRORS } from '../connectors/kit/errors.ts';
import { createProgram } from '../gateway/commands/program.ts';
import { DocsPage, quoted } from './docs-page.ts';

const ROOT = join(import.meta.dirname, '..');
const api = buildSchema(readFileSync(join(ROOT, 'schema', 'api.graphql'), 'utf8'), { assumeValidSDL: true });
const settings = JSON.parse(readFileSync(join(ROOT, 'schema', 'isthmus.schema.json'), 'utf8'));
const variables = [
  'gateway/environment.ts',
  'gateway/commands/gateway.ts',
  'gateway/commands/actions/start.ts',
  'tests/outage.test.ts',
  'docker-compose.yml',
]
  .map((file) => readFileSync(join(ROOT, file), 'utf8'))
  .join('\n');

/** Upper-case words that are neither error codes nor variables. */
const OTHERS = /^(HMAC|GET|POST|SSE|JSON|PEM|HTTP|DEGRADED|DOWN|UP|JWT|ID|RS256|ES256|NOTIFY)$/;

describe.each(['security', 'audit', 'errors', 'operations', 'events'])('docs/%s.md', (name) => {
  const page = new DocsPage(name);

  test('names only existing commands, files and scripts', () => {
    expect([...page.commandErrors(createProgram('0')), ...page.missingFiles()]).toEqual([]);
  });

  test('names only existing codes, variables, permissions and fields', () => {
    const enums = Object.values(api.getTypeMap()).flatMap((type) =>
      isEnumType(type) ? type.getValues().map((value) => value.name) : [],
    );
    const scopes = new Set<string>(ROLE_NAMES.flatMap((role) => ROLES[role].scopes));
    const wrong = page.inlineCode.filter((one) => {
      if (/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/.test(one))
        return (
          !(one in ERRORS) && !enums.includes(one) && !OTHERS.test(one) && !new RegExp(`\\b${one}\\b`).test(variables)
        );
      if (/^[a-z]+:[a-z]+$/.test(one)) return !scopes.has(one) && !/^(role|consent):/.test(one);
      const [, type = '', field = ''] = /^([A-Z][a-z]\w*)\.(\w+|\*)$/.exec(one) ?? [];
      // `Type.*` means any type.
      if (!type || type === 'Type') return false;
      const found = api.getType(type);
      return !found || !('getFields' in found) || (field !== '*' && !found.getFields()[field]);
    });
    expect(wrong).toEqual([]);
  });

  test('names only existing settings; its isthmus.yaml examples are valid', () => {
    const dotted = page.inlineCode.filter((one) =>
      /^(auth|limits|retention|audit|anonymous|guard)(\.|\[)[\w.[\]0-9]+$/.test(one),
    );
    expect(dotted.filter((one) => !known(one))).toEqual([]);
    const errors: string[] = [];
    for (const { kind, text } of page.codeBlocks) {
      const section = kind === 'yaml' ? (parseYaml(text) as Record<string, unknown>) : {};
      for (const key of Object.keys(section)) if (!known(key)) errors.push(`${key} is not a section of isthmus.yaml`);
      if (section['auth']) readAuth(section['auth'], (error) => errors.push(error));
    }
    expect(errors).toEqual([]);
  });

  test('gives date, commit and command for every measured figure', () => {
    expect(page.incompleteFigures()).toEqual([]);
  });
});

test('docs/security.md lists every limit with its default', () => {
  const rows = new DocsPage('security').table('limit').flatMap(([names, , defaults = '']) => {
    const values = defaults.split('·').map((one) => size(one.trim()));
    return quoted(names).map((limit, i) => [limit, values[i]] as const);
  });
  expect(Object.fromEntries(rows)).toEqual({ ...DEFAULT_LIMITS } satisfies Limits);
});

test('docs/security.md lists every role with the rows it may see', () => {
  const rows = new DocsPage('security').table('role').map(([role = '', , of = '']) => [role, of]);
  const expected = ROLE_NAMES.map((role) => {
    const { parks, companies } = ROLES[role];
    return [
      role,
      parks === 'named'
        ? 'parks that the token names'
        : companies === 'named'
          ? 'companies that the token names'
          : 'all',
    ];
  });
  expect(rows.sort()).toEqual(expected.sort());
  const { prose } = new DocsPage('security');
  expect([MIN_PERSON_COUNT, MIN_COMPANY_COUNT]).toEqual([5, 3]);
  expect(prose).toContain('withheld below five persons');
  expect(prose).toContain('below three companies');
});

test('docs/errors.md says correctly which errors are retryable', () => {
  const rows = new DocsPage('errors')
    .table('code')
    .map(([code, , again = '']) => [quoted(code)[0], again.startsWith('yes')]);
  expect(Object.fromEntries(rows)).toEqual(
    Object.fromEntries(Object.entries(ERRORS).map(([code, { retryable }]) => [code, retryable])),
  );
});

/** `10 000` or `8 MiB` as a number. */
function size(text: string): number {
  const [, digits = '', unit] = /^([\d ]+?)(?: (MiB))?$/.exec(text) ?? [];
  return Number(digits.replaceAll(' ', '')) * (unit ? 1024 * 1024 : 1);
}

/** Whether isthmus.yaml has the setting: `auth.issuers[0].type`. */
function known(path: string): boolean {
  let at = settings;
  for (const part of path.split(/[.[\]]+/).filter((one) => one !== '')) {
    while (at.$ref)
      at = at.$ref
        .split('/')
        .slice(1)
        .reduce((found: Record<string, unknown>, key: string) => found[key], settings);
    at = /^\d+$/.test(part) ? at.items : at.properties?.[part];
    if (!at) return false;
  }
  return true;
}
