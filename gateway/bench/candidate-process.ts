/** One candidate of the bench as a process of its own; tells its parent the port, and on asking what it has used. */
import type { AddressInfo } from 'node:net';
import { silentLog } from '../../connectors/kit/log.ts';
import { compose } from '../../schema/compose.ts';
import { createFederation, remoteSubgraph } from '../federation/index.ts';
import { graphqlFace } from '../http/apollo-server.ts';
import { listen } from '../http/server.ts';
import { Operations } from '../operation/operations.ts';
import { readPolicy } from '../trust/rights/field-policy.ts';
import { inProcess, serveSubgraph } from './bench-subgraphs.ts';
import { serveByHand, serveByHandAtOurDoor, serveBytes } from './handwritten-server.ts';
import { benchSubgraphs } from './workload.ts';

/** What a child tells first. */
export interface Ready {
  readonly port: number;
  /** Of the subgraphs: their addresses, by name. */
  readonly urls?: Readonly<Record<string, string>>;
}
/** What a child answers when asked. */
export interface Used {
  /** CPU in microseconds, of the whole process. */
  readonly cpu: number;
  /** Bytes. */
  readonly rss: number;
  /** Requests that the subgraphs got. */
  readonly requests: number;
}

let requests = () => 0;

async function gateway(urls: Readonly<Record<string, string>> | null): Promise<Ready> {
  const all = benchSubgraphs();
  const { supergraph } = compose(
    all.map(({ name, sdl }) => ({ name, sdl, url: urls?.[name] ?? `http://${name}.test` })),
  );
  let counted = 0;
  const subgraphs = new Map(
    all.map(({ name, sdl, schema }) => [
      name,
      urls ? remoteSubgraph({ name, url: urls[name] ?? '' }) : inProcess(name, sdl, schema, () => void counted++),
    ]),
  );
  requests = () => counted;
  const operations = new Operations({
    federation: createFederation({ supergraph, subgraphs, log: silentLog }),
    policy: readPolicy(supergraph),
  });
  const http = await listen({ host: '127.0.0.1', port: 0, log: silentLog });
  http.open({
    graphql: await graphqlFace(operations, { introspection: true }),
    ready: async () => ({ ready: true, body: {} }),
    metrics: async () => ({ type: 'text/plain', body: '' }),
    principal: async () => null,
  });
  return { port: http.port };
}

async function subgraphs(first: number): Promise<Ready> {
  const urls: Record<string, string> = {};
  const served = await Promise.all(
    benchSubgraphs().map(async ({ name, schema }, i) => {
      const one = await serveSubgraph(schema, first === 0 ? 0 : first + i);
      urls[name] = one.url;
      return one;
    }),
  );
  requests = () => served.reduce((sum, one) => sum + one.count(), 0);
  return { port: 0, urls };
}

const portOf = (server: { address(): unknown }): Ready => ({ port: (server.address() as AddressInfo).port });

const [kind, argument] = process.argv.slice(2);
const start: Readonly<Record<string, () => Promise<Ready>>> = {
  fused: () => gateway(null),
  http: () => gateway(JSON.parse(argument ?? '{}') as Record<string, string>),
  hand: async () => portOf(await serveByHand()),
  'hand-door': async () => portOf(await serveByHandAtOurDoor()),
  bytes: async () => portOf(await serveBytes()),
  subgraphs: () => subgraphs(Number(argument ?? 0)),
};

process.on('message', (message) => {
  if (message !== 'used') return;
  const { user, system } = process.cpuUsage();
  process.send?.({ cpu: user + system, rss: process.memoryUsage.rss(), requests: requests() } satisfies Used);
});
process.on('disconnect', () => process.exit(0));

const begin = start[kind ?? ''];
if (!begin) throw new Error(`There is no candidate ${kind}.`);
process.send?.(await begin());
