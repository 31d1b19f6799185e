/** The measured process: the hub's request handling with its own limits, or the standalone gateway. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ANONYMOUS } from '../../connectors/kit/auth/principal.ts';
import { silentLog } from '../../connectors/kit/log.ts';
import { createFederation, remoteSubgraph } from '../../gateway/federation/index.ts';
import { type FakeSubgraph, fakeSubgraph } from '../../gateway/federation/testing/fake-subgraph.ts';
import { startApolloHandler } from '../../gateway/http/apollo-server.ts';
import { listen } from '../../gateway/http/server.ts';
import { Operations } from '../../gateway/operation/operations.ts';
import { keepHeapSmall } from '../../gateway/ops/garbage-collection.ts';
import { startStandaloneGateway } from '../../gateway/standalone-gateway.ts';
import { readCostModel } from '../../gateway/trust/limits/operation-cost.ts';
import { readFieldPolicy } from '../../gateway/trust/rights/field-policy.ts';
import { FAR, NEAR, RESOLVERS, supergraph } from './graph.ts';

/** Serves the subgraph over HTTP. */
async function serve(subgraph: FakeSubgraph): Promise<{ url: string; server: Server }> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', async () => {
      const { query, variables = {} } = JSON.parse(Buffer.concat(parts).toString());
      const answer = await subgraph.execute({ query, variables, call: undefined as never });
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`, server };
}

const near = () => fakeSubgraph('near', NEAR, RESOLVERS);
const far = () => fakeSubgraph('far', FAR, {}, { T: () => ({ i: '1', far: 4 }) });

async function startHub(text: string): Promise<string> {
  const operations = new Operations({
    federation: createFederation({
      supergraph: text,
      subgraphs: (name, url) => remoteSubgraph({ name, url }),
      log: silentLog,
      // All fields of the type are audited, so that auditing is measured too.
      protectedFields: {
        isProtected: ({ type }) => type === 'T',
        subjects: new Map([['T', 'i']]),
        owner: { type: 'T', scalar: 'ID' },
      },
    }),
    policy: readFieldPolicy(text),
    costs: readCostModel(text),
    limits: { rate: 0 },
  });
  const http = await listen({ host: '127.0.0.1', port: 0, log: silentLog });
  http.open({
    graphql: await startApolloHandler(operations, { introspection: true }),
    ready: async () => ({ ready: true, body: {} }),
    metrics: async () => ({ type: 'text/plain', body: '' }),
    authenticate: async () => ANONYMOUS,
    schedule: (caller, work) => operations.schedule(caller, work),
  });
  return `http://127.0.0.1:${http.port}/graphql`;
}

async function startPlain(text: string): Promise<string> {
  const gateway = await startStandaloneGateway({
    supergraph: text,
    host: '127.0.0.1',
    port: 0,
    unprotected: false,
    deadline: 10_000,
    log: silentLog,
  });
  return `${gateway.url}/graphql`;
}

const role = process.argv[2];
if (role === 'subgraphs') {
  const served = [await serve(near()), await serve(far())];
  process.send?.({ urls: served.map((one) => one.url) });
} else {
  const text = supergraph(process.argv[3] ?? '', process.argv[4] ?? '');
  const start = role === 'hub' ? startHub : startPlain;
  const url = await start(text);
  // As `isthmus gateway` does after start-up.
  if (role === 'gateway') keepHeapSmall();
  process.send?.({ url });
  process.on('message', () => process.send?.({ cpu: process.cpuUsage() }));
}
process.on('disconnect', () => process.exit(0));
