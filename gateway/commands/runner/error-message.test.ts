import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DatabaseBusyError } from '../../../schema/database/pool/connection-pool.ts';
import { IssuerKeyError } from '../../trust/tokens/demo-issuer.ts';
import { errorText, OPERATOR_ERRORS } from './error-message.ts';

const ROOT = join(import.meta.dirname, '../../..');

/** The error classes of the program that set `name`: class and name. */
const errorClasses = (): { className: string; name: string }[] =>
  ['bin', 'connectors', 'gateway', 'migrations', 'schema'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => /(?<!\.test)\.(ts|js)$/.test(file))
      .flatMap((file) => [
        ...readFileSync(join(ROOT, folder, file), 'utf8').matchAll(
          /class (\w+) extends \w+ \{\n {2}(?:override )?name = '(\w+)'/g,
        ),
      ])
      .map(([, className = '', name = '']) => ({ className, name })),
  );

test('error message: error classes are recognised by name, so each has its own', () => {
  const classes = errorClasses();
  expect(classes.length).toBeGreaterThan(20);
  expect(classes.filter(({ className, name }) => className !== name)).toEqual([]);
});

test('every name in the list of operator errors is that of an error class', () => {
  const names = errorClasses().map(({ name }) => name);
  expect(OPERATOR_ERRORS.filter((name) => !names.includes(name))).toEqual([]);
});

test('the text of an operator error is its message alone', () => {
  for (const error of [new DatabaseBusyError('No free connection.'), new IssuerKeyError('Cannot read the key.')])
    expect(errorText(error, false)).toBe(error.message);
  expect(errorText(new Error('no such property'), false)).toMatch(
    /^Internal error in Isthmus: no such property\. .*ISTHMUS_LOG=debug\.$/,
  );
});
