/** Checks docs/audit.md against the code: settings, file names, statement kinds, messages and queries (tests/docs.test.ts checks the rest). */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSchema, parse, validate } from 'graphql';
import { expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { NO_AUDIT, readAudit } from '../connectors/kit/config/sections/audit.ts';
import { auditHeadsFolder, signingKeyFile } from '../gateway/data-folder.ts';
import { STATEMENT_KINDS } from '../gateway/trust/audit/signed-statement.ts';
import { DocsPage, quoted } from './docs-page.ts';

const ROOT = join(import.meta.dirname, '..');
const read = (...path: string[]) => readFileSync(join(ROOT, ...path), 'utf8');
const page = new DocsPage('audit');

test('docs/audit.md: documents every audit setting with its default; its examples are valid', () => {
  const settings = page.inlineCode.filter((one) => /^audit: \{ \w+: .*\}$/.test(one));
  expect(settings.length).toBeGreaterThan(1);
  const errors: string[] = [];
  for (const setting of settings)
    readAudit((parseYaml(setting) as { audit: unknown }).audit, (error) => errors.push(error));
  expect(errors).toEqual([]);
  const rows = page
    .table('setting of `audit`')
    .map(([name, , fallback = '']) => [quoted(name)[0], fallback.startsWith('none') ? null : quoted(fallback)[0]]);
  expect(Object.fromEntries(rows)).toEqual(NO_AUDIT);
  const schema = JSON.parse(read('schema', 'isthmus.schema.json'));
  expect(Object.keys(schema.properties.audit.properties).sort()).toEqual(Object.keys(NO_AUDIT).sort());
});

test('docs/audit.md: names the files and folders that the hub uses', () => {
  expect([signingKeyFile({ data: '/d', signingKey: null }), auditHeadsFolder('/d')]).toEqual([
    '/d/signing-key.pem',
    '/d/audit-heads',
  ]);
  expect(page.inlineCode).toEqual(expect.arrayContaining(['signing-key.pem', 'audit-heads']));
});

test('docs/audit.md: lists exactly the statement kinds; its queries are valid', () => {
  expect(
    page
      .table('kind')
      .flatMap(([kinds]) => quoted(kinds))
      .sort(),
  ).toEqual([...STATEMENT_KINDS].sort());
  const api = buildSchema(read('schema', 'api.graphql'), { assumeValidSDL: true });
  const documents = page.codeBlocks
    .filter((codeBlock) => codeBlock.kind === 'graphql')
    .map((codeBlock) => codeBlock.text);
  expect(documents.length).toBeGreaterThan(1);
  for (const text of documents) expect(validate(api, parse(text))).toEqual([]);
});

test('docs/audit.md: lists only messages that the verifier prints', () => {
  const folder = join(ROOT, 'gateway', 'trust', 'audit', 'export');
  const verifier = readdirSync(folder)
    .filter((name) => /^(verify-export|verify-entries|verify-statements|compare-head-files)\.ts$/.test(name))
    .map((name) => read('gateway', 'trust', 'audit', 'export', name))
    .join('');
  const rows = page.table('message').flatMap(([messages]) => quoted(messages));
  expect(rows.length).toBeGreaterThan(8);
  const parts = rows.map((row) => row.replace(/^entry \d+ /, ''));
  expect(parts.filter((part) => !verifier.includes(part))).toEqual([]);
});
