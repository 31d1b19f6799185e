/** The checked-in pictures, wherever this file runs from: the sources or `dist`. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The folder that holds package.json. */
export function packageFolder(): string {
  const here = import.meta.dirname;
  const up = [join(here, '..'), join(here, '..', '..')].find((one) => existsSync(join(one, 'package.json')));
  return up ?? join(here, '..');
}

/** schema/supergraph.graphql as checked in. */
export const readSupergraph = (): Promise<string> =>
  readFile(join(packageFolder(), 'schema', 'supergraph.graphql'), 'utf8');
