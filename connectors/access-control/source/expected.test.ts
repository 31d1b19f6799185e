import { expect, test } from 'vitest';
import { columns, driftOf } from './expected.ts';
import * as statements from './statements.ts';

const SPAN = { from: '2026-03-01 00:00:00', to: '2026-03-02 00:00:00' };
const PAGE = { forward: true, limit: 1, after: null };
/** Every statement that is asked of the vendor's tables, with all its parts. */
const ASKED: Readonly<Record<string, statements.Statement>> = {
  ping: statements.ping,
  doors: statements.doors,
  tenants: statements.tenants,
  badges: statements.badges([1]),
  badgesOf: statements.badgesOf(['a'], { ...PAGE, after: 1, active: true }),
  badgeCounts: statements.badgeCounts(['a'], false),
  passagesOf: statements.passagesOf([1], { ...PAGE, ...SPAN, after: [SPAN.from, 1] }),
  passageCounts: statements.passageCounts([1], SPAN),
  conditions: statements.conditions([1], SPAN.from),
  lastPassages: statements.lastPassages([1]),
  sightings: statements.sightings(SPAN.from, ['a']),
  firstSince: statements.firstSince(SPAN.from),
  linesAfter: statements.linesAfter(1, 1),
  lines: statements.lines([1]),
  numbersBetween: statements.numbersBetween(1, 2),
  people: statements.people(1),
};

/** Columns of the vendor's tables that a statement names by a table's alias, such as `acc_door.id`. */
function columnsOf({ sql }: statements.Statement): string[] {
  const tables = new Map(
    [...sql.matchAll(/(?:FROM|JOIN)\s+"(\w+)" (\w)\b/g)].map(([, table, alias]) => [alias, table]),
  );
  return [...sql.matchAll(/\b(\w)\."(\w+)"/g)].flatMap(([, alias, column]) => {
    const table = tables.get(alias);
    return table === undefined ? [] : [`${table}.${column}`];
  });
}
const READ = [...new Set(Object.values(ASKED).flatMap(columnsOf))].sort();
const offered = (names: readonly string[]) =>
  names.map((name) => {
    const [table, column] = name.split('.');
    return { table, column };
  });

test('every statement that takes part in the table above is there', () => {
  const exported = Object.entries(statements).filter(
    ([name, one]) => name !== 'PASSAGES' && ['function', 'object'].includes(typeof one),
  );
  expect(Object.keys(ASKED).sort()).toEqual(exported.map(([name]) => name).sort());
  expect(READ.length).toBeGreaterThan(20);
});

test.each(READ)('the column %s is read, so that it is missed by name when it is gone', (gone) => {
  const [table, column] = gone.split('.');
  const found = driftOf(offered(READ.filter((one) => one !== gone)));
  expect(found.map((one) => one.what)).toEqual([`the column ${column} of ${table} is gone`]);
  expect(found[0]?.fields.length).toBeGreaterThan(0);
});

test('the tables of all these columns are asked for, and nothing is missed when all is there', () => {
  expect(driftOf(offered(READ))).toEqual([]);
  expect([...columns.values].sort()).toEqual(
    [...new Set(READ.map((one) => (one.split('.')[0] as string).toLowerCase()))].sort(),
  );
});
