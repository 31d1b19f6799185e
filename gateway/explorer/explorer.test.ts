import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSchema, parse, validate } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { operations } from './index.ts';
import { filled, forget, NOTHING, OWN_QUERY, ownOf, refreshTabs, type Store } from './page/examples.ts';
import { wordsFor } from './page/messages.ts';
import { withTimes } from './page/relative-times.ts';
import { memoryStore } from './testing.ts';

let room: string;
let page: string;

beforeAll(() => {
  room = mkdtempSync(join(tmpdir(), 'isthmus-explorer-'));
  page = join(room, 'page');
  execFileSync(process.execPath, [join(import.meta.dirname, 'build.js'), room], { stdio: 'pipe' });
}, 60_000);
afterAll(() => rmSync(room, { recursive: true, force: true }));

/** What the server hands out: everything but the licences. */
const served = (): { name: string; text: string }[] =>
  readdirSync(page)
    .filter((name) => !name.endsWith('.txt'))
    .map((name) => ({ name, text: readFileSync(join(page, name), 'latin1') }));

describe('the built page', () => {
  test('holds page, program and style, and names only files that are there', () => {
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

  test('names no foreign address in any served byte', () => {
    for (const { name, text } of served()) {
      const foreign = [...text.matchAll(/(?:https?|wss?):\\?\/\\?\/([a-z0-9.-]+\.[a-z]{2,}[^\s"'`)]*)/gi)]
        .map((match) => match[1] as string)
        .filter((address) => !/^www\.w3\.org\/(1998\/Math|1999\/x|2000\/svg|XML\/1998)/.test(address));
      expect(foreign, name).toEqual([]);
      expect(text, name).not.toMatch(/(?:src|href)=["']\/\//);
      expect(text, name).not.toMatch(/@import|sourceMappingURL/);
    }
  });

  test("runs under default-src 'self': no script or style in the page, no data addresses, nothing evaluated", () => {
    const html = readFileSync(join(page, 'index.html'), 'utf8');
    expect(html).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\son[a-z]+=|\sstyle=/);
    expect(readFileSync(join(page, 'explorer.css'), 'utf8')).not.toMatch(/url\(["']?(?:data|blob):/);
    expect(readFileSync(join(page, 'explorer.js'), 'utf8')).not.toMatch(/\beval\(|new Function\(|[^.\w]Function\("/);
  });

  test('carries each operation', () => {
    const script = readFileSync(join(page, 'explorer.js'), 'utf8');
    for (const { name } of operations()) expect(script).toMatch(new RegExp(`(query|subscription) ${name}\\b`));
    expect(readdirSync(join(room, 'operations')).sort()).toEqual(
      readdirSync(join(import.meta.dirname, 'operations')).sort(),
    );
  });
});

describe('the operations', () => {
  test('are one document each, under the name of its file', () => {
    const names = operations().map((one) => one.name);
    expect(names).toEqual(expect.arrayContaining(['Companies', 'Company360', 'ParkNow', 'Sources', 'History', 'Live']));
    for (const { name, query } of operations()) {
      const defined = parse(query).definitions.filter((one) => one.kind === 'OperationDefinition');
      expect(defined.map((one) => one.name?.value)).toEqual([name]);
    }
  });

  test('fit the graph and have the variables that they need', () => {
    const schema = buildSchema(readFileSync(join(import.meta.dirname, '..', '..', 'schema', 'api.graphql'), 'utf8'));
    expect(validate(schema, parse(OWN_QUERY))).toEqual([]);
    for (const { name, query, variables } of operations()) {
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

  test('hold nothing of the demo: companies and parks are filled in', () => {
    const demo = /[0-9A-HJ-NPQRTUWXY]{18}|lakeside/;
    for (const { name, query, variables } of operations()) {
      expect(query, name).not.toMatch(demo);
      expect(JSON.stringify(variables), name).not.toMatch(demo);
      for (const [key, value] of Object.entries(variables)) {
        if (key === 'uscc') expect(value, name).toBe('@company');
        if (key === 'id') expect(value, name).toBe('@park');
      }
    }
  });

  test('have times that move with the clock', () => {
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
  const missing = { park: 'fill in a park', company: 'fill in a company' };
  const wanted = { uscc: '@company', id: '@park', to: '@now' };
  const answer = { data: { parks: [{ id: 'riverside' }, { id: 'b' }], companies: { nodes: [{ uscc: '123' }] } } };

  test('are those of the graph', () => {
    expect(JSON.parse(filled(wanted, ownOf(answer), missing, now) ?? '')).toEqual({
      uscc: '123',
      id: 'riverside',
      to: '2026-11-20T08:00:00.000Z',
    });
    expect(filled(null, NOTHING, missing, now)).toBeUndefined();
  });

  test.each<[string, unknown]>([
    ['is empty', { data: { parks: [], companies: { nodes: [] } } }],
    ['is refused in part', { data: { parks: null, companies: null }, errors: [{ message: 'no' }] }],
    ['is an error', { errors: [{ message: 'no' }] }],
    ['is no answer', undefined],
  ])('say what to fill in where the answer %s', (_, given) => {
    expect(JSON.parse(filled(wanted, ownOf(given), missing, now) ?? '')).toMatchObject({
      uscc: 'fill in a company',
      id: 'fill in a park',
    });
  });

  const visit = (store: Store, variables: string) => refreshTabs(store, [{ query: '{ a }', variables }]);
  const tabs = (variables: string, active = 0) => ({
    activeTabIndex: active,
    tabs: [
      { query: '{ a }', variables },
      { query: '{ mine }', variables: 'old' },
    ],
  });

  test('are those of this visit in tabs that were kept; what people have written stays', () => {
    const store = memoryStore();
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

  test('are shown of the first tab at the first visit', () => {
    const store = memoryStore();
    visit(store, 'first');
    expect([store.getItem('graphiql:query'), store.getItem('graphiql:variables')]).toEqual(['{ a }', 'first']);
  });

  test('and the operations that were run are forgotten at sign-out', () => {
    const store = memoryStore();
    visit(store, 'of the park');
    store.setItem('graphiql:tabState', JSON.stringify(tabs('of the park')));
    store.setItem('graphiql:queries', 'of the park');
    forget(store, [{ query: '{ a }', variables: 'fill in' }]);
    expect([...store.held.values()].join()).not.toContain('of the park');
  });
});

test('the page speaks Chinese to readers of Chinese and English to all others', () => {
  expect(wordsFor('zh-CN').signOut).toBe('退出登录');
  expect(wordsFor('zh').signOut).toBe('退出登录');
  for (const language of ['en-GB', 'de', 'zha', '']) expect(wordsFor(language).signOut).toBe('Sign out');
  expect(Object.keys(wordsFor('zh'))).toEqual(Object.keys(wordsFor('en')));
});
