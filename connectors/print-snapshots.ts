/** The checked-in snapshots (`npm run schema`): subgraphs, supergraph, public graph, database, example settings, settings tables. */
import 'reflect-metadata';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compose, lintSubgraphs, type SubgraphSdl } from '../schema/compose.ts';
import { configurable, connectors, families } from './index.ts';
import { exampleYaml, settingsSchema, withSettingsTable } from './kit/config/reference.ts';
import { buildGraph } from './kit/subgraph/subgraph-schema.ts';

/** Address of a connector's own process in the supergraph: a placeholder, replaced at run time. */
const placeholderUrl = (name: string): string =>
  `http://127.0.0.1:${4101 + connectors.findIndex((connector) => connector.name === name)}/graphql`;

/** The SDL of every connector. */
export async function subgraphTexts(): Promise<SubgraphSdl[]> {
  const built = await Promise.all(connectors.map((connector) => buildGraph(connector.name, connector.graph)));
  return built.map(({ name, sdl }) => ({ name, sdl, url: placeholderUrl(name) }));
}

/** All snapshots: path relative to `root`, to text. `database` is the text of schema/database.sql, printed by the caller. */
export async function snapshots(root: string, database: string): Promise<Map<string, string>> {
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
    // Each family has a README in its folder below connectors/configured; `mesh` uses connectors/configured/README.md.
    const readme = [
      `connectors/${connector.name}/README.md`,
      connector.name === 'mesh'
        ? 'connectors/configured/README.md'
        : `connectors/configured/${connector.name}/README.md`,
    ].find((file) => existsSync(join(root, file)));
    if (readme === undefined) continue;
    const path = join(root, readme);
    files.set(readme, withSettingsTable(readFileSync(path, 'utf8'), connector));
  }
  return files;
}

/** Writes the snapshots that differ and removes subgraphs without a connector. Returns the changed files. */
export function writeSnapshots(root: string, files: ReadonlyMap<string, string>): string[] {
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

/** Files whose text differs from the snapshot. */
export function outdatedSnapshots(root: string, files: ReadonlyMap<string, string>): string[] {
  return [...files]
    .filter(([file, text]) => !existsSync(join(root, file)) || readFileSync(join(root, file), 'utf8') !== text)
    .map(([file]) => file);
}

/** Violations of the rules for the graph. */
export const lintGraph = async (): Promise<string[]> => lintSubgraphs(await subgraphTexts());
