/** docs/audit.md says what is so of the audit log: settings, places, kinds, messages and queries (tests/docs.test.ts holds the rest). */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSchema, parse, validate } from 'graphql';
import { expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { NO_AUDIT, readAudit } from '../connectors/kit/config/sections/audit.ts';
import { headFolder, keyFile } from '../gateway/data-folder.ts';
import { STATEMENT_KINDS } from '../gateway/trust/audit/signed-statement.ts';
import { DocsPage, quoted } from './docs-page.ts';

const ROOT = join(import.meta.dirname, '..');
const read = (...path: string[]) => readFileSync(join(ROOT, ...path), 'utf8');
const page = new DocsPage('audit');

test('its settings are read without a fault, and their defaults are those of its table', () => {
  const settings = page.code.filter((one) => /^audit: \{ \w+: .*\}$/.test(one));
  expect(settings.length).toBeGreaterThan(1);
  const faults: string[] = [];
  for (const one of settings) readAudit((parseYaml(one) as { audit: unknown }).audit, (fault) => faults.push(fault));
  expect(faults).toEqual([]);
  const rows = page
    .table('setting of `audit`')
    .map(([name, , fallback = '']) => [quoted(name)[0], fallback.startsWith('none') ? null : quoted(fallback)[0]]);
  expect(Object.fromEntries(rows)).toEqual(NO_AUDIT);
  const schema = JSON.parse(read('schema', 'isthmus.schema.json'));
  expect(Object.keys(schema.properties.audit.properties).sort()).toEqual(Object.keys(NO_AUDIT).sort());
});

test('its places are those of the hub', () => {
  expect([keyFile({ data: '/d', signingKey: null }), headFolder('/d')]).toEqual([
    '/d/signing-key.pem',
    '/d/audit-heads',
  ]);
  expect(page.code).toEqual(expect.arrayContaining(['signing-key.pem', 'audit-heads']));
});

test('its kinds of statements are those that there are, and its queries are valid', () => {
  expect(
    page
      .table('kind')
      .flatMap(([kinds]) => quoted(kinds))
      .sort(),
  ).toEqual([...STATEMENT_KINDS].sort());
  const api = buildSchema(read('schema', 'api.graphql'), { assumeValidSDL: true });
  const documents = page.fences.filter((one) => one.kind === 'graphql').map((one) => one.text);
  expect(documents.length).toBeGreaterThan(1);
  for (const text of documents) expect(validate(api, parse(text))).toEqual([]);
});

test('its messages are those of the verifier', () => {
  const folder = join(ROOT, 'gateway', 'trust', 'audit', 'export');
  const verifier = readdirSync(folder)
    .filter((name) => /^(verify-export|verify-statements|compare-head-files)\.ts$/.test(name))
    .map((name) => read('gateway', 'trust', 'audit', 'export', name))
    .join('');
  const rows = page.table('message').flatMap(([messages]) => quoted(messages));
  expect(rows.length).toBeGreaterThan(8);
  const parts = rows.map((one) => one.replace(/^entry \d+ /, ''));
  expect(parts.filter((one) => !verifier.includes(one))).toEqual([]);
});
