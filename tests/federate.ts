/** For tests of the engine: a federation over subgraphs, and what it answers. */
import type { Call, Subgraph } from '../connectors/kit/connector.ts';
import { hubCall } from '../connectors/kit/host/services.ts';
import { silentLog } from '../connectors/kit/log.ts';
import { type Answer, createFederation, type Federation } from '../gateway/federation/index.ts';
import { compose } from '../schema/compose.ts';

/** The supergraph of these subgraphs, and what the federation over it is made with. */
export function partsOf(subgraphs: readonly Subgraph[]) {
  const { supergraph } = compose(subgraphs.map(({ name, sdl }) => ({ name, sdl, url: `http://${name}.test` })));
  return { supergraph, subgraphs: new Map(subgraphs.map((one) => [one.name, one])), log: silentLog };
}

export const federate = (...subgraphs: Subgraph[]): Federation => createFederation(partsOf(subgraphs));

/** What is sent for the operation; of one that is refused, why. */
export async function ask(
  federation: Federation,
  query: string,
  variables: Readonly<Record<string, unknown>> = {},
  options: Parameters<Federation['compile']>[1] = {},
  call: Call = hubCall(2_000, new AbortController().signal),
): Promise<Omit<Answer, 'text'>> {
  const compiled = federation.compile({ query }, options);
  if ('errors' in compiled) return { data: null, errors: compiled.errors };
  return JSON.parse(JSON.stringify(await federation.execute(compiled, { variables, call }))) as Answer;
}
