/** Plans the connectors of a configuration, builds those described in it, and composes the supergraph; opens nothing. */
import { dirname } from 'node:path';
import { connectors, families, HUB_INSTALLATION } from '../../connectors/index.ts';
import type { Config, InstallationConfig } from '../../connectors/kit/config/config.ts';
import type { AnyConnector } from '../../connectors/kit/connector.ts';
import { DeclarationError } from '../../connectors/kit/errors.ts';
import type { Log } from '../../connectors/kit/log.ts';
import { type BuiltGraph, buildGraph } from '../../connectors/kit/subgraph/subgraph-schema.ts';
import { CompositionError, compose, lintSubgraphs, type SubgraphSdl } from '../../schema/compose.ts';
import { toDeclarationError } from './pending-sources.ts';
import { readSubgraphs, readSupergraph } from './schema-snapshots.ts';

/** The configuration was rejected and the current one is kept. The message contains every reason. */
export class ChangeRejected extends Error {
  override name = 'ChangeRejected';
}

/** One connector of a configuration. */
export interface ConnectorPlan {
  readonly name: string;
  /** Differs when the connector must be restarted for another configuration. */
  readonly fingerprint: string;
  readonly installations: readonly InstallationConfig[];
  /** Null: a connector in code. */
  readonly family: string | null;
  /** Of the connector's own process; null: it runs in this one. */
  readonly url: string | null;
}

/** Everything that a start opens, planned before any host opens, so that reading and composing delay no source. */
export interface CompositionPlan {
  readonly connectors: readonly ConnectorPlan[];
  readonly built: ReadonlyMap<string, BuiltConnector>;
  /** Connectors that cannot be built yet, with the error. */
  readonly pending: ReadonlyMap<string, DeclarationError>;
  readonly supergraph: string;
}

/** Plans a start. A connector described in the configuration that cannot be built becomes pending, with its error in the log. */
export async function planComposition(config: Config, log: Log): Promise<CompositionPlan> {
  const plans = plannedConnectors(config);
  const { graphs, errors } = await buildConnectors(plans, config);
  for (const [name, error] of errors)
    log.error(
      `Failed to build connector ${name}. Starting without it, retrying in the background: ${error.fullMessage}`,
    );
  try {
    const supergraph = await supergraphWith([...graphs.values()].map((connector) => connector.graph));
    return { connectors: plans, built: graphs, pending: errors, supergraph };
  } catch (error) {
    // The connectors in code always compose; all that are described in the configuration become pending.
    if (!(error instanceof ChangeRejected)) throw error;
    log.error(
      `Failed to compose the supergraph. Starting without the connectors described in the configuration: ${error.message}`,
    );
    const pending = new Map([...graphs.keys()].map((name) => [name, toDeclarationError(error)] as const));
    return {
      connectors: plans,
      built: new Map(),
      pending: new Map([...errors, ...pending]),
      supergraph: await readSupergraph(),
    };
  }
}

/** The supergraph of the connectors in code and these graphs; the checked-in one when there are none. Throws `ChangeRejected`. */
export async function supergraphWith(graphs: readonly BuiltGraph[]): Promise<string> {
  if (graphs.length === 0) return readSupergraph();
  const subgraphs = graphs.map(({ name, sdl }) => ({ name, sdl, url: `http://${name}.invalid` }));
  return composeSupergraph(await readSubgraphs(connectors.map(({ name }) => name)), subgraphs);
}

/** Composes and lints one supergraph. Throws `ChangeRejected` with every reason. */
export function composeSupergraph(base: readonly SubgraphSdl[], added: readonly SubgraphSdl[]): string {
  const subgraphs = [...base, ...added];
  let supergraph: string;
  try {
    supergraph = compose(subgraphs).supergraph;
  } catch (error) {
    if (error instanceof CompositionError) throw new ChangeRejected(error.message);
    throw error;
  }
  const errors = lintSubgraphs(subgraphs);
  if (errors.length > 0)
    throw new ChangeRejected(
      ['The graph violates the schema rules:', ...errors.map((error) => `  - ${error}`)].join('\n'),
    );
  return supergraph;
}

/** Every connector in code, and one for each system that the installations of the configuration name. */
export function plannedConnectors(config: Config): ConnectorPlan[] {
  const names = [
    ...connectors.map(({ name }) => name),
    ...config.installations.filter(({ family }) => family).map(({ connector }) => connector),
  ];
  return [...new Set(names)].map((name) => {
    const installations: readonly InstallationConfig[] =
      name === 'hub' ? [HUB_INSTALLATION] : config.installations.filter(({ connector }) => connector === name);
    const url = config.subgraphs[name]?.url ?? null;
    const family = installations.find((installation) => installation.family)?.family ?? null;
    return {
      name,
      installations,
      family,
      url,
      fingerprint: JSON.stringify([installations, url, url === null ? config.parks : null]),
    };
  });
}

/** A connector that a family built from its description, and its graph. */
export interface BuiltConnector {
  readonly connector: AnyConnector;
  readonly graph: BuiltGraph;
}

/** Builds the connectors of all families; `errors` has those that cannot be built. */
export async function buildConnectors(plans: readonly ConnectorPlan[], config: Config) {
  const graphs = new Map<string, BuiltConnector>();
  const errors = new Map<string, DeclarationError>();
  await Promise.all(
    plans.map(async ({ name, family: familyName, installations }) => {
      if (familyName === null) return;
      const family = families.find(({ name }) => name === familyName);
      if (!family) throw new Error(`unknown connector family ${familyName}`);
      try {
        const connector = await family.createConnector(
          name,
          installations.map(({ settings }) => settings),
          dirname(config.file),
        );
        graphs.set(name, { connector, graph: await buildGraph(name, connector.graph) });
      } catch (error) {
        if (!(error instanceof DeclarationError)) throw error;
        errors.set(name, error);
      }
    }),
  );
  return { graphs, errors };
}
