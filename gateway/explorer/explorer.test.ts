import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSchema, parse, validate } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseUscc } from '../../connectors/kit/identifiers.ts';
import { world } from '../../connectors/kit/testing/park.ts';
import { operations } from './index.ts';
import { withTimes } from './page/times.ts';

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

  test('name companies and parks of the demo', () => {
    const park = world();
    for (const { variables } of operations()) {
      if ('uscc' in variables) {
        expect(parseUscc(String(variables['uscc']))).toBe(variables['uscc']);
        expect(park.companies.map((one) => one.uscc)).toContain(variables['uscc']);
      }
      if ('id' in variables) expect(variables['id']).toBe(park.park.id);
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
