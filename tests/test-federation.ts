/** For tests of federation: a federation over fake subgraphs, and its responses. */
import type { Call, Subgraph } from '../connectors/kit/call.ts';
import { hubCall } from '../connectors/kit/host/services.ts';
import { silentLog } from '../connectors/kit/log.ts';
import { createFederation, type FederatedResponse, type Federation } from '../gateway/federation/index.ts';
import { compose } from '../schema/compose.ts';

/** Options of `createFederation` for these subgraphs, with their composed supergraph. */
export function federationOptions(subgraphs: readonly Subgraph[]) {
  const { supergraph } = compose(subgraphs.map(({ name, sdl }) => ({ name, sdl, url: `http://${name}.test` })));
  return { supergraph, subgraphs: new Map(subgraphs.map((subgraph) => [subgraph.name, subgraph])), log: silentLog };
}

export const federate = (...subgraphs: Subgraph[]): Federation => createFederation(federationOptions(subgraphs));

/** Executes the operation; the response as JSON would show it, or the errors if it does not compile. */
export async function executeOperation(
  federation: Federation,
  query: string,
  variables: Readonly<Record<string, unknown>> = {},
  options: Parameters<Federation['compile']>[1] = {},
  call: Call = hubCall(2_000, new AbortController().signal),
): Promise<Omit<FederatedResponse, 'json'>> {
  const compiled = federation.compile({ query }, options);
  if ('errors' in compiled) return { data: null, errors: compiled.errors };
  return JSON.parse(JSON.stringify(await federation.execute(compiled, { variables, call }))) as FederatedResponse;
}
