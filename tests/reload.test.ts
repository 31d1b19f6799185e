/** Another supergraph while requests are under way: none is lost, and what was warm stays warm. */
import { expect, test } from 'vitest';
import { silentLog } from '../connectors/kit/log.ts';
import { serveSubgraph } from '../gateway/bench/bench-subgraphs.ts';
import { load } from '../gateway/bench/load-generator.ts';
import { BODIES, benchSubgraphs, QUERIES } from '../gateway/bench/workload.ts';
import { createFederation } from '../gateway/federation/index.ts';
import { Operations } from '../gateway/operation/operations.ts';
import { startGateway } from '../gateway/standalone-gateway.ts';
import { readPolicy } from '../gateway/trust/rights/field-policy.ts';
import { compose } from '../schema/compose.ts';

test('a reload under load loses no request, and the new graph answers', async () => {
  const parts = await Promise.all(
    benchSubgraphs().map(async ({ name, sdl, schema }) => ({ name, sdl, served: await serveSubgraph(schema, 0) })),
  );
  const supergraph = (more: string) =>
    compose(parts.map(({ name, sdl, served }) => ({ name, sdl: name === 'tax' ? sdl + more : sdl, url: served.url })))
      .supergraph;
  const gateway = await startGateway({
    supergraph: supergraph(''),
    host: '127.0.0.1',
    port: 0,
    unprotected: false,
    deadline: 10_000,
    log: silentLog,
  });
  const ask = async (query: string): Promise<unknown> => {
    const answer = await fetch(`${gateway.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    });
    return answer.json();
  };
  try {
    const asked = '{ __type(name: "Later") { name } }';
    expect(await ask(asked)).toEqual({ data: { __type: null } });
    const mixed = [...BODIES.Q1.slice(0, 20), ...BODIES.Q2.slice(0, 20)];
    const under = load(Number(new URL(gateway.url).port), mixed, 1_500, 8);
    for (const more of [
      'extend type Query { later: Later } type Later { id: ID }',
      '',
      'extend type Query { later: Later } type Later { id: ID }',
    ]) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      await gateway.reload(supergraph(more));
    }
    const { requests, faults } = await under;
    expect(faults).toBe(0);
    expect(requests).toBeGreaterThan(8);
    expect(await ask(asked)).toEqual({ data: { __type: { name: 'Later' } } });
    await expect(gateway.reload('type Query { a: Int }')).rejects.toThrow('supergraph');
    expect(await ask(asked)).toEqual({ data: { __type: { name: 'Later' } } });
  } finally {
    await gateway.stop();
    for (const { served } of parts) {
      served.server.closeAllConnections();
      served.server.close();
    }
  }
});

test('what was compiled for the old graph is compiled for the new one before it is asked', async () => {
  const all = benchSubgraphs();
  const { supergraph } = compose(all.map(({ name, sdl }) => ({ name, sdl, url: `http://${name}.test` })));
  const federate = () => createFederation({ supergraph, subgraphs: new Map(), log: silentLog });
  const [old, next] = [federate(), federate()];
  const operations = new Operations({ federation: old, policy: readPolicy(supergraph) });
  for (const query of Object.values(QUERIES)) {
    const signal = new AbortController().signal;
    await operations.run({ query, variables: { id: 'c1', first: 1 }, principal: null, signal });
  }
  expect(next.known()).toEqual([]);
  await operations.replace({ federation: next, policy: readPolicy(supergraph) });
  expect(next.known()).toEqual(old.known());
  expect(next.known().map((one) => one.query)).toEqual(Object.values(QUERIES));
});
