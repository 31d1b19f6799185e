import { expect, test } from 'vitest';
import { columnsQuery, findColumnDrift } from './column-drift.ts';
import * as statements from './statements.ts';

const SPAN = { from: '2026-03-01 00:00:00', to: '2026-03-02 00:00:00' };
const PAGE = { forward: true, limit: 1, after: null };
/** Every statement on the vendor's tables, with all its optional parts. */
const STATEMENTS: Readonly<Record<string, statements.Statement>> = {
  ping: statements.ping,
  doors: statements.doors,
  tenants: statements.tenants,
  badgesById: statements.badgesById([1]),
  badgesByCompany: statements.badgesByCompany(['a'], { ...PAGE, after: 1, active: true }),
  badgeCounts: statements.badgeCounts(['a'], false),
  attemptsByDoor: statements.attemptsByDoor([1], { ...PAGE, ...SPAN, after: [SPAN.from, 1] }),
  attemptCounts: statements.attemptCounts([1], SPAN),
  doorConditions: statements.doorConditions([1], SPAN.from),
  lastAttempts: statements.lastAttempts([1]),
  occupants: statements.occupants(SPAN.from, ['a']),
  firstLineSince: statements.firstLineSince(SPAN.from),
  linesAfter: statements.linesAfter(1, 1),
  linesById: statements.linesById([1]),
  lineNumbersBetween: statements.lineNumbersBetween(1, 2),
  people: statements.people(1),
};

/** Columns that a statement reads through a table alias, such as `acc_door.id`. */
function columnsOf({ sql }: statements.Statement): string[] {
  const tables = new Map(
    [...sql.matchAll(/(?:FROM|JOIN)\s+"(\w+)" (\w)\b/g)].map(([, table, alias]) => [alias, table]),
  );
  return [...sql.matchAll(/\b(\w)\."(\w+)"/g)].flatMap(([, alias, column]) => {
    const table = tables.get(alias);
    return table === undefined ? [] : [`${table}.${column}`];
  });
}
const READ = [...new Set(Object.values(STATEMENTS).flatMap(columnsOf))].sort();
const offered = (names: readonly string[]) =>
  names.map((name) => {
    const [table, column] = name.split('.');
    return { table, column };
  });

test('column drift: every exported statement is listed above', () => {
  const exported = Object.entries(statements).filter(
    ([name, value]) => name !== 'ATTEMPT_CODES' && ['function', 'object'].includes(typeof value),
  );
  expect(Object.keys(STATEMENTS).sort()).toEqual(exported.map(([name]) => name).sort());
  expect(READ.length).toBeGreaterThan(20);
});

test.each(READ)('column drift: reports the column %s by name when it is missing', (gone) => {
  const [table, column] = gone.split('.');
  const found = findColumnDrift(offered(READ.filter((one) => one !== gone)));
  expect(found.map((one) => one.description)).toEqual([`the column ${column} of ${table} is gone`]);
  expect(found[0]?.fields.length).toBeGreaterThan(0);
});

test('queries all tables in use, and reports no drift when all columns exist', () => {
  expect(findColumnDrift(offered(READ))).toEqual([]);
  expect([...columnsQuery.values].sort()).toEqual(
    [...new Set(READ.map((one) => (one.split('.')[0] as string).toLowerCase()))].sort(),
  );
});
