import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSchema, getOperationAST, parse } from 'graphql';
import { describe, expect, test } from 'vitest';
import { ANONYMOUS } from '../../../connectors/kit/auth/principal.ts';
import { readLimits } from '../../../connectors/kit/config/sections/limits.ts';
import { clockFrom, manualClock } from '../../../connectors/kit/testing/test-clock.ts';
import { checkDocument, checkDocumentText, DEFAULT_LIMITS } from './document-limits.ts';
import { operationCost, readCostModel } from './operation-cost.ts';
import { RateLimiter } from './rate-limit.ts';

const readSchema = (name: string) => readFileSync(join(import.meta.dirname, '..', '..', '..', 'schema', name), 'utf8');
const model = readCostModel(readSchema('supergraph.graphql'));
const schema = buildSchema(readSchema('api.graphql'));
const cost = (text: string, variables?: Record<string, unknown>) => {
  const document = parse(text);
  const operation = getOperationAST(document);
  if (!operation) throw new Error('no operation');
  return operationCost(model, schema, document, operation, variables);
};

describe('operation cost', () => {
  test('counts objects, lists by page size, and calls to a system once per object', () => {
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

  test('stops cost estimation at the maximum', () => {
    const deep = 'nodes { company { vehicles(first: 100) {'.repeat(6);
    const text = `{ companies(first: 100) { nodes { vehicles(first: 100) { ${deep} totalCount ${'} } }'.repeat(6)} } } } }`;
    expect(cost(text).points).toBeGreaterThanOrEqual(1e9);
  });
});

test('rate limit: refills points continuously and per caller; anonymous local callers are not limited', () => {
  let now = 0;
  const limiter = new RateLimiter(
    600,
    clockFrom(() => new Date(now)),
  );
  const callerNamed = (subject: string) => ({ ...ANONYMOUS, subject, client: 'app' });
  limiter.reserve(callerNamed('a'), 600);
  expect(() => limiter.reserve(callerNamed('a'), 10)).toThrow('0 left. Retry in 1 s.');
  limiter.reserve(callerNamed('b'), 600);
  now = 1_000;
  limiter.reserve(callerNamed('a'), 10);
  expect(() => limiter.reserve(callerNamed('a'), 1)).toThrow();
  limiter.reserve({ ...ANONYMOUS, client: 'anonymous' }, 1e9);
  expect(() => limiter.reserve(null, 601)).toThrow();
});

test('rate limit: charges a penalty for useless work, and rejects the caller while its balance is negative', () => {
  let now = 0;
  const limiter = new RateLimiter(
    600,
    clockFrom(() => new Date(now)),
  );
  const caller = { ...ANONYMOUS, subject: 'a', client: 'app' };
  limiter.penalize(caller);
  limiter.reserve(caller, 594);
  limiter.penalize(caller);
  expect(limiter.retryAfterMs(caller)).toBe(0);
  limiter.debit(caller, 20);
  expect(limiter.retryAfterMs(caller)).toBe(2_000);
  expect(() => limiter.reserve(caller, 1)).toThrow('0 left. Retry in 3 s.');
  now = 1_500;
  expect(limiter.retryAfterMs(caller)).toBe(500);
  expect(limiter.rejectedForMs(caller)).toBe(1_100);
  now = 2_600;
  expect(limiter.rejectedForMs(caller)).toBe(0);
  limiter.reserve(caller, 6);
  limiter.debit({ ...ANONYMOUS, client: 'anonymous' }, 1e9);
  expect(limiter.retryAfterMs({ ...ANONYMOUS, client: 'anonymous' })).toBe(0);
});

test('document limits: rejects documents over a limit with count and limit; brackets in strings and comments do not count', () => {
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
    checkDocumentText(text, small);
    checkDocument(parse(text), small);
  };
  both('# {{{{{{{\n{ a(x: "{{{{{{\\"{{", y: """{{{ \\""" {{{""") { b } }');
  expect(() => both('{ a(x: [[[[1]]]]) }')).toThrow(/5 nested brackets/);
  expect(() => checkDocumentText('"" {{{{{', small)).toThrow(/brackets/);
  expect(() => checkDocumentText('"unclosed \n {{{{{', small)).toThrow(/brackets/);
  expect(() => both('{ a { b { c { d } } } }')).toThrow(/nested 4 fields deep/);
  expect(() => both('{ x: a y: b z: c }')).toThrow(/aliases/);
  expect(() => both('{ a @x @y @z }')).toThrow(/directives/);
  expect(() => both('{ a b c d }')).toThrow(/4 root fields/);
  expect(() => both('{ ...f ...f } fragment f on Q { a b c }')).toThrow(
    /8 selections with fragments expanded, 6 allowed/,
  );
  expect(() => both('query a { a } query b { a } query c { a }')).toThrow(/operations/);
  expect(() => both('{ a } fragment f on Q { a { b { c { d } } } }')).toThrow(/nested/);
});

test('section limits: reads limits from isthmus.yaml with defaults and reports invalid settings', () => {
  const faults: string[] = [];
  expect(readLimits({ depth: 9, rate: 0 }, (error) => faults.push(error))).toMatchObject({
    depth: 9,
    rate: 0,
    tokens: 10_000,
  });
  readLimits({ deep: 9, aliases: 'many', cost: 0 }, (error) => faults.push(error));
  expect(faults).toHaveLength(3);
});

test.each([600_000, -600_000])(
  'rate limit: refills points by elapsed time, also if the wall clock is set by %d ms',
  (by) => {
    const clock = manualClock(new Date('2026-03-01T12:00:00Z'));
    const limiter = new RateLimiter(600, clock);
    const caller = { ...ANONYMOUS, subject: 'a', client: 'app' };
    limiter.reserve(caller, 600);
    clock.adjustWallClock(by);
    expect(() => limiter.reserve(caller, 10)).toThrow('0 left. Retry in 1 s.');
    clock.advance(1_000);
    limiter.reserve(caller, 10);
    expect(() => limiter.reserve(caller, 1)).toThrow('0 left. Retry in 1 s.');
    limiter.debit(caller, 20);
    clock.adjustWallClock(by);
    expect(limiter.retryAfterMs(caller)).toBe(2_000);
  },
);
