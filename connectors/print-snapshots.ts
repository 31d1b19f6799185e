/** Prints the pictures: subgraphs, supergraph, public graph, database, example settings; `--check` compares instead. */
import 'reflect-metadata';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compose, lint, type SubgraphText } from '../schema/compose.ts';
import { configurable, connectors, families } from './index.ts';
import { exampleYaml, settingsSchema, withSettingsTable } from './kit/config/reference.ts';
import { buildGraph } from './kit/subgraph/subgraph-schema.ts';

/** Port of each connector's own process, where isthmus.yaml names none; only a placeholder in the supergraph. */
const placeholder = (name: string): string =>
  `http://127.0.0.1:${4101 + connectors.findIndex((one) => one.name === name)}/graphql`;

/** SDL of every connector in the list. */
export async function subgraphTexts(): Promise<SubgraphText[]> {
  const built = await Promise.all(connectors.map((one) => buildGraph(one.name, one.graph)));
  return built.map(({ name, sdl }) => ({ name, sdl, url: placeholder(name) }));
}

/** File (relative to the package) to its text. `database` is printed by the caller, who has a database. */
export async function pictures(root: string, database: string): Promise<Map<string, string>> {
  const subgraphs = await subgraphTexts();
  const composed = compose(subgraphs);
  const files = new Map<string, string>();
  for (const { name, sdl } of subgraphs) files.set(`schema/subgraphs/${name}.graphql`, sdl);
  files.set('schema/supergraph.graphql', composed.supergraph);
  files.set('schema/api.graphql', composed.api);
  files.set('schema/database.sql', database);
  files.set('isthmus.example.yaml', exampleYaml(configurable));
  files.set('schema/isthmus.schema.json', settingsSchema(configurable));
  for (const connector of [...connectors, ...families]) {
    // The families of `connectors/configured` have theirs in a folder each; `mesh` has the README of them all.
    const readme = [`connectors/${connector.name}/README.md`, `connectors/configured/${connector.name}/README.md`].find(
      (one) => existsSync(join(root, one)),
    );
    if (readme === undefined) continue;
    const path = join(root, readme);
    files.set(readme, withSettingsTable(readFileSync(path, 'utf8'), connector));
  }
  return files;
}

/** Writes what differs; answers the files written. */
export function writePictures(root: string, files: ReadonlyMap<string, string>): string[] {
  const folder = join(root, 'schema', 'subgraphs');
  const written: string[] = [];
  for (const file of existsSync(folder) ? readdirSync(folder) : []) {
    if (!files.has(`schema/subgraphs/${file}`)) {
      rmSync(join(folder, file));
      written.push(`schema/subgraphs/${file} (removed)`);
    }
  }
  for (const [file, text] of files) {
    const path = join(root, file);
    if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
    writeFileSync(path, text);
    written.push(file);
  }
  return written;
}

/** Files that are not as they would be printed. */
export function differing(root: string, files: ReadonlyMap<string, string>): string[] {
  return [...files]
    .filter(([file, text]) => !existsSync(join(root, file)) || readFileSync(join(root, file), 'utf8') !== text)
    .map(([file]) => file);
}

/** Faults against the rules of the graph. */
export const lintGraph = async (): Promise<string[]> => lint(await subgraphTexts());
