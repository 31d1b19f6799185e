import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSchema, parse, validate } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  CALLER_VALUES_QUERY,
  fillVariables,
  forgetVisit,
  type KeyValueStore,
  NO_VALUES,
  readCallerValues,
  refreshTabs,
} from './page/examples.ts';
import { messagesFor } from './page/messages.ts';
import { withTimes } from './page/relative-times.ts';
import { referenceOperations } from './reference-operations.ts';
import { createMemoryStore } from './testing/memory-store.ts';

let target: string;
let page: string;

beforeAll(() => {
  target = mkdtempSync(join(tmpdir(), 'isthmus-explorer-'));
  page = join(target, 'page');
  execFileSync(process.execPath, [join(import.meta.dirname, 'build.js'), target], { stdio: 'pipe' });
}, 60_000);
afterAll(() => rmSync(target, { recursive: true, force: true }));

/** The served files: everything but the licences. */
const served = (): { name: string; text: string }[] =>
  readdirSync(page)
    .filter((name) => !name.endsWith('.txt'))
    .map((name) => ({ name, text: readFileSync(join(page, name), 'latin1') }));

test('the committed libraries of the page are what their build makes of the installed packages', () => {
  const folder = join(import.meta.dirname, 'libraries');
  const built = join(target, 'libraries');
  execFileSync(process.execPath, [join(folder, 'build.js'), built], { stdio: 'pipe' });
  const committed = readdirSync(folder).filter((name) => name.includes('.min.'));
  expect(readdirSync(built).sort()).toEqual(committed.sort());
  const differing = committed.filter(
    (name) => !readFileSync(join(folder, name)).equals(readFileSync(join(built, name))),
  );
  expect(differing, 'Run: node gateway/explorer/libraries/build.js').toEqual([]);
}, 60_000);

describe('the built page', () => {
  test('contains HTML, script and style, and refers to existing files only', () => {
    const html = readFileSync(join(page, 'index.html'), 'utf8');
    const css = readFileSync(join(page, 'explorer.css'), 'utf8');
    const named = [
      ...[...html.matchAll(/(?:href|src)="([^"]+)"/g)].map((match) => match[1] as string),
      ...[...css.matchAll(/url\(["']?([^"')]+)/g)].map((match) => match[1] as string),
    ];
    expect(named).toContain('explorer.js');
    expect(named).toContain('explorer.css');
    for (const name of named) expect(existsSync(join(page, name)), name).toBe(true);
    expect(readFileSync(join(page, 'explorer.js')).length).toBeGreaterThan(300_000);
  });

  test('contains no external URL', () => {
    for (const { name, text } of served()) {
      const foreign = [...text.matchAll(/(?:https?|wss?):\\?\/\\?\/([a-z0-9.-]+\.[a-z]{2,}[^\s"'`)]*)/gi)]
        .map((match) => match[1] as string)
        .filter((address) => !/^www\.w3\.org\/(1998\/Math|1999\/x|2000\/svg|XML\/1998)/.test(address));
      expect(foreign, name).toEqual([]);
      expect(text, name).not.toMatch(/(?:src|href)=["']\/\//);
      expect(text, name).not.toMatch(/@import|sourceMappingURL/);
    }
  });

  test("runs under default-src 'self': no inline script or style, no data URLs, no eval", () => {
    const html = readFileSync(join(page, 'index.html'), 'utf8');
    expect(html).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\son[a-z]+=|\sstyle=/);
    expect(readFileSync(join(page, 'explorer.css'), 'utf8')).not.toMatch(/url\(["']?(?:data|blob):/);
    expect(readFileSync(join(page, 'explorer.js'), 'utf8')).not.toMatch(/\beval\(|new Function\(|[^.\w]Function\("/);
  });

  test('contains each operation', () => {
    const script = readFileSync(join(page, 'explorer.js'), 'utf8');
    for (const { name } of referenceOperations()) expect(script).toMatch(new RegExp(`(query|subscription) ${name}\\b`));
    expect(readdirSync(join(target, 'operations')).sort()).toEqual(
      readdirSync(join(import.meta.dirname, 'operations')).sort(),
    );
  });
});

describe('the reference operations', () => {
  test('are one operation per document, named like its file', () => {
    const names = referenceOperations().map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['Companies', 'Company360', 'ParkNow', 'Sources', 'History', 'Live']));
    for (const { name, query } of referenceOperations()) {
      const defined = parse(query).definitions.filter((one) => one.kind === 'OperationDefinition');
      expect(defined.map((one) => one.name?.value)).toEqual([name]);
    }
  });

  test('are valid and have their required variables', () => {
    const schema = buildSchema(readFileSync(join(import.meta.dirname, '..', '..', 'schema', 'api.graphql'), 'utf8'));
    expect(validate(schema, parse(CALLER_VALUES_QUERY))).toEqual([]);
    for (const { name, query, variables } of referenceOperations()) {
      const document = parse(query);
      expect(validate(schema, document), name).toEqual([]);
      const definition = document.definitions.find((one) => one.kind === 'OperationDefinition');
      const wanted = definition?.variableDefinitions ?? [];
      for (const one of wanted)
        if (one.type.kind === 'NonNullType' && !one.defaultValue)
          expect(variables, name).toHaveProperty(one.variable.name.value);
      const declared = wanted.map((one) => one.variable.name.value);
      for (const key of Object.keys(variables)) expect(declared, name).toContain(key);
    }
  });

  test('contain no ids of the demo: companies and parks are placeholders', () => {
    const demo = /[0-9A-HJ-NPQRTUWXY]{18}|lakeside/;
    for (const { name, query, variables } of referenceOperations()) {
      expect(query, name).not.toMatch(demo);
      expect(JSON.stringify(variables), name).not.toMatch(demo);
      for (const [key, value] of Object.entries(variables)) {
        if (key === 'uscc') expect(value, name).toBe('@company');
        if (key === 'id') expect(value, name).toBe('@park');
      }
    }
  });

  test('resolve relative times', () => {
    const now = new Date('2026-11-20T08:00:00Z');
    expect(withTimes({ a: '@now', b: '@now-24h', c: '@now-7d', d: 'x @now', e: 5, f: null }, now)).toEqual({
      a: '2026-11-20T08:00:00.000Z',
      b: '2026-11-19T08:00:00.000Z',
      c: '2026-11-13T08:00:00.000Z',
      d: 'x @now',
      e: 5,
      f: null,
    });
  });
});

describe('the variables of the examples', () => {
  const now = new Date('2026-11-20T08:00:00Z');
  const placeholders = { park: 'fill in a park', company: 'fill in a company' };
  const wanted = { uscc: '@company', id: '@park', to: '@now' };
  const response = { data: { parks: [{ id: 'riverside' }, { id: 'b' }], companies: { nodes: [{ uscc: '123' }] } } };

  test('are filled from the graph', () => {
    expect(JSON.parse(fillVariables(wanted, readCallerValues(response), placeholders, now) ?? '')).toEqual({
      uscc: '123',
      id: 'riverside',
      to: '2026-11-20T08:00:00.000Z',
    });
    expect(fillVariables(null, NO_VALUES, placeholders, now)).toBeUndefined();
  });

  test.each<[string, unknown]>([
    ['is empty', { data: { parks: [], companies: { nodes: [] } } }],
    ['is partly rejected', { data: { parks: null, companies: null }, errors: [{ message: 'no' }] }],
    ['is an error', { errors: [{ message: 'no' }] }],
    ['is missing', undefined],
  ])('contain placeholders if the response %s', (_, given) => {
    expect(JSON.parse(fillVariables(wanted, readCallerValues(given), placeholders, now) ?? '')).toMatchObject({
      uscc: 'fill in a company',
      id: 'fill in a park',
    });
  });

  const visit = (store: KeyValueStore, variables: string) => refreshTabs(store, [{ query: '{ a }', variables }]);
  const tabs = (variables: string, active = 0) => ({
    activeTabIndex: active,
    tabs: [
      { query: '{ a }', variables },
      { query: '{ mine }', variables: 'old' },
    ],
  });

  test('are updated in tabs from an earlier visit unless they were edited', () => {
    const store = createMemoryStore();
    visit(store, 'old');
    store.setItem('graphiql:tabState', JSON.stringify(tabs('old')));
    store.setItem('graphiql:variables', 'old');
    visit(store, 'new');
    expect(JSON.parse(store.getItem('graphiql:tabState') ?? '')).toEqual(tabs('new'));
    expect([store.getItem('graphiql:query'), store.getItem('graphiql:variables')]).toEqual(['{ a }', 'new']);
    store.setItem('graphiql:tabState', JSON.stringify(tabs('my own')));
    visit(store, 'newer');
    expect(JSON.parse(store.getItem('graphiql:tabState') ?? '')).toEqual(tabs('my own'));
  });

  test('are those of the first tab at the first visit', () => {
    const store = createMemoryStore();
    visit(store, 'first');
    expect([store.getItem('graphiql:query'), store.getItem('graphiql:variables')]).toEqual(['{ a }', 'first']);
  });

  test('are removed at sign-out together with the history of operations', () => {
    const store = createMemoryStore();
    visit(store, 'of the park');
    store.setItem('graphiql:tabState', JSON.stringify(tabs('of the park')));
    store.setItem('graphiql:queries', 'of the park');
    forgetVisit(store, [{ query: '{ a }', variables: 'fill in' }]);
    expect([...store.entries.values()].join()).not.toContain('of the park');
  });
});

test('explorer texts are Chinese for Chinese languages and English for all others', () => {
  expect(messagesFor('zh-CN').signOut).toBe('退出登录');
  expect(messagesFor('zh').signOut).toBe('退出登录');
  for (const language of ['en-GB', 'de', 'zha', '']) expect(messagesFor(language).signOut).toBe('Sign out');
  expect(Object.keys(messagesFor('zh'))).toEqual(Object.keys(messagesFor('en')));
});
