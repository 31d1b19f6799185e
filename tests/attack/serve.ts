/** A process to be measured: the hub's way from the request to the answer with its own limits, or the bare gateway. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { NOBODY } from '../../connectors/kit/auth/principal.ts';
import { silentLog } from '../../connectors/kit/log.ts';
import { createFederation, remoteSubgraph } from '../../gateway/federation/index.ts';
import { type Fake, fake } from '../../gateway/federation/testing/fake-subgraph.ts';
import { graphqlFace } from '../../gateway/http/apollo-server.ts';
import { listen } from '../../gateway/http/server.ts';
import { Operations } from '../../gateway/operation/operations.ts';
import { holdLittle } from '../../gateway/ops/garbage-collection.ts';
import { startGateway } from '../../gateway/standalone-gateway.ts';
import { readCosts } from '../../gateway/trust/limits/operation-cost.ts';
import { readPolicy } from '../../gateway/trust/rights/field-policy.ts';
import { FAR, NEAR, RESOLVERS, supergraph } from './graph.ts';

/** Serves the subgraph over HTTP. */
async function serve(subgraph: Fake): Promise<{ url: string; server: Server }> {
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

const near = () => fake('near', NEAR, RESOLVERS);
const far = () => fake('far', FAR, {}, { T: () => ({ i: '1', far: 4 }) });

async function startHub(text: string): Promise<string> {
  const operations = new Operations({
    federation: createFederation({
      supergraph: text,
      subgraphs: (name, url) => remoteSubgraph({ name, url }),
      log: silentLog,
      // Everything of the type is accounted for, so that this way is measured too.
      watch: {
        watched: ({ type }) => type === 'T',
        subjects: new Map([['T', 'i']]),
        owner: { type: 'T', scalar: 'ID' },
      },
    }),
    policy: readPolicy(text),
    costs: readCosts(text),
    limits: { rate: 0 },
  });
  const http = await listen({ host: '127.0.0.1', port: 0, log: silentLog });
  http.open({
    graphql: await graphqlFace(operations, { introspection: true }),
    ready: async () => ({ ready: true, body: {} }),
    metrics: async () => ({ type: 'text/plain', body: '' }),
    principal: async () => NOBODY,
    turns: operations,
  });
  return `http://127.0.0.1:${http.port}/graphql`;
}

async function startPlain(text: string): Promise<string> {
  const gateway = await startGateway({
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
  // As `isthmus gateway` does once it is up.
  if (role === 'gateway') holdLittle();
  process.send?.({ url });
  process.on('message', () => process.send?.({ cpu: process.cpuUsage() }));
}
process.on('disconnect', () => process.exit(0));
