/** What a configuration makes of the islands before anything is opened: connectors, their graphs, and the one supergraph. */
import { dirname } from 'node:path';
import { connectors, families, HUB_INSTALLATION } from '../../connectors/index.ts';
import type { Config, InstallationConfig } from '../../connectors/kit/config/config.ts';
import { type AnyConnector, DeclarationError } from '../../connectors/kit/connector.ts';
import type { Log } from '../../connectors/kit/log.ts';
import { type BuiltGraph, buildGraph } from '../../connectors/kit/subgraph/subgraph-schema.ts';
import { CompositionError, compose, lint, type SubgraphText } from '../../schema/compose.ts';
import { waitingFor } from './pending-sources.ts';
import { readSubgraphs, readSupergraph } from './schema-snapshots.ts';

/** The change was refused; the message names every reason, and the running graph is as it was. */
export class ChangeRefused extends Error {
  override name = 'ChangeRefused';
}

/** What a configuration asks of one connector. */
export interface Wanted {
  readonly name: string;
  readonly mark: string;
  readonly installations: readonly InstallationConfig[];
  readonly family: string | null;
  readonly url: string | null;
}

/** What a start brings up: settled before any host opens, so that reading and composing keep no source waiting. */
export interface Plan {
  readonly wanted: readonly Wanted[];
  readonly made: ReadonlyMap<string, Made>;
  /** Islands that cannot be made yet, and why. */
  readonly waiting: ReadonlyMap<string, DeclarationError>;
  readonly supergraph: string;
}

/** Plans a start. An island that is made from configuration and cannot be made waits, with its reason in the log. */
export async function planIslands(config: Config, log: Log): Promise<Plan> {
  const all = wantedOf(config);
  const { graphs, faults } = await makeAll(all, config);
  for (const [name, fault] of faults) log.error(`The hub starts without the island ${name}: ${fault.whole}`);
  try {
    const supergraph = await supergraphOf([...graphs.values()].map((one) => one.built));
    return { wanted: all, made: graphs, waiting: faults, supergraph };
  } catch (error) {
    // The islands in code make one graph by themselves; those of the configuration must wait for a better one.
    if (!(error instanceof ChangeRefused)) throw error;
    log.error(`The hub starts without the islands by configuration: ${error.message}`);
    const waiting = new Map([...graphs.keys()].map((name) => [name, waitingFor(error)] as const));
    return {
      wanted: all,
      made: new Map(),
      waiting: new Map([...faults, ...waiting]),
      supergraph: await readSupergraph(),
    };
  }
}

/** The supergraph of the islands in code and these; the checked-in one where there are none. Throws `ChangeRefused`. */
export async function supergraphOf(made: readonly BuiltGraph[]): Promise<string> {
  if (made.length === 0) return readSupergraph();
  const texts = made.map(({ name, sdl }) => ({ name, sdl, url: `http://${name}.invalid` }));
  return joined(await readSubgraphs(connectors.map((one) => one.name)), texts);
}

/** One supergraph, under the rules of the house; throws `ChangeRefused` with every reason. */
export function joined(base: readonly SubgraphText[], made: readonly SubgraphText[]): string {
  const all = [...base, ...made];
  let supergraph: string;
  try {
    supergraph = compose(all).supergraph;
  } catch (error) {
    if (error instanceof CompositionError) throw new ChangeRefused(error.message);
    throw error;
  }
  const faults = lint(all);
  if (faults.length > 0)
    throw new ChangeRefused(
      ['The graph would break rules of the house:', ...faults.map((one) => `  - ${one}`)].join('\n'),
    );
  return supergraph;
}

/** Every connector in code, and one for each system that the installations name. */
export function wantedOf(config: Config): Wanted[] {
  const names = [
    ...connectors.map((one) => one.name),
    ...config.installations.filter((one) => one.family).map((one) => one.connector),
  ];
  return [...new Set(names)].map((name) => {
    const installations: readonly InstallationConfig[] =
      name === 'hub' ? [HUB_INSTALLATION] : config.installations.filter((one) => one.connector === name);
    const url = config.subgraphs[name]?.url ?? null;
    const family = installations.find((one) => one.family)?.family ?? null;
    return {
      name,
      installations,
      family,
      url,
      mark: JSON.stringify([installations, url, url === null ? config.parks : null]),
    };
  });
}

/** A connector that a family made, and its graph. */
export interface Made {
  readonly connector: AnyConnector;
  readonly built: BuiltGraph;
}

/** Makes the connectors of the families, all faults kept. */
export async function makeAll(wanted: readonly Wanted[], config: Config) {
  const graphs = new Map<string, Made>();
  const faults = new Map<string, DeclarationError>();
  await Promise.all(
    wanted.map(async ({ name, family: familyName, installations }) => {
      if (familyName === null) return;
      const family = families.find((one) => one.name === familyName);
      if (!family) throw new Error(`There is no family ${familyName}.`);
      try {
        const connector = await family.make(
          name,
          installations.map((one) => one.settings),
          dirname(config.file),
        );
        graphs.set(name, { connector, built: await buildGraph(name, connector.graph) });
      } catch (error) {
        if (!(error instanceof DeclarationError)) throw error;
        faults.set(name, error);
      }
    }),
  );
  return { graphs, faults };
}
