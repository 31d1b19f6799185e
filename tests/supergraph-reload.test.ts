/** Replaces the supergraph under load: no request fails, and compiled operations are recompiled in advance. */
import { expect, test } from 'vitest';
import { silentLog } from '../connectors/kit/log.ts';
import { serveSubgraph } from '../gateway/bench/bench-subgraphs.ts';
import { generateLoad } from '../gateway/bench/load-generator.ts';
import { BODIES, benchSubgraphs, QUERIES } from '../gateway/bench/workload.ts';
import { createFederation } from '../gateway/federation/index.ts';
import { Operations } from '../gateway/operation/operations.ts';
import { startStandaloneGateway } from '../gateway/standalone-gateway.ts';
import { readFieldPolicy } from '../gateway/trust/rights/field-policy.ts';
import { compose } from '../schema/compose.ts';

test('supergraph reload: reloads under load without failed requests, and answers from the new graph', async () => {
  const parts = await Promise.all(
    benchSubgraphs().map(async ({ name, sdl, schema }) => ({ name, sdl, served: await serveSubgraph(schema, 0) })),
  );
  const supergraph = (more: string) =>
    compose(parts.map(({ name, sdl, served }) => ({ name, sdl: name === 'tax' ? sdl + more : sdl, url: served.url })))
      .supergraph;
  const gateway = await startStandaloneGateway({
    supergraph: supergraph(''),
    host: '127.0.0.1',
    port: 0,
    unprotected: false,
    deadline: 10_000,
    log: silentLog,
  });
  const send = async (query: string): Promise<unknown> => {
    const answer = await fetch(`${gateway.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    });
    return answer.json();
  };
  try {
    const typeQuery = '{ __type(name: "Later") { name } }';
    expect(await send(typeQuery)).toEqual({ data: { __type: null } });
    const mixed = [...BODIES.Q1.slice(0, 20), ...BODIES.Q2.slice(0, 20)];
    const under = generateLoad(Number(new URL(gateway.url).port), mixed, 1_500, { connections: 8 });
    for (const more of [
      'extend type Query { later: Later } type Later { id: ID }',
      '',
      'extend type Query { later: Later } type Later { id: ID }',
    ]) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      await gateway.reload(supergraph(more));
    }
    const { requests, failures } = await under;
    expect(failures).toBe(0);
    expect(requests).toBeGreaterThan(8);
    expect(await send(typeQuery)).toEqual({ data: { __type: { name: 'Later' } } });
    await expect(gateway.reload('type Query { a: Int }')).rejects.toThrow('supergraph');
    expect(await send(typeQuery)).toEqual({ data: { __type: { name: 'Later' } } });
  } finally {
    await gateway.stop();
    for (const { served } of parts) {
      served.server.closeAllConnections();
      served.server.close();
    }
  }
});

test('supergraph reload: recompiles cached operations for the new graph before it is used', async () => {
  const all = benchSubgraphs();
  const { supergraph } = compose(all.map(({ name, sdl }) => ({ name, sdl, url: `http://${name}.test` })));
  const federate = () => createFederation({ supergraph, subgraphs: new Map(), log: silentLog });
  const [old, next] = [federate(), federate()];
  const operations = new Operations({ federation: old, policy: readFieldPolicy(supergraph) });
  for (const query of Object.values(QUERIES)) {
    const signal = new AbortController().signal;
    await operations.run({ query, variables: { id: 'c1', first: 1 }, principal: null, signal });
  }
  expect(next.compiledOperations()).toEqual([]);
  await operations.graph.replace({ federation: next, policy: readFieldPolicy(supergraph) });
  expect(next.compiledOperations()).toEqual(old.compiledOperations());
  expect(next.compiledOperations().map((one) => one.query)).toEqual(Object.values(QUERIES));
});
