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

/** schema/subgraphs as checked in, for those connectors. */
export const readSubgraphs = (names: readonly string[]): Promise<{ name: string; url: string; sdl: string }[]> =>
  Promise.all(
    names.map(async (name) => ({
      name,
      url: `http://${name}.invalid`,
      sdl: await readFile(join(packageFolder(), 'schema', 'subgraphs', `${name}.graphql`), 'utf8'),
    })),
  );
