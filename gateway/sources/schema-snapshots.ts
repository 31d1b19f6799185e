/** Reads the checked-in schema snapshots, from the sources and from `dist`. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The folder that holds package.json, found by walking up from this file. */
export function packageFolder(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

/** The checked-in schema/supergraph.graphql. */
export const readSupergraph = (): Promise<string> =>
  readFile(join(packageFolder(), 'schema', 'supergraph.graphql'), 'utf8');

/** The checked-in schema/subgraphs of these connectors. */
export const readSubgraphs = (names: readonly string[]): Promise<{ name: string; url: string; sdl: string }[]> =>
  Promise.all(
    names.map(async (name) => ({
      name,
      url: `http://${name}.invalid`,
      sdl: await readFile(join(packageFolder(), 'schema', 'subgraphs', `${name}.graphql`), 'utf8'),
    })),
  );
