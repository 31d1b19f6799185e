/** Runs one candidate of the bench in a process of its own. Sends its port to the parent, and its usage for each message `used`. */
import type { AddressInfo } from 'node:net';
import { silentLog } from '../../connectors/kit/log.ts';
import { compose } from '../../schema/compose.ts';
import { createFederation, remoteSubgraph } from '../federation/index.ts';
import { startApolloHandler } from '../http/apollo-server.ts';
import { listen } from '../http/server.ts';
import { Operations } from '../operation/operations.ts';
import { readFieldPolicy } from '../trust/rights/field-policy.ts';
import { inProcessSubgraph, serveSubgraph } from './bench-subgraphs.ts';
import { serveHandwrittenPlan, serveHandwrittenPlanOverGatewayHttp, serveStaticBytes } from './handwritten-server.ts';
import { benchSubgraphs } from './workload.ts';

/** The first message of a candidate. `checkout-comparison.ts` relies on this form in other checkouts too. */
export interface Ready {
  readonly port: number;
  /** Addresses of the subgraphs by name; only of the candidate `subgraphs`. */
  readonly urls?: Readonly<Record<string, string>>;
}
/** The response to the message `used`. */
export interface Usage {
  /** CPU time of the process, in microseconds. */
  readonly cpu: number;
  /** Bytes. */
  readonly rss: number;
  /** Number of requests that the subgraphs received. */
  readonly requests: number;
}

let countRequests = () => 0;

async function startGateway(urls: Readonly<Record<string, string>> | null): Promise<Ready> {
  const parts = benchSubgraphs();
  const { supergraph } = compose(
    parts.map(({ name, sdl }) => ({ name, sdl, url: urls?.[name] ?? `http://${name}.test` })),
  );
  let requests = 0;
  const subgraphs = new Map(
    parts.map(({ name, sdl, schema }) => [
      name,
      urls
        ? remoteSubgraph({ name, url: urls[name] ?? '' })
        : inProcessSubgraph(name, sdl, schema, () => void requests++),
    ]),
  );
  countRequests = () => requests;
  const operations = new Operations({
    federation: createFederation({ supergraph, subgraphs, log: silentLog }),
    policy: readFieldPolicy(supergraph),
  });
  const http = await listen({ host: '127.0.0.1', port: 0, log: silentLog });
  http.open({
    graphql: await startApolloHandler(operations, { introspection: true }),
    ready: async () => ({ ready: true, body: {} }),
    metrics: async () => ({ type: 'text/plain', body: '' }),
    authenticate: async () => null,
  });
  return { port: http.port };
}

async function startSubgraphs(firstPort: number): Promise<Ready> {
  const urls: Record<string, string> = {};
  const served = await Promise.all(
    benchSubgraphs().map(async ({ name, schema }, i) => {
      const subgraph = await serveSubgraph(schema, firstPort === 0 ? 0 : firstPort + i);
      urls[name] = subgraph.url;
      return subgraph;
    }),
  );
  countRequests = () => served.reduce((sum, subgraph) => sum + subgraph.count(), 0);
  return { port: 0, urls };
}

const readyOf = (server: { address(): unknown }): Ready => ({ port: (server.address() as AddressInfo).port });

const [kind, argument] = process.argv.slice(2);
const starters: Readonly<Record<string, () => Promise<Ready>>> = {
  'in-process': () => startGateway(null),
  // The name in checkouts of 2026-11 and before: `isthmus bench --against` starts candidates by it.
  fused: () => startGateway(null),
  http: () => startGateway(JSON.parse(argument ?? '{}') as Record<string, string>),
  handwritten: async () => readyOf(await serveHandwrittenPlan()),
  'handwritten-gateway-http': async () => readyOf(await serveHandwrittenPlanOverGatewayHttp()),
  'static-bytes': async () => readyOf(await serveStaticBytes()),
  subgraphs: () => startSubgraphs(Number(argument ?? 0)),
};

process.on('message', (message) => {
  if (message !== 'used') return;
  const { user, system } = process.cpuUsage();
  process.send?.({
    cpu: user + system,
    rss: process.memoryUsage.rss(),
    requests: countRequests(),
  } satisfies Usage);
});
process.on('disconnect', () => process.exit(0));

const start = starters[kind ?? ''];
if (!start) throw new Error(`Unknown candidate ${kind}. Candidates: ${Object.keys(starters).join(', ')}.`);
process.send?.(await start());
