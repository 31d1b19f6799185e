import { expect, test } from 'vitest';
import { writableByGrants } from './catalogue.ts';

/** Of an account that may only read `works`, on a MariaDB as it is installed: PUBLIC may do everything in `test`. */
const READER = [
  "GRANT USAGE ON *.* TO `reader`@`localhost` IDENTIFIED BY PASSWORD '*14E6'",
  'GRANT SELECT ON `works`.* TO `reader`@`localhost`',
  'GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, DELETE HISTORY ON `test`.* TO PUBLIC',
  'GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, DELETE HISTORY ON `test\\_%`.* TO PUBLIC',
];

test('a grant on another database is no right to write into these tables', () => {
  expect(writableByGrants(READER, 'works', ['lift', 'works.lift'])).toEqual([]);
  expect(writableByGrants(READER, 'works', ['lift', 'test.lift', 'test_a.lift', 'testing.lift'])).toEqual([
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
  ['a role', 'GRANT `readers`@`%` TO `a`@`%`', []],
])('a grant of %s counts for what it names', (_, line, tables) => {
  expect(writableByGrants([line], 'works', ['lift', 'shaft', 'other.lift'])).toEqual(tables);
});
