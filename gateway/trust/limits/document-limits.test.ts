import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSchema, getOperationAST, parse } from 'graphql';
import { describe, expect, test } from 'vitest';
import { NOBODY } from '../../../connectors/kit/auth/principal.ts';
import { readLimits } from '../../../connectors/kit/config/sections/limits.ts';
import { clockOf, steppedClock } from '../../../connectors/kit/testing/test-clock.ts';
import { checkDocument, checkText, DEFAULT_LIMITS } from './document-limits.ts';
import { costOf, readCosts } from './operation-cost.ts';
import { Rates } from './rate-limit.ts';

const picture = (name: string) => readFileSync(join(import.meta.dirname, '..', '..', '..', 'schema', name), 'utf8');
const model = readCosts(picture('supergraph.graphql'));
const schema = buildSchema(picture('api.graphql'));
const cost = (text: string, variables?: Record<string, unknown>) => {
  const document = parse(text);
  const operation = getOperationAST(document);
  if (!operation) throw new Error('no operation');
  return costOf(model, schema, document, operation, variables);
};

describe('what an operation may cost', () => {
  test('objects count, lists by their page, legacy systems by the objects on which they are entered', () => {
    expect(cost('{ parks { id name } }')).toEqual({ points: 20, calls: {} });
    const uscc = '91350211M000100Y46';
    expect(cost(`{ company(uscc: "${uscc}") { name registration { status } } }`)).toEqual({
      points: 2,
      calls: { registration: 1 },
    });
    const companies =
      'query ($n: Int = 7) { companies(first: $n) { nodes { registration { status } vehicles(first: 3) { nodes { id } } } } }';
    // 1 connection, 7 companies, 7 registrations, 7 connections, 21 vehicles
    expect(cost(companies)).toEqual({ points: 43, calls: { registration: 7, parking: 7 } });
    expect(cost(companies, { n: 100 }).calls).toEqual({ registration: 100, parking: 100 });
    expect(cost('{ companies { nodes { ...F } } } fragment F on Company { presence { peopleInside } }').calls).toEqual({
      'access-control': 20,
    });
  });

  test('a sum that explodes ends', () => {
    const deep = 'nodes { company { vehicles(first: 100) {'.repeat(6);
    const text = `{ companies(first: 100) { nodes { vehicles(first: 100) { ${deep} totalCount ${'} } }'.repeat(6)} } } } }`;
    expect(cost(text).points).toBeGreaterThanOrEqual(1e9);
  });
});

test('points come back evenly, each caller has its own, and callers of this machine are not counted', () => {
  let now = 0;
  const rates = new Rates(
    600,
    clockOf(() => new Date(now)),
  );
  const who = (subject: string) => ({ ...NOBODY, subject, client: 'app' });
  rates.take(who('a'), 600);
  expect(() => rates.take(who('a'), 10)).toThrow('0 are left. Ask again in 1 s.');
  rates.take(who('b'), 600);
  now = 1_000;
  rates.take(who('a'), 10);
  expect(() => rates.take(who('a'), 1)).toThrow();
  rates.take({ ...NOBODY, client: 'anonymous' }, 1e9);
  expect(() => rates.take(null, 601)).toThrow();
});

test('work that came to nothing costs a fee; what was done before it was counted is owed, and nothing is let in until it is paid', () => {
  let now = 0;
  const rates = new Rates(
    600,
    clockOf(() => new Date(now)),
  );
  const one = { ...NOBODY, subject: 'a', client: 'app' };
  rates.fee(one);
  rates.take(one, 594);
  rates.fee(one);
  expect(rates.owes(one)).toBe(0);
  rates.owe(one, 20);
  expect(rates.owes(one)).toBe(2_000);
  expect(() => rates.take(one, 1)).toThrow('0 are left. Ask again in 3 s.');
  now = 1_500;
  expect(rates.owes(one)).toBe(500);
  expect(rates.over(one)).toBe(1_100);
  now = 2_600;
  expect(rates.over(one)).toBe(0);
  rates.take(one, 6);
  rates.owe({ ...NOBODY, client: 'anonymous' }, 1e9);
  expect(rates.owes({ ...NOBODY, client: 'anonymous' })).toBe(0);
});

test('texts and documents beyond a limit are refused with figure and limit; strings and comments hide nothing and cost nothing', () => {
  const small = {
    ...DEFAULT_LIMITS,
    brackets: 4,
    depth: 3,
    aliases: 2,
    directives: 2,
    fields: 6,
    operations: 2,
    rootFields: 3,
  };
  const both = (text: string) => {
    checkText(text, small);
    checkDocument(parse(text), small);
  };
  both('# {{{{{{{\n{ a(x: "{{{{{{\\"{{", y: """{{{ \\""" {{{""") { b } }');
  expect(() => both('{ a(x: [[[[1]]]]) }')).toThrow(/5 brackets/);
  expect(() => checkText('"" {{{{{', small)).toThrow(/brackets/);
  expect(() => checkText('"unclosed \n {{{{{', small)).toThrow(/brackets/);
  expect(() => both('{ a { b { c { d } } } }')).toThrow(/nested 4 fields deep/);
  expect(() => both('{ x: a y: b z: c }')).toThrow(/aliases/);
  expect(() => both('{ a @x @y @z }')).toThrow(/directives/);
  expect(() => both('{ a b c d }')).toThrow(/4 root fields/);
  expect(() => both('{ ...f ...f } fragment f on Q { a b c }')).toThrow(/8 selections, .*; 6 are allowed/);
  expect(() => both('query a { a } query b { a } query c { a }')).toThrow(/operations/);
  expect(() => both('{ a } fragment f on Q { a { b { c { d } } } }')).toThrow(/nested/);
});

test('the section of isthmus.yaml: what is not given protects, faults are named', () => {
  const faults: string[] = [];
  expect(readLimits({ depth: 9, rate: 0 }, (one) => faults.push(one))).toMatchObject({
    depth: 9,
    rate: 0,
    tokens: 10_000,
  });
  readLimits({ deep: 9, aliases: 'many', cost: 0 }, (one) => faults.push(one));
  expect(faults).toHaveLength(3);
});

test.each([600_000, -600_000])('points come back by what passes, also with the wall clock set by %d ms', (by) => {
  const clock = steppedClock(new Date('2026-03-01T12:00:00Z'));
  const rates = new Rates(600, clock);
  const who = { ...NOBODY, subject: 'a', client: 'app' };
  rates.take(who, 600);
  clock.set(by);
  expect(() => rates.take(who, 10)).toThrow('0 are left. Ask again in 1 s.');
  clock.pass(1_000);
  rates.take(who, 10);
  expect(() => rates.take(who, 1)).toThrow('0 are left. Ask again in 1 s.');
  rates.owe(who, 20);
  clock.set(by);
  expect(rates.owes(who)).toBe(2_000);
});
