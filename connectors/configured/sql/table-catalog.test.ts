import { expect, test } from 'vitest';
import { parseGrants } from './table-catalog.ts';

/** Grants of a read-only account of `works` on a default MariaDB, where PUBLIC may do everything in `test`. */
const READER = [
  "GRANT USAGE ON *.* TO `reader`@`localhost` IDENTIFIED BY PASSWORD '*14E6'",
  'GRANT SELECT ON `works`.* TO `reader`@`localhost`',
  'GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, DELETE HISTORY ON `test`.* TO PUBLIC',
  'GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, DELETE HISTORY ON `test\\_%`.* TO PUBLIC',
];

const writable = (...args: Parameters<typeof parseGrants>) => parseGrants(...args).tables;

test('table catalog: a grant on another database does not make these tables writable', () => {
  expect(writable(READER, 'works', ['lift', 'works.lift'])).toEqual([]);
  expect(writable(READER, 'works', ['lift', 'test.lift', 'test_a.lift', 'testing.lift'])).toEqual([
    'test.lift',
    'test_a.lift',
  ]);
});

test.each([
  ['everything', 'GRANT ALL PRIVILEGES ON *.* TO `a`@`%` WITH GRANT OPTION', ['lift', 'shaft', 'other.lift']],
  ['the database', 'GRANT SELECT, DELETE ON `works`.* TO `a`@`%`', ['lift', 'shaft']],
  ['databases by a pattern', 'GRANT UPDATE ON `w_rk%`.* TO `a`@`%`', ['lift', 'shaft']],
  ['one table', 'GRANT SELECT, INSERT ON `works`.`lift` TO `a`@`%`', ['lift']],
  ['one column', 'GRANT SELECT, UPDATE (`load_kg`) ON `works`.`lift` TO `a`@`%`', ['lift']],
  ['nothing that writes', 'GRANT SELECT, SHOW VIEW ON *.* TO `a`@`%`', []],
])('table catalog: a grant on %s covers what it names', (_, line, tables) => {
  expect(writable([line], 'works', ['lift', 'shaft', 'other.lift'])).toEqual(tables);
});

test('table catalog: a role is unknown unless the server lists its rights', () => {
  const ofMySql = ['GRANT USAGE ON *.* TO `a`@`%`', 'GRANT `readers`@`%`,`editors`@`%` TO `a`@`%`'];
  expect(parseGrants(ofMySql, 'works', ['lift'])).toEqual({ tables: [], unknownRoles: ['readers', 'editors'] });
  const ofMariaDb = [
    'GRANT `editors` TO `a`@`%`',
    'GRANT USAGE ON *.* TO `editors`',
    'GRANT INSERT ON `works`.* TO `editors`',
  ];
  expect(parseGrants(ofMariaDb, 'works', ['lift'])).toEqual({ tables: ['lift'], unknownRoles: [] });
});
