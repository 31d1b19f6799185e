import { expect, test } from 'vitest';
import { kindOf, statementsPerRequest } from './statement-counter.ts';
import { evaluateHubTargets } from './targets.ts';

test('statements: kinds are recognized by their texts', () => {
  expect(kindOf('START TRANSACTION')).toBe('transaction');
  expect(kindOf('SELECT $4 FROM lease WHERE name = $1 FOR UPDATE')).toBe('read');
  expect(
    kindOf('WITH written AS ( INSERT INTO audit_entry (chain) SELECT $1 RETURNING 1 ) INSERT INTO audit_subject'),
  ).toBe('audit');
  expect(kindOf('INSERT INTO vehicle (id) SELECT id')).toBe('write');
  expect(kindOf('UPDATE event_head SET position = position + $1')).toBe('write');
  expect(kindOf('WITH gone AS (DELETE FROM kept RETURNING 1) SELECT count(*) FROM gone')).toBe('write');
});

test('statements: those that run without requests too are left out', () => {
  const busy = new Map([
    ['SELECT a', 41],
    ['SELECT b', 80],
    ['INSERT INTO state', 30],
    ['SELECT job', 12],
  ]);
  const idle = new Map([
    ['INSERT INTO state', 28],
    ['SELECT job', 13],
  ]);
  expect(statementsPerRequest(busy, idle, 40)).toEqual([
    { text: 'SELECT b', calls: 2, kind: 'read' },
    { text: 'SELECT a', calls: 1, kind: 'read' },
  ]);
});

test('targets: each result is compared with its limit; PostGraphile is left out where it did not run', () => {
  const results = {
    company360: {
      hub: 3,
      handwritten: 2,
      postgraphile: null,
      statements: [
        { text: 'SELECT', calls: 7, kind: 'read' },
        { text: 'COMMIT', calls: 3, kind: 'transaction' },
        { text: 'INSERT INTO audit_entry', calls: 1, kind: 'audit' },
        { text: 'INSERT INTO vehicle', calls: 1, kind: 'write' },
      ],
    },
    companies: { hub: 1, handwritten: 2 },
    parkYear: { milliseconds: 50, hasFailed: false },
    parks: { count: 48, many: 3.31, one: 3, hasFailed: false },
    idle: { installations: 235, transactions: 5 },
  } as const;
  const targets = evaluateHubTargets(results);
  expect(targets.map(({ value, limit, ok }) => [value, limit, ok])).toEqual([
    [1.5, 1.5, true],
    [0.5, 1.5, true],
    [9, 8, false],
    [1, 0, false],
    [50, 50, true],
    [1.1, 1.1, false],
    [5, 5, true],
  ]);
  const failed = evaluateHubTargets({ ...results, parkYear: { milliseconds: 3, hasFailed: true } });
  expect(failed[4]).toMatchObject({
    name: 'energy of a park over a year by month: ms warm; requests failed',
    value: 3,
    ok: false,
  });
  const drowned = evaluateHubTargets({ ...results, parks: { count: 48, many: -2, one: 3, hasFailed: false } });
  expect(drowned[5]).toMatchObject({ name: expect.stringContaining('not measurable'), ok: false });
  const withPeer = evaluateHubTargets({ ...results, company360: { ...results.company360, postgraphile: 2 } });
  expect(withPeer.find(({ name }) => name.includes('PostGraphile'))).toMatchObject({ value: 1.5, limit: 1, ok: false });
});
